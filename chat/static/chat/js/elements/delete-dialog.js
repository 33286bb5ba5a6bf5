// <delete-dialog>: asks before a message is deleted. Event "confirmed" {message, reason}.

import { emit } from "../view/dom.js";
import { summary } from "../model/format.js";

export class DeleteDialog extends HTMLElement {
  #message = null;

  connectedCallback() {
    const dialog = this.querySelector("dialog");
    // Delete is the only button that submits: Enter in the reason presses the first that does.
    this.querySelector(".plain").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      if (dialog.returnValue !== "delete" || !this.#message) return;
      const reason = this.querySelector("input").value.trim();
      emit(this, "confirmed", { message: this.#message, reason });
    });
  }

  ask(message, own) {
    this.#message = message;
    this.querySelector("blockquote").textContent = summary(message, 300);
    this.querySelector(".reason").hidden = own;
    this.querySelector("input").value = "";
    const dialog = this.querySelector("dialog");
    dialog.returnValue = "";
    dialog.showModal();
  }
}
