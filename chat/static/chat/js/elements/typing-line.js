// <typing-line>: who is typing.

import { isolated } from "../model/bidi.js";
import { sentence } from "../model/typing.js";

export class TypingLine extends HTMLElement {
  start(typing) {
    typing.addEventListener("change", () => {
      this.querySelector("span").textContent = sentence(typing.names.map(isolated));
      this.classList.toggle("on", typing.names.length > 0);
    });
  }
}
