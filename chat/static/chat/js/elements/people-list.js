// <people-list>: who is here.

import { el } from "../view/dom.js";
import { avatar } from "../view/message-view.js";
import { nameOf } from "../view/person.js";

export class PeopleList extends HTMLElement {
  start(presence, names, me) {
    const draw = () => this.#draw(presence, names, me);
    presence.addEventListener("change", draw);
    names.addEventListener("change", draw);
  }

  #draw(presence, names, me) {
    const items = presence.users.map((user) =>
      el(
        "li",
        { class: "person" },
        avatar(user),
        el(
          "span",
          { class: "person-name", title: user.name },
          ...nameOf(user.id, names, { classes: "cut", coloured: false }),
          user.id === me.id ? el("span", { class: "tag" }, "you") : null,
        ),
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
