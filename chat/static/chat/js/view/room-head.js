// What the page says of its room: what it is called, and how much in it is new.

import { isolated } from "../model/bidi.js";

export class RoomHead {
  #room = document.getElementById("room").dataset;
  #address = document.getElementById("room-address");
  #latest = document.getElementById("to-latest");
  #title = document.title;

  describe({ title, slug, topic, kind, archived }) {
    this.#room.kind = kind;
    // A direct room is called after the other person, which only the page knows.
    const name = kind === "direct" ? this.#room.name : title || slug;
    const address = this.#address.textContent;
    const called = address && `${isolated(name)} (${address})`; // as another room is
    this.#title = this.#title.replace(/^.*(?= · )/u, () => called || isolated(name)); // "$&" is no sign here
    document.getElementById("room-title").textContent = name;
    document.getElementById("room-topic").textContent = topic;
    document.getElementById("room-archived").hidden = !archived;
  }

  moved(slug) {
    if (this.#address.textContent) this.#address.textContent = slug;
  }

  /** `unseen`: messages; `away`: whether there is a later end of the log to go to. */
  showNews(unseen, away) {
    document.title = document.hidden && unseen ? `(${unseen}) ${this.#title}` : this.#title;
    this.#latest.hidden = !away;
    this.#latest.classList.toggle("fresh", unseen > 0);
    const words = unseen === 1 ? "1 new message" : `${unseen.toLocaleString()} new messages`;
    this.#latest.querySelector("span").textContent = unseen ? words : "Jump to latest";
  }
}
