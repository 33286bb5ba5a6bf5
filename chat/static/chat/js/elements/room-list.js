// <room-list>: your rooms. Fetched anew now and then, so that it shows where something happened.
//
// Event: "fresh" (detail: the document that came).

import { emit } from "../view/dom.js";
import { keepFresh } from "../view/fresh.js";

const SETTLED_MS = 1_000; // then the server has what was read before

export class RoomList extends HTMLElement {
  connectedCallback() {
    // Who comes from another room has read it to its end while this page was made.
    const cameFromRoom = document.referrer.startsWith(`${location.origin}/chat/`);
    keepFresh(
      () => this.dataset.source,
      (page) => this.#show(page),
      cameFromRoom ? SETTLED_MS : undefined,
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
