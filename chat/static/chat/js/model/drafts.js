// Messages that were written and are not confirmed yet. Kept in localStorage, one entry a message
// (two tabs would overwrite each other's list), and sent again under the same client_id until the
// server confirms them: it stores each once, however often it comes. No DOM.
//
// Event "change". A draft is {client_id, message, reply_to, at, state, detail?}, where `state` is
//   waiting   not sent yet, or sent on a connection that is gone
//   sent      on its way
//   failed    refused; `detail` says why, and only a person can retry or discard it
//   barred    the server does not want this page back; a later page sends it if that may again
//
// They are kept by the room's id: its address may become another one, even while the page is open.
//
// The text in the composer belongs to its tab: two tabs of a room write two texts.

const CONFIRM_MS = 12_000; // sent again after this long without an answer
const LATER = new Set(["rate_limited", "slow_mode", "unavailable"]);

export class Drafts extends EventTarget {
  #storage;
  #session;
  #user;
  #room;
  #send;
  #drafts = new Map();
  #heldUntil = 0;
  #timer = 0;

  /**
   * `storage` outlives the tab, `session` is its own. `room` is an id; `slug` is the room's address,
   * by which pages kept drafts before. `send(frame)` returns whether the frame went to an open
   * connection.
   */
  constructor({ storage, session, room, slug, user, send }) {
    super();
    this.#storage = storage;
    this.#session = session;
    this.#user = user;
    this.#room = `#${room}`; // no address has such a sign
    this.#send = send;
    this.#take(slug);
    this.#load();
  }

  /** Take what is kept along to another id: a room that had gone has been opened anew. */
  follow(room) {
    const before = this.#room;
    this.#room = `#${room}`;
    this.#take(before);
  }

  /** The addresses by which pages kept something of this person that no room has taken over. */
  get leftBehind() {
    const kept = /^chat:(?:unsent|draft):([^#:][^:]*):(\d+)(?::|$)/u;
    const found = keysOf(this.#storage).map((key) => key.match(kept));
    const own = found.filter((match) => match?.[2] === String(this.#user));
    return [...new Set(own.map((match) => match[1]))];
  }

  /** Take over what was kept by an address that this room has had. */
  adopt(slug) {
    this.#take(slug);
    this.#load();
    this.flush();
    this.#changed();
  }

  #take(before) {
    const prefix = `chat:unsent:${before}:${this.#user}:`;
    for (const key of keysOf(this.#storage).filter((each) => each.startsWith(prefix))) {
      rename(this.#storage, key, this.#prefix + key.slice(prefix.length));
    }
    for (const storage of [this.#storage, this.#session]) {
      rename(storage, `chat:draft:${before}:${this.#user}`, this.#textKey);
    }
  }

  get #prefix() {
    return `chat:unsent:${this.#room}:${this.#user}:`;
  }

  get #textKey() {
    return `chat:draft:${this.#room}:${this.#user}`;
  }

  get list() {
    return [...this.#drafts.values()];
  }

  /** Keep a new message and send it as soon as that is possible. */
  add(message, replyTo = null) {
    const draft = { client_id: newId(), message, reply_to: replyTo, at: Date.now() };
    this.#drafts.set(draft.client_id, { ...draft, state: "waiting" });
    this.#keep(draft);
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
      this.#keep(draft);
    }
    this.#changed();
    return true;
  }

  retry(clientId) {
    const draft = this.#drafts.get(clientId);
    if (!draft) return;
    draft.state = "waiting";
    delete draft.detail;
    this.#keep(draft);
    this.flush();
    this.#changed();
  }

  discard(clientId) {
    this.#remove(clientId);
    this.#changed();
  }

  /** The text in the composer: what this tab last had, or else what one that was closed left. */
  get text() {
    return this.#session.getItem(this.#textKey) ?? this.#storage.getItem(this.#textKey) ?? "";
  }

  set text(value) {
    // Another tab may have left its text there since, which nobody has sent.
    if (!value && this.#storage.getItem(this.#textKey) === this.text) {
      this.#storage.removeItem(this.#textKey);
    }
    try {
      this.#session.setItem(this.#textKey, value); // "" too, or another tab's would come to us
      if (value) this.#storage.setItem(this.#textKey, value);
    } catch {
      // The storage is full; the text is still in the composer.
    }
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
      if (draft.state === "sent") next = Math.min(next, draft.sentAt + CONFIRM_MS);
    }
    if (next === Infinity) return;
    this.#timer = setTimeout(() => this.#overdue(), Math.max(50, next - now));
  }

  #overdue() {
    const now = Date.now();
    for (const draft of this.#drafts.values()) {
      if (draft.state === "sent" && draft.sentAt + CONFIRM_MS <= now) draft.state = "waiting";
    }
    this.flush();
    this.#changed();
  }

  #load() {
    const keys = keysOf(this.#storage).filter((key) => key.startsWith(this.#prefix));
    const found = keys.map((key) => this.#read(key)).filter(Boolean);
    for (const draft of found.sort((a, b) => a.at - b.at)) {
      if (this.#drafts.has(draft.client_id)) continue;
      this.#drafts.set(draft.client_id, { ...draft, state: draft.detail ? "failed" : "waiting" });
    }
  }

  #read(key) {
    try {
      const {
        client_id,
        message,
        reply_to = null,
        at = 0,
        detail,
      } = JSON.parse(this.#storage.getItem(key));
      return { client_id, message, reply_to, at, detail };
    } catch {
      return null; // not ours
    }
  }

  #keep({ client_id, message, reply_to, at, detail }) {
    const value = JSON.stringify({ client_id, message, reply_to, at, detail });
    try {
      this.#storage.setItem(this.#prefix + client_id, value);
    } catch {
      // The storage is full: it is sent all the same, and lost only if this page is closed.
    }
  }

  #remove(clientId) {
    this.#drafts.delete(clientId);
    this.#storage.removeItem(this.#prefix + clientId);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

function keysOf(storage) {
  return Array.from({ length: storage.length }, (_, i) => storage.key(i));
}

function rename(storage, before, after) {
  const value = storage.getItem(before);
  if (value === null || before === after) return;
  try {
    // What is there already is newer.
    if (storage.getItem(after) === null) storage.setItem(after, value);
    storage.removeItem(before);
  } catch {
    // The storage is full: it stays where it was.
  }
}

/**
 * "localStorage" or "sessionStorage", or where the browser forbids it, a stand-in that lives as
 * long as the page.
 */
export function safeStorage(name) {
  try {
    const probe = "chat:probe";
    const storage = globalThis[name];
    storage.setItem(probe, "1");
    storage.removeItem(probe);
    return storage;
  } catch {
    return new MemoryStorage();
  }
}

export class MemoryStorage {
  #items = new Map();

  get length() {
    return this.#items.size;
  }

  key(index) {
    return [...this.#items.keys()][index] ?? null;
  }

  getItem(key) {
    return this.#items.get(key) ?? null;
  }

  setItem(key, value) {
    this.#items.set(key, String(value));
  }

  removeItem(key) {
    this.#items.delete(key);
  }
}

/** A random UUID. crypto.randomUUID is only there on https and localhost. */
function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
