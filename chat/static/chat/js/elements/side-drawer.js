// <side-drawer>: a column beside the log; on a narrow screen it slides in over it.
// Opened by the buttons whose aria-controls names it.

export class SideDrawer extends HTMLElement {
  #opener = null;

  connectedCallback() {
    for (const button of document.querySelectorAll(`[aria-controls="${this.id}"]`)) {
      button.addEventListener("click", () => this.toggle(button));
    }
    this.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#isOpen) this.#close();
    });
    this.querySelector(".drawer-close").addEventListener("click", () => this.#close());
    document.addEventListener("pointerdown", ({ target }) => {
      if (this.#isOpen && !this.contains(target) && !this.#opener?.contains(target)) this.#close();
    });
  }

  toggle(opener) {
    if (this.#isOpen) {
      this.#close();
      return;
    }
    this.#opener = opener;
    this.toggleAttribute("open", true);
    opener.setAttribute("aria-expanded", "true");
    this.querySelector(".drawer-close").focus();
  }

  get #isOpen() {
    return this.hasAttribute("open");
  }

  #close() {
    this.toggleAttribute("open", false);
    this.#opener?.setAttribute("aria-expanded", "false");
    if (this.contains(document.activeElement)) this.#opener?.focus();
  }
}
