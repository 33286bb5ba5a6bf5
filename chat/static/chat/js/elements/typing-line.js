// <typing-line>: who is typing.

import { sentence } from "../model/typing.js";

export class TypingLine extends HTMLElement {
  start(typing, names) {
    typing.addEventListener("change", () => {
      const { people } = typing;
      const called = people.map(({ id, name }) => [name, names.handle(id)].filter(Boolean).join(" "));
      this.querySelector("span").textContent = sentence(called);
      this.classList.toggle("on", people.length > 0);
    });
  }
}
