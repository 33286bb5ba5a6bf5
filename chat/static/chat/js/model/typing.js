// Who is typing, and telling others that we are. No DOM.

const FADE_MS = 5_000;
const TELL_MS = 3_300; // the server passes on one in 3 s: one that came early would be lost
const STOPPED = new Set(["chat.message", "presence.left"]);

export class Typing extends EventTarget {
  #until = new Map(); // user id → {name, until}
  #timer = 0;
  #toldAt = -Infinity;
  #tell;
  #me;

  /** `tell()` sends chat.typing. `me` is the id whose typing is no news. */
  constructor(tell, me) {
    super();
    this.#tell = tell;
    this.#me = me;
  }

  /** Those who type: {id, name}. */
  get people() {
    return [...this.#until.entries()].map(([id, { name }]) => ({ id, name }));
  }

  /** A key was pressed in the composer. */
  typed() {
    const now = Date.now();
    if (now - this.#toldAt < TELL_MS) return;
    this.#toldAt = now;
    this.#tell();
  }

  receive(frame) {
    if (frame.type === "chat.typing" && frame.user.id !== this.#me) {
      this.#until.set(frame.user.id, { name: frame.user.name, until: Date.now() + FADE_MS });
      this.#fade();
    } else if (STOPPED.has(frame.type) && this.#until.delete(frame.user.id)) {
      this.#fade();
    }
  }

  #fade() {
    clearTimeout(this.#timer);
    const now = Date.now();
    for (const [id, { until }] of this.#until) if (until <= now) this.#until.delete(id);
    if (this.#until.size) this.#timer = setTimeout(() => this.#fade(), FADE_MS / 10);
    this.dispatchEvent(new Event("change"));
  }
}

/** "Bob is typing…" for a list of names; empty for none. */
export function sentence(names) {
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} is typing…`;
  if (names.length > 3) return "Several people are typing…";
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)} are typing…`;
}
