// <people-list>: who is here.

import { el } from "../view/dom.js";
import { avatar } from "../view/message-view.js";

export class PeopleList extends HTMLElement {
  start(presence, me) {
    presence.addEventListener("change", () => this.#draw(presence, me));
  }

  #draw(presence, me) {
    const items = presence.users.map((user) =>
      el(
        "li",
        { class: "person" },
        avatar(user),
        el("span", { class: "cut", dir: "auto", title: user.name }, user.name),
        user.id === me.id ? el("span", { class: "tag" }, "you") : null,
      ),
    );
    if (presence.unnamed) {
      items.push(
        el("li", { class: "person more" }, `and ${presence.unnamed.toLocaleString()} more`),
      );
    }
    if (!presence.known) {
      items.push(el("li", { class: "person more" }, "You are no longer connected."));
    }
    this.querySelector("ul").replaceChildren(...items);
    this.querySelector(".count").textContent = presence.words;
  }
}
