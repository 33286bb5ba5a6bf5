// Long messages are folded: their beginning stands in the log, with a button for the rest. All of it
// is in the page, for who searches, copies or prints.

import { el } from "./dom.js";

const FOLDED_OVER = 40; // lines; the style sheet shows about half of them
// Characters that a line of the log holds, roughly.
const perLine = () => (matchMedia("(max-width: 700px)").matches ? 40 : 80);

/** What is shown of a body, with the button for the rest where its text is long. */
export function folding(body, text, open) {
  const lines = text.split("\n");
  const width = perLine();
  const height = lines.reduce((sum, line) => sum + 1 + Math.floor(line.length / width), 0);
  if (height <= FOLDED_OVER) return [body];
  const many = lines.length > FOLDED_OVER / 2;
  const words = many ? `Show all ${lines.length.toLocaleString()} lines` : "Show all";
  const attributes = { type: "button", class: "link fold", "data-fold": words, "data-focus": "fold" };
  const button = el("button", attributes);
  show(body, button, open);
  return [body, button];
}

/** Which of the log's long messages are unfolded, by the key of their row. */
export class Folds {
  #open = new Set();
  #scroller;

  constructor(log, scroller) {
    this.#scroller = scroller;
    log.addEventListener("click", ({ target }) => {
      const button = target.closest("[data-fold]");
      if (button) this.#turn(button, button.getAttribute("aria-expanded") === "false");
    });
    // The browser scrolls within what is folded: to what somebody searches, or to a link by Tab.
    const within = ({ target }) => {
      if (target.matches?.(".body.folded")) this.#turn(target.nextElementSibling, true);
    };
    log.addEventListener("scroll", within, { capture: true, passive: true });
  }

  isOpen(key) {
    return this.#open.has(key);
  }

  #turn(button, open) {
    const body = button.previousElementSibling;
    const { key } = button.closest("[data-key]").dataset;
    if (open) this.#open.add(key);
    else this.#open.delete(key);
    // What is read stays where it is: the text, or where it was folded away, the button.
    this.#scroller.hold(open ? body.firstElementChild : button, () => show(body, button, open));
  }
}

/** All of a message, or its beginning. */
function show(body, button, open) {
  body.classList.toggle("folded", !open);
  button.setAttribute("aria-expanded", String(open));
  button.textContent = open ? "Show less" : button.dataset.fold;
}
