// <typing-line>: who is typing.

import { sentence } from "../model/typing.js";

export class TypingLine extends HTMLElement {
  start(typing, names) {
    typing.addEventListener("change", () => {
      const { people } = typing;
      this.querySelector("span").textContent = sentence(people.map((one) => names.label(one.id, one)));
      this.classList.toggle("on", people.length > 0);
    });
  }
}
