// <side-drawer>: a column beside the log; on a narrow screen it slides in over it.
// Opened by the buttons whose aria-controls names it. While it is open, what it covers is inert:
// nothing there is reached by Tab, by a screen reader or by the tap that closes the drawer.

export class SideDrawer extends HTMLElement {
  #opener = null;

  connectedCallback() {
    for (const button of document.querySelectorAll(`[aria-controls="${this.id}"]`)) {
      button.addEventListener("click", () => this.toggle(button));
    }
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#isOpen) this.#close();
    });
    // The window grew, and this is a column like the others.
    addEventListener("resize", () => {
      if (this.#isOpen && !this.#covers) this.#close();
    });
    this.querySelector(".drawer-close").addEventListener("click", () => this.#close());
    // Not when the finger comes down: what was covered would get the click. And not from document:
    // iOS makes clicks only of taps on what listens itself.
    this.parentElement.addEventListener("click", ({ target }) => {
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
    this.#hold(true);
    this.querySelector(".drawer-close").focus();
  }

  get #isOpen() {
    return this.hasAttribute("open");
  }

  get #covers() {
    return getComputedStyle(this).position === "fixed";
  }

  #close() {
    const focused = document.activeElement;
    this.toggleAttribute("open", false);
    this.#opener?.setAttribute("aria-expanded", "false");
    this.#hold(false);
    if (this.contains(focused) || focused === document.body) this.#opener?.focus();
  }

  #hold(inert) {
    this.role = inert ? "dialog" : "complementary";
    this.ariaModal = inert ? "true" : null;
    for (let inside = this; inside !== document.body; inside = inside.parentElement) {
      for (const other of inside.parentElement.children) {
        if (other !== inside) other.inert = inert;
      }
    }
  }
}
