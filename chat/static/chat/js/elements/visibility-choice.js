// <visibility-choice>: a switch for not being seen. Without this script it is a form.

import { ANSWER_MS } from "../model/patience.js";

export class VisibilityChoice extends HTMLElement {
  #form = this.querySelector("form");
  #button = this.querySelector("button");
  #busy = false;

  connectedCallback() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.#busy) this.#choose();
    });
  }

  /** What the server says: this page's choice, or that of another page of ours. */
  show(invisible) {
    if (this.#busy) return;
    this.#button.setAttribute("aria-checked", String(invisible));
    this.#button.value = invisible ? "off" : "on";
    document.getElementById("invisible-note").hidden = !invisible;
  }

  async #choose() {
    this.#busy = true;
    this.#say("");
    const answer = await this.#ask().catch(() => null);
    this.#busy = false;
    if (!answer) {
      this.#say("Something went wrong. Reload the page and try again.");
      return;
    }
    this.show(answer.invisible);
    if (!answer.told) this.#say("Reload your open rooms for this to take effect.");
  }

  async #ask() {
    const body = new FormData(this.#form);
    body.set("invisible", this.#button.value);
    const headers = { Accept: "application/json" };
    const signal = AbortSignal.timeout(ANSWER_MS);
    const response = await fetch(this.#form.action, { method: "POST", body, headers, signal });
    return response.ok ? await response.json() : null;
  }

  #say(text) {
    this.querySelector(".visibility-note").textContent = text;
  }
}
