// Making elements. Text goes in as text; nothing here takes HTML.

/** el("a", {class: "link", href}, "text", child, …); null and undefined are left out. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** A copy of what is in <template id="…">. */
export function clone(id) {
  return document.getElementById(id).content.cloneNode(true);
}

export function emit(element, name, detail) {
  element.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
}

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
