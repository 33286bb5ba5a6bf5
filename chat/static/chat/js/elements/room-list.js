// <room-list>: your rooms. Fetched anew now and then, so that it shows where something happened.
//
// Event: "fresh" (detail: the document that came).

import { emit } from "../view/dom.js";
import { keepFresh } from "../view/fresh.js";

export class RoomList extends HTMLElement {
  connectedCallback() {
    keepFresh(
      () => this.dataset.source,
      (page) => this.#show(page),
    );
  }

  /** The room of this page has another address. */
  moved(slug) {
    this.dataset.source = this.dataset.source.replace(/(?<=current=).*/u, encodeURIComponent(slug));
  }

  /** How many are online in the room of this page: it knows at once. */
  count(online) {
    const here = this.querySelector("[aria-current] .here:has(.here-count)");
    if (!here) return;
    here.hidden = online === 0;
    here.querySelector(".here-count").textContent = online.toLocaleString();
  }

  #show(page) {
    emit(this, "fresh", page);
    const list = page.querySelector("ul");
    if (list && !this.contains(document.activeElement)) this.querySelector("ul").replaceWith(list);
  }
}
