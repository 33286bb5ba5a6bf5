// Initials and colours for people, the same as the server's (core/templatetags/people.py).

const HUES = 12;

/** 0 … 11; the style sheet has a colour for each, in both themes. */
export function hue(userId) {
  return userId % HUES;
}

/** One or two letters: "Alice Liddell" → "AL". */
export function initials(name) {
  const words = name.split(/[\s._-]+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return (
    letters
      .map((word) => [...word][0])
      .join("")
      .toLocaleUpperCase() || "?"
  );
}

/**
 * People's names, by id. A message has the name that its author bore when we were sent it; who is
 * here now says what they are called now. Event "change".
 */
export class Names extends EventTarget {
  #current = new Map();
  #heard = new Map();

  /** From you or presence: what they are called now. */
  learn({ id, name }) {
    if (this.#current.get(id) === name) return;
    this.#current.set(id, name);
    this.dispatchEvent(new Event("change"));
  }

  /** From a message. */
  hear({ id, name }) {
    this.#heard.set(id, name);
  }

  of(id) {
    return this.#current.get(id) ?? this.#heard.get(id) ?? "someone";
  }
}
