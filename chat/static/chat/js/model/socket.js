// One room's WebSocket: connects, notices when it died, comes back with the cursor. No DOM.
//
// Events: "frame" (detail: one decoded object), "state" (no detail; read `state`, `isDoubtful`, …).
//
//   connecting   on its way, or waiting for the first history
//   open         history has come; commands may be sent
//   waiting      lost; comes back by itself at `retryAt` (ms, Date.now())
//   offline      the browser says there is no network; tries all the same, now and then
//   closed       the server said not to come back; `code` and `reason` say why

import { CLOSE } from "./close.js";
import { sendable } from "./sendable.js";

const SUBPROTOCOL = "chat.v1";
const CONNECT_MS = 15_000; // from new WebSocket to the first history
const QUIET_MS = 20_000; // silence after which we ask whether anybody is there
const PONG_MS = 8_000;
const DOUBT_MS = 1_500; // as PONG_MS, where the browser has lost its network
const STEADY_MS = 10_000; // a connection that lived this long was a good one
const DELAY_LEAST_MS = 200;
const DELAY_FIRST_MS = 2_500; // at most: those who are back within 8 s are not shown as having left
const DELAY_MAX_MS = 30_000;
const CROWDED_MS = 30_000; // too many connections
const OFFLINE_MS = 30_000; // a server on this machine needs no network, and a browser may be wrong
const FINAL = new Set([
  CLOSE.BAD_FRAMES,
  CLOSE.SIGN_IN,
  CLOSE.FORBIDDEN,
  CLOSE.NO_ROOM,
  CLOSE.DISCONNECTED,
]);

/**
 * Milliseconds until try `attempt` (0, 1, 2 …): anything up to a most that grows. After a crash
 * everybody was lost in the same instant, and no part of the wait that all share spreads them.
 */
export function backoff(attempt, random = Math.random) {
  const most = Math.min(DELAY_MAX_MS, DELAY_FIRST_MS * 2 ** attempt);
  return DELAY_LEAST_MS + (most - DELAY_LEAST_MS) * random();
}

/** The JSON objects of one chat.v1 frame, in order. */
export function decode(data) {
  return data
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line));
}

export class ChatSocket extends EventTarget {
  #url;
  #cursor;
  #make;
  #socket = null;
  #timer = 0; // the one thing we wait for: connect, silence, pong or the next try
  #attempt = 0;
  #openedAt = 0;
  #leaveMs = 0; // what the server asked us to wait, before it left
  #ping = 0;

  state = "closed";
  isDoubtful = false; // open, as far as we know; but the browser has no network, and nobody answers
  retryAt = 0;
  code = 0;
  reason = "";

  /** `cursor` returns the highest pos held, or null for none. */
  constructor(url, cursor, make = (address) => new WebSocket(address, SUBPROTOCOL)) {
    super();
    this.#url = url;
    this.#cursor = cursor;
    this.#make = make;
  }

  /** The room has another address; it is what we come back to. */
  moved(url) {
    this.#url = url;
  }

  get isOpen() {
    return this.state === "open";
  }

  /** Connect now, whatever we were waiting for. */
  connect() {
    this.#drop();
    const cursor = this.#cursor();
    const url = new URL(this.#url, globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    if (cursor !== null) url.searchParams.set("since", cursor);
    this.#leaveMs = 0;
    this.#become("connecting");
    const socket = this.#make(url.href);
    this.#socket = socket;
    socket.addEventListener("message", (event) => this.#received(socket, event.data));
    socket.addEventListener("close", (event) => this.#closed(socket, event));
    this.#after(CONNECT_MS, () => this.#lost());
  }

  /** True where the frame was handed to an open connection (not: that it arrived). */
  send(frame) {
    if (!this.isOpen || this.#socket.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(frame, (_, value) =>
      typeof value === "string" ? sendable(value) : value,
    ));
    return true;
  }

  /** The browser got its network back, or the page is looked at again: find out where we stand. */
  wake() {
    if (this.state === "waiting" || this.state === "offline") this.connect();
    else if (this.isOpen) this.#ask();
  }

  /** The browser lost its network. What is lost is found out by asking; do not throw it away. */
  networkLost() {
    if (this.isOpen) {
      this.#ask();
      this.#after(DOUBT_MS, () => this.#doubt());
    } else if (this.state === "connecting") this.#after(DOUBT_MS, () => this.#lost());
    else if (this.state === "waiting") this.#waitOffline();
  }

  #received(socket, data) {
    if (socket !== this.#socket) return;
    if (this.isDoubtful) this.#become(this.state);
    for (const frame of decode(data)) {
      if (frame.type === "error" && frame.retry_after) this.#leaveMs = frame.retry_after * 1000;
      if (frame.type === "chat.history" && this.state === "connecting") {
        this.#openedAt = Date.now();
        this.#become("open");
      }
      this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
      if (socket !== this.#socket) return; // a listener closed us
    }
    if (this.isOpen) this.#after(QUIET_MS, () => this.#ask());
  }

  #ask() {
    this.#ping += 1;
    this.send({ type: "ping", ref: this.#ping });
    this.#after(PONG_MS, () => this.#lost());
  }

  #doubt() {
    this.isDoubtful = true;
    this.dispatchEvent(new Event("state"));
    this.#after(PONG_MS - DOUBT_MS, () => this.#lost());
  }

  #closed(socket, event) {
    if (socket !== this.#socket) return;
    this.code = event.code;
    this.reason = event.reason;
    if (FINAL.has(event.code)) {
      this.#drop();
      this.#become("closed");
      return;
    }
    this.#lost(event.code);
  }

  #lost(code = 1006) {
    if (this.#openedAt && Date.now() - this.#openedAt > STEADY_MS) this.#attempt = 0;
    this.#openedAt = 0;
    this.#drop();
    if (globalThis.navigator?.onLine === false) {
      this.#waitOffline();
      return;
    }
    let wait = backoff(this.#attempt);
    if (code === CLOSE.TOO_MANY) wait += CROWDED_MS;
    if (code === CLOSE.LEAVING) wait = this.#leaveMs + backoff(0);
    this.#attempt += 1;
    this.retryAt = Date.now() + wait;
    this.#after(wait, () => this.connect());
    this.#become("waiting");
  }

  #waitOffline() {
    this.#after(OFFLINE_MS, () => this.connect());
    this.#become("offline");
  }

  #drop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null; // its late events are no longer ours
    socket?.close();
  }

  #after(ms, what) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(what, ms);
  }

  #become(state) {
    this.state = state;
    this.isDoubtful = false;
    this.dispatchEvent(new Event("state"));
  }
}
