// Messages that were written and are not confirmed yet: sent again under the same client_id until the
// server confirms them, which stores each once, however often it comes. No DOM.
//
// Event "change". A draft is {client_id, message, reply_to, at, state, detail?}, where `state` is
//   waiting   not sent yet, or sent on a connection that is gone
//   sent      on its way
//   failed    refused; `detail` says why, and only a person can retry or discard it
//   barred    the server does not want this page back; a later page sends it if that may again

import { newId } from "./ids.js";
import { Kept } from "./kept.js";
import { ANSWER_MS } from "./patience.js";

const LATER = new Set(["rate_limited", "slow_mode", "unavailable"]);

export class Drafts extends EventTarget {
  #send;
  #drafts = new Map();
  #heldUntil = 0;
  #timer = 0;

  /**
   * `place` is where they are kept (Kept). `send(frame)` returns whether the frame went to an open
   * connection.
   */
  constructor({ send, ...place }) {
    super();
    this.kept = new Kept(place);
    this.#send = send;
    this.#load();
  }

  /** Take over what was kept by an address that this room has had. */
  adopt(slug) {
    this.kept.take(slug);
    this.#load();
    this.flush();
    this.#changed();
  }

  get list() {
    return [...this.#drafts.values()];
  }

  /** Keep a new message and send it as soon as that is possible. */
  add(message, replyTo = null) {
    const draft = { client_id: newId(), message, reply_to: replyTo, at: Date.now() };
    this.#drafts.set(draft.client_id, { ...draft, state: "waiting" });
    this.kept.keep(draft);
    this.flush();
    this.#changed();
    return draft.client_id;
  }

  /** Send, in order, what is waiting; call it when the connection opens. */
  flush() {
    const now = Date.now();
    if (now >= this.#heldUntil) {
      for (const draft of this.#drafts.values()) {
        if (draft.state === "waiting" && !this.#dispatch(draft, now)) break;
      }
    }
    this.#again();
  }

  /** The connection is gone: what was on its way may not have arrived. */
  disconnected() {
    clearTimeout(this.#timer);
    for (const draft of this.#drafts.values()) {
      if (draft.state === "failed") continue;
      draft.state = "waiting";
      delete draft.detail;
    }
    this.#changed();
  }

  /** The connection is gone for good: nothing here is sent, until a page is let in again. */
  bar(detail) {
    clearTimeout(this.#timer);
    for (const draft of this.#drafts.values()) Object.assign(draft, { state: "barred", detail });
    this.#changed();
  }

  /** These messages are in the log. */
  confirm(messages) {
    const before = this.#drafts.size;
    for (const { client_id } of messages) this.#remove(client_id);
    if (this.#drafts.size !== before) this.#changed();
  }

  /** An error frame; true where it answers one of ours. */
  refused({ client_id, code, detail, retry_after }) {
    const draft = this.#drafts.get(client_id);
    if (!draft) return false;
    draft.detail = detail;
    if (LATER.has(code)) {
      draft.state = "waiting";
      this.#heldUntil = Math.max(this.#heldUntil, Date.now() + (retry_after ?? 2) * 1000);
      this.#again();
    } else {
      draft.state = "failed";
      this.kept.keep(draft);
    }
    this.#changed();
    return true;
  }

  retry(clientId) {
    const draft = this.#drafts.get(clientId);
    if (!draft) return;
    draft.state = "waiting";
    delete draft.detail;
    this.kept.keep(draft);
    this.flush();
    this.#changed();
  }

  discard(clientId) {
    this.#remove(clientId);
    this.#changed();
  }

  #dispatch(draft, now) {
    const { client_id, message, reply_to } = draft;
    const frame = { type: "chat.message", message, client_id };
    if (reply_to !== null) frame.reply_to = reply_to;
    if (!this.#send(frame)) return false;
    draft.state = "sent";
    draft.sentAt = now;
    return true;
  }

  /** Look again when a held one may go, or when an answer is overdue. */
  #again() {
    clearTimeout(this.#timer);
    const now = Date.now();
    let next = Infinity;
    for (const draft of this.#drafts.values()) {
      if (draft.state === "waiting" && this.#heldUntil > now)
        next = Math.min(next, this.#heldUntil);
      if (draft.state === "sent") next = Math.min(next, draft.sentAt + ANSWER_MS);
    }
    if (next === Infinity) return;
    this.#timer = setTimeout(() => this.#overdue(), Math.max(50, next - now));
  }

  #overdue() {
    const now = Date.now();
    for (const draft of this.#drafts.values()) {
      if (draft.state === "sent" && draft.sentAt + ANSWER_MS <= now) draft.state = "waiting";
    }
    this.flush();
    this.#changed();
  }

  #load() {
    for (const draft of this.kept.drafts) {
      if (this.#drafts.has(draft.client_id)) continue;
      this.#drafts.set(draft.client_id, { ...draft, state: draft.detail ? "failed" : "waiting" });
    }
  }

  #remove(clientId) {
    this.#drafts.delete(clientId);
    this.kept.remove(clientId);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
