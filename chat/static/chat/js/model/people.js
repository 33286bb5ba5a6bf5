// Initials and colours for people, the same as the server's (core/templatetags/people.py).

import { isolated } from "./bidi.js";

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
  #words = new Set(); // what follows an "@" for any of them; also for names of before, and who left

  /** From you or presence: what they are called now. */
  learn({ id, name }) {
    if (this.#current.get(id) === name) return;
    this.#current.set(id, name);
    this.#callable(name);
    this.dispatchEvent(new Event("change"));
  }

  /** From a message. */
  hear({ id, name }) {
    if (this.#heard.get(id) === name) return;
    this.#heard.set(id, name);
    this.#callable(name);
  }

  /** Whether "@word" calls somebody: one who is here or has written what we hold of the room. */
  calls(word) {
    return this.#words.has(word.toLowerCase());
  }

  /** "Bob Okafor" is called as @bob or @bobokafor. */
  #callable(name) {
    const words = name.toLowerCase().split(/\s+/u);
    this.#words.add(words[0]).add(words.join(""));
  }

  of(id) {
    return this.known(id) ?? "someone";
  }

  /** Undefined for somebody of whom nothing but the id has come: a reaction brings no more. */
  known(id) {
    return this.#current.get(id) ?? this.#heard.get(id);
  }

  /** "you, Bob and 2 others": those whose names are known, and how many more there are. */
  list(ids, me) {
    const names = ids
      .map((id) => (id === me ? "you" : this.known(id)))
      .filter(Boolean)
      .map(isolated);
    const more = ids.length - names.length;
    if (!names.length) return more === 1 ? "1 person" : `${more.toLocaleString()} people`;
    if (more) names.push(more === 1 ? "1 other" : `${more.toLocaleString()} others`);
    return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0];
  }
}
