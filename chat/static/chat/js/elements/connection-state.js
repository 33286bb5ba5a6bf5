// <connection-state>: says so when the chat is not connected, why, and what one can do.

import { CLOSE } from "../model/close.js";
import { ending } from "../model/endings.js";

const HUSH_MS = 700; // a connection that comes this fast is not worth a word

export class ConnectionState extends HTMLElement {
  #socket;
  #timer = 0;
  #me;
  #detail = "";

  start(socket, me) {
    this.#socket = socket;
    this.#me = me;
    this.querySelector("button").addEventListener("click", () => {
      // A page that was turned out begins anew: rights, name and session may be others by now.
      if (socket.state === "closed") location.reload();
      else socket.connect();
    });
    socket.addEventListener("state", () => this.#changed());
  }

  /** Why the server is about to close (room.closed). */
  explain(detail) {
    this.#detail = detail;
  }

  /** What the end of the connection means here; null while it has none. */
  get ending() {
    if (this.#socket.state !== "closed") return null;
    return ending({ code: this.#socket.code, detail: this.#detail, guest: this.#me.guest });
  }

  #changed() {
    clearTimeout(this.#timer);
    const state = this.#state;
    const mayPass = state === "connecting" || state === "waiting";
    if (state === "open") this.hidden = true;
    else if (this.hidden && mayPass) this.#timer = setTimeout(() => this.#show(), HUSH_MS);
    else this.#show();
  }

  /** As it is shown: the socket's, unless the browser is offline and nobody answers. */
  get #state() {
    return this.#socket.isDoubtful ? "offline" : this.#socket.state;
  }

  #show() {
    clearTimeout(this.#timer);
    const state = this.#state;
    const { retryAt, code } = this.#socket;
    const way = this.ending?.way;
    this.hidden = false;
    this.dataset.state = state;
    this.querySelector(".words").textContent = this.#words(state, code);
    this.querySelector("a").hidden = way !== "sign-in";
    const button = this.querySelector("button");
    button.textContent = state === "closed" ? "Reconnect" : "Try now";
    button.hidden = state === "connecting" || (state === "closed" && way !== "reload");
    const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    // Not read out: it would speak every second.
    this.querySelector(".seconds").textContent = state === "waiting" ? `in ${seconds} s.` : "";
    if (state === "waiting") this.#timer = setTimeout(() => this.#show(), 500);
  }

  #words(state, code) {
    if (state === "connecting") return "Connecting…";
    if (state === "waiting" && code === CLOSE.TOO_MANY) {
      return `${this.#detail || "This chat is open in too many tabs."} Reconnecting`;
    }
    if (state === "waiting") return "Connection lost. Messages you send now are delivered later. Reconnecting";
    if (state === "offline") return "You are offline. Messages you send now are delivered when you are back online.";
    return this.ending.words;
  }
}
