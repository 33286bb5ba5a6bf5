// <delete-dialog>: asks before a message is deleted, and stays until it is.

import { summary } from "../model/format.js";

export class DeleteDialog extends HTMLElement {
  #message = null;
  #remove;

  /** `remove(message, reason)` deletes it, or rejects with an Error that says why not. */
  start(remove) {
    this.#remove = remove;
    // Delete is the only button that submits: Enter in the reason presses the first that does.
    this.querySelector(".plain").addEventListener("click", () => this.#dialog.close());
    this.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#confirmed();
    });
  }

  ask(message, own) {
    // A reason that did not get through is still there.
    if (this.#message?.id !== message.id) this.#reason.value = "";
    this.#message = message;
    this.querySelector("blockquote").textContent = summary(message, 300);
    this.querySelector(".reason").hidden = own;
    this.#busy(false);
    this.#dialog.showModal();
  }

  get #dialog() {
    return this.querySelector("dialog");
  }

  get #reason() {
    return this.querySelector("input");
  }

  async #confirmed() {
    const message = this.#message;
    this.#busy(true);
    const error = await this.#remove(message, this.#reason.value.trim()).catch((failed) => failed);
    if (this.#message !== message) return; // another is asked about by now
    this.#busy(false);
    if (error instanceof Error) {
      this.querySelector(".why-not").textContent = error.message;
      return;
    }
    this.#message = null;
    this.#dialog.close();
  }

  #busy(busy) {
    this.querySelector(".danger").disabled = busy;
    this.querySelector(".why-not").textContent = "";
  }
}
