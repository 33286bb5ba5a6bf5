// Who is here: a list with a version. Where a version is missing, ask for the list. In a crowd the
// list names some, and a count says how many there are. No DOM.

const ASK_MS = 2_000; // at most one question in this time

export class Presence extends EventTarget {
  #users = new Map();
  #version = null;
  #ask;
  #askedAt = -Infinity;
  #timer = 0;

  online = 0;

  /** `ask()` sends presence.get. */
  constructor(ask) {
    super();
    this.#ask = ask;
  }

  /** By name, as the page shows them. */
  get users() {
    return [...this.#users.values()].sort((a, b) => a.name.localeCompare(b.name) || a.id - b.id);
  }

  /** How many are here without being in the list, in a room too large to name everybody. */
  get unnamed() {
    return Math.max(0, this.online - this.#users.size);
  }

  /** How many are here, in words for a heading. */
  get words() {
    return this.known ? this.online.toLocaleString() : "–";
  }

  get known() {
    return this.#version !== null;
  }

  /** We are no longer told: what we knew would only grow old. */
  forget() {
    clearTimeout(this.#timer);
    this.#users.clear();
    this.#take({ online: 0, version: null });
  }

  receive(frame) {
    switch (frame.type) {
      case "presence.state":
        clearTimeout(this.#timer);
        this.#users = new Map(frame.users.map((user) => [user.id, user]));
        this.#take(frame);
        break;
      case "presence.joined":
      case "presence.left":
        if (this.#version !== null && frame.version <= this.#version) return; // seen already
        if (this.#version === null || frame.version !== this.#version + 1) {
          this.#askSoon();
          return;
        }
        if (frame.type === "presence.left") this.#users.delete(frame.user.id);
        else this.#users.set(frame.user.id, frame.user);
        this.#take(frame);
        break;
      case "presence.count": // a crowd: its version may leap
        if (this.#version === null) this.#askSoon();
        if (this.#version === null || frame.version <= this.#version) return;
        frame.joined?.forEach((user) => this.#users.set(user.id, user));
        frame.left?.forEach((user) => this.#users.delete(user.id));
        this.#take(frame);
        break;
    }
  }

  #take({ online, version }) {
    this.online = online;
    this.#version = version;
    this.dispatchEvent(new Event("change"));
  }

  #askSoon() {
    clearTimeout(this.#timer);
    const wait = this.#askedAt + ASK_MS - Date.now();
    if (wait > 0) {
      this.#timer = setTimeout(() => this.#askSoon(), wait);
      return;
    }
    this.#askedAt = Date.now();
    this.#ask();
  }
}
