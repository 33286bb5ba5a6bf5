// <connection-state>: says so when the chat is not connected, why, and what one can do.

const HUSH_MS = 700; // a connection that comes this fast is not worth a word

export class ConnectionState extends HTMLElement {
  #socket;
  #timer = 0;
  #detail = "";

  start(socket) {
    this.#socket = socket;
    this.querySelector("button").addEventListener("click", () => socket.connect());
    socket.addEventListener("state", () => this.#changed());
  }

  /** Why the server is about to close (room.closed). */
  explain(detail) {
    this.#detail = detail;
  }

  #changed() {
    clearTimeout(this.#timer);
    const { state } = this.#socket;
    if (state === "open") this.hidden = true;
    else if (this.hidden) this.#timer = setTimeout(() => this.#show(), HUSH_MS);
    else this.#show();
  }

  #show() {
    clearTimeout(this.#timer);
    const { state, retryAt, code } = this.#socket;
    this.hidden = false;
    this.dataset.state = state;
    this.querySelector(".words").textContent = this.#words(state, code);
    this.querySelector("a").hidden = !(state === "closed" && code === 4401);
    const button = this.querySelector("button");
    button.hidden = state !== "waiting" && state !== "offline";
    button.textContent = state === "offline" ? "Try now" : "now";
    const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    // Not read out: it would speak every second.
    this.querySelector(".seconds").textContent = state === "waiting" ? `in ${seconds} s` : "";
    if (state === "waiting") this.#timer = setTimeout(() => this.#show(), 500);
  }

  #words(state, code) {
    if (state === "connecting") return "Connecting…";
    if (state === "waiting" && code === 4429) {
      return "This chat is open in too many places. Trying again";
    }
    if (state === "waiting") return "Connection lost. What you write is kept. Reconnecting";
    if (state === "offline") return "You are offline. What you write is kept and sent later.";
    if (code === 4401) return "You are signed out.";
    if (code === 4403) return this.#detail || "You were removed from this room.";
    if (code === 4404) return "This room is not there any more.";
    return this.#detail || "The connection was closed. Reload the page to come back.";
  }
}
