// <delete-dialog>: asks before a message is deleted. Event "confirmed" {message, reason}.

import { emit } from "../dom.js";
import { summary } from "../format.js";

export class DeleteDialog extends HTMLElement {
  #message = null;

  connectedCallback() {
    this.querySelector("dialog").addEventListener("close", ({ target }) => {
      if (target.returnValue !== "delete" || !this.#message) return;
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
