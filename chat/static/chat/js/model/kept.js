// What somebody has written in a room, as the browser keeps it. No DOM.
//
// Messages that are not confirmed are in localStorage, one entry a message: two tabs would overwrite
// each other's list. The text in the composer belongs to its tab: two tabs of a room write two texts.
//
// They are kept by the room's id: its address may become another one, even while the page is open.

export class Kept {
  #storage;
  #session;
  #user;
  #room;

  /**
   * `storage` outlives the tab, `session` is its own. `room` is an id; `slug` is the room's address,
   * by which pages kept drafts before.
   */
  constructor({ storage, session, room, slug, user }) {
    this.#storage = storage;
    this.#session = session;
    this.#user = user;
    this.#room = `#${room}`; // no address has such a sign
    this.take(slug);
  }

  /** Take what is kept along to another id: a room that had gone has been opened anew. */
  follow(room) {
    const before = this.#room;
    this.#room = `#${room}`;
    this.take(before);
  }

  /** The addresses by which pages kept something of this person that no room has taken over. */
  get leftBehind() {
    const kept = /^chat:(?:unsent|draft):([^#:][^:]*):(\d+)(?::|$)/u;
    const found = Object.keys(this.#storage).map((key) => key.match(kept));
    const own = found.filter((match) => match?.[2] === String(this.#user));
    return [...new Set(own.map((match) => match[1]))];
  }

  /** Take over what was kept by `before`, an address that this room has had. */
  take(before) {
    const prefix = `chat:unsent:${before}:${this.#user}:`;
    for (const key of this.#keysWith(prefix)) {
      rename(this.#storage, key, this.#prefix + key.slice(prefix.length));
    }
    for (const storage of [this.#storage, this.#session]) {
      rename(storage, `chat:draft:${before}:${this.#user}`, this.#textKey);
    }
  }

  /** The messages, oldest first: {client_id, message, reply_to, at, detail?}. */
  get drafts() {
    const found = this.#keysWith(this.#prefix).map((key) => this.#read(key));
    return found.filter(Boolean).sort((a, b) => a.at - b.at);
  }

  keep({ client_id, message, reply_to, at, detail }) {
    const value = JSON.stringify({ client_id, message, reply_to, at, detail });
    try {
      this.#storage.setItem(this.#prefix + client_id, value);
    } catch {
      // The storage is full: it is sent all the same, and lost only if this page is closed.
    }
  }

  remove(clientId) {
    this.#storage.removeItem(this.#prefix + clientId);
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

  get #prefix() {
    return `chat:unsent:${this.#room}:${this.#user}:`;
  }

  get #textKey() {
    return `chat:draft:${this.#room}:${this.#user}`;
  }

  #keysWith(prefix) {
    return Object.keys(this.#storage).filter((key) => key.startsWith(prefix));
  }

  #read(key) {
    try {
      const draft = JSON.parse(this.#storage.getItem(key));
      return { ...draft, reply_to: draft.reply_to ?? null, at: draft.at ?? 0 };
    } catch {
      return null; // not ours
    }
  }
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

/** Its items are its properties, as the browser's storages have them. */
export class MemoryStorage {
  getItem(key) {
    return this[key] ?? null;
  }

  setItem(key, value) {
    this[key] = String(value);
  }

  removeItem(key) {
    delete this[key];
  }
}
