// Names for what Django's scripts make without one: screen readers would say "combobox", and no more.

/** Select2 covers a <select>, and leaves its label behind. What it shows is no text box. */
function nameChooser(select) {
  const [label] = select.labels;
  const chooser = select.nextElementSibling?.querySelector("[role=combobox]");
  const shown = chooser?.querySelector("[role=textbox]");
  if (!label || !shown) return;
  label.id ||= `${select.id}-label`;
  chooser.setAttribute("aria-labelledby", `${label.id} ${shown.id}`);
  shown.removeAttribute("role");
  shown.removeAttribute("aria-readonly");
}

/** The field and the list that a chooser opens; they are made anew each time. */
function nameOpened({ target }) {
  if (!target.matches(".select2-search__field")) return;
  const list = target.closest(".select2-dropdown").querySelector("[role=listbox]");
  const chooser = document.querySelector("[role=combobox][aria-expanded=true]");
  target.ariaLabel = "Search";
  list.ariaLabel = "Found";
  chooser?.setAttribute("aria-controls", list.id);
}

// Django's scripts do their work when jQuery says that the page is ready, or when it has loaded.
// They came first; ours hears of it after them.
window.django?.jQuery?.(() => {
  document.querySelectorAll("select.admin-autocomplete").forEach(nameChooser);
});
addEventListener("load", () => {
  document.querySelectorAll("span.help-tooltip[aria-label]").forEach((icon) => {
    icon.role = "img"; // as which it may bear a label
  });
});
document.addEventListener("focusin", nameOpened);
