// What somebody has written in a room, as the browser keeps it. No DOM.
//
// Messages that are not confirmed are in localStorage, one entry a message: two tabs would overwrite
// each other's list. So are edits, one entry an edit: a tab that was closed leaves them to the others.
// The text in the composer belongs to its tab, and so does what is replied to and edited there: two
// tabs of a room write two texts.
//
// They are kept by the room's id: its address may become another one, even while the page is open.

export class Kept {
  #storage;
  #session;
  #user;
  #room;
  #unheld = new Set(); // keys of what no storage has taken
  #edits = new Map(); // key → edit, of this tab

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
    this.#unheld.clear();
    this.#edits.clear();
    this.take(before);
  }

  /** Whether something is lost when the page is left: the storage is full, or forbidden. */
  get isAtRisk() {
    return this.#unheld.size > 0;
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
    for (const kind of ["unsent", "edit"]) {
      const prefix = `chat:${kind}:${before}:${this.#user}:`;
      for (const key of this.#keysWith(prefix)) {
        rename(this.#storage, key, this.#prefix(kind) + key.slice(prefix.length));
      }
    }
    for (const storage of [this.#storage, this.#session]) {
      rename(storage, `chat:draft:${before}:${this.#user}`, this.#textKey);
    }
    rename(this.#session, `chat:composing:${before}:${this.#user}`, this.#composingKey);
  }

  /** The messages, oldest first: {client_id, message, reply_to, at, detail?}. */
  get drafts() {
    const found = this.#keysWith(this.#prefix("unsent")).map((key) => this.#read(key));
    return found.filter(Boolean).sort((a, b) => a.at - b.at);
  }

  keep({ client_id, message, reply_to, at, detail }) {
    const key = this.#prefix("unsent") + client_id;
    const value = JSON.stringify({ client_id, message, reply_to, at, detail });
    // Where it is not held it is sent all the same, and lost only if this page is closed before.
    this.#note(key, put(this.#storage, key, value));
  }

  remove(clientId) {
    const key = this.#prefix("unsent") + clientId;
    this.#storage.removeItem(key);
    this.#note(key, true);
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
    // "" too, or another tab's would come to us.
    const forTab = put(this.#session, this.#textKey, value);
    const forAll = value !== "" && put(this.#storage, this.#textKey, value);
    if (forAll && !forTab) this.#session.removeItem(this.#textKey); // it is older
    this.#note(this.#textKey, !value || forTab || forAll);
  }

  /** What this tab is replying to and editing (as Composing has it), or null. */
  get composing() {
    try {
      const { mode, unsaved, saving } = JSON.parse(this.#session.getItem(this.#composingKey));
      return { mode, unsaved: [...unsaved], saving: [...saving] };
    } catch {
      return null; // there is none, or it is not ours
    }
  }

  set composing(value) {
    const key = this.#composingKey;
    if (value === null) this.#session.removeItem(key);
    this.#note(key, value === null || put(this.#session, key, JSON.stringify(value)));
  }

  /** What this tab has edited and not saved, for the tabs after it. */
  set edits(edits) {
    const before = this.#edits;
    this.#edits = new Map(edits.map((edit) => [this.#editKey(edit), edit]));
    for (const [key, { text }] of before) {
      if (this.#edits.has(key)) continue;
      // Another tab may have gone on with it.
      if (this.#readEdit(key)?.text === text) this.#storage.removeItem(key);
      this.#note(key, true);
    }
    for (const [key, edit] of this.#edits) {
      const entry = JSON.stringify(edit);
      if (entry === JSON.stringify(before.get(key))) continue;
      this.#note(key, put(this.#storage, key, entry));
    }
  }

  /** What other tabs have edited and not saved, open or closed. */
  get othersEdits() {
    const keys = this.#keysWith(this.#prefix("edit")).filter((key) => !this.#edits.has(key));
    return keys.map((key) => this.#readEdit(key)).filter(Boolean);
  }

  discardEdit(edit) {
    this.#storage.removeItem(this.#editKey(edit));
  }

  /** Whether an entry of that key tells of edits here. */
  isOfEdits(key) {
    return key?.startsWith(this.#prefix("edit"));
  }

  #editKey({ id }) {
    return this.#prefix("edit") + id;
  }

  #readEdit(key) {
    try {
      const { id, message, text, own, now } = JSON.parse(this.#storage.getItem(key));
      return { id, message, text, own, now };
    } catch {
      return null; // not ours
    }
  }

  #note(key, isHeld) {
    if (isHeld) this.#unheld.delete(key);
    else this.#unheld.add(key);
  }

  #prefix(kind) {
    return `chat:${kind}:${this.#room}:${this.#user}:`;
  }

  get #textKey() {
    return `chat:draft:${this.#room}:${this.#user}`;
  }

  get #composingKey() {
    return `chat:composing:${this.#room}:${this.#user}`;
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

/** True where it is held from now on, also when the page is left. */
function put(storage, key, value) {
  try {
    storage.setItem(key, value);
  } catch {
    return false; // The storage is full. What was there before is better than nothing.
  }
  return !(storage instanceof MemoryStorage);
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
