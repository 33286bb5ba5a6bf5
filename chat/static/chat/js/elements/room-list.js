// <room-list>: your rooms. Fetched anew now and then, so that it shows where something happened.

const EVERY_MS = 60_000;

export class RoomList extends HTMLElement {
  #at = Date.now();

  connectedCallback() {
    setInterval(() => this.#refresh(), EVERY_MS);
    document.addEventListener("visibilitychange", () => this.#refresh());
  }

  async #refresh() {
    if (document.hidden || Date.now() - this.#at < EVERY_MS / 4) return;
    this.#at = Date.now();
    const response = await fetch(this.dataset.source).catch(() => null);
    if (!response?.ok || response.redirected) return;
    // Our own server's page, where names are escaped; a parsed document runs no scripts.
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const list = page.querySelector("ul");
    if (list && !this.contains(document.activeElement)) this.querySelector("ul").replaceWith(list);
  }
}
