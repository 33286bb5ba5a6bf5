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
 * What people are called, by id. A message has the name that its author bore when we were sent it; who
 * is here now says what they are called now. Event "change".
 */
export class Names extends EventTarget {
  #current = new Map(); // id → the person, as the server has sent them
  #heard = new Map();
  #bearers = new Map(); // look → ids of those whose names have it
  #words = new Set(); // what follows an "@" for any of them; also for names of before, and who left
  #moderators = new Set();

  /** From you or presence: what they are called now. */
  learn(person) {
    if (this.#take(person, this.#current)) this.dispatchEvent(new Event("change"));
  }

  /** From a message, which is shown with it: that changes only what is shown of namesakes. */
  hear(person) {
    const before = this.#looks(person.id);
    this.#take(person, this.#heard);
    const after = this.#looks(person.id);
    const hasNamesake = (look) => [...this.#bearers.get(look)].some((id) => id !== person.id);
    const changed = [...before, ...after].filter((look) => before.has(look) !== after.has(look));
    if (changed.some(hasNamesake)) this.dispatchEvent(new Event("change"));
  }

  /** Ids of those who moderate the room. */
  moderatedBy(ids) {
    const before = [...this.#moderators].join();
    this.#moderators = new Set(ids);
    if (before !== [...ids].join()) this.dispatchEvent(new Event("change"));
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
    return this.#person(id)?.name;
  }

  /** "@username" for somebody whose name looks like that of another whom we know; else "". */
  handle(id) {
    const person = this.#person(id);
    if (!person || !looksOf(person).some((look) => this.#bearers.get(look).size > 1)) return "";
    return `@${(person.username ?? person.name).toLowerCase()}`; // a capital "I" is no "l" then
  }

  /** What no name can say: "staff", "moderator" or "guest"; else "". */
  mark(id) {
    const mark = this.#person(id)?.mark ?? "";
    return mark !== "staff" && this.#moderators.has(id) ? "moderator" : mark;
  }

  /** Name and handle for a line of text; `name` is what to call somebody who is not known. */
  label(id, { name = "someone" } = {}) {
    return [this.known(id) ?? name, this.handle(id)].filter(Boolean).map(isolated).join(" ");
  }

  #person(id) {
    return this.#current.get(id) ?? this.#heard.get(id);
  }

  /** Returns whether that changes what is shown of them. */
  #take(person, where) {
    const { id, name } = person;
    if (signOf(person) === signOf(where.get(id))) return false;
    this.#bear(id, (look) => this.#bearers.get(look)?.delete(id));
    where.set(id, person);
    this.#bear(id, (look) => {
      if (!this.#bearers.has(look)) this.#bearers.set(look, new Set());
      this.#bearers.get(look).add(id);
    });
    this.#callable(name);
    return true;
  }

  #bear(id, change) {
    this.#looks(id).forEach(change);
  }

  #looks(id) {
    const person = this.#person(id);
    return new Set(person ? looksOf(person) : []);
  }

  /** "you, Bob and 2 others": those whose names are known, and how many more there are. */
  list(ids, me) {
    const known = ids.filter((id) => id === me || this.known(id) !== undefined);
    const names = known.map((id) => (id === me ? "you" : this.label(id)));
    const more = ids.length - names.length;
    if (!names.length) return more === 1 ? "1 person" : `${more.toLocaleString()} people`;
    if (more) names.push(more === 1 ? "1 other" : `${more.toLocaleString()} others`);
    return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0];
  }
}

/** Two people who share one have names that people take for the same. */
function looksOf({ name, looks }) {
  return looks ?? [name.toLowerCase()];
}

function signOf(person) {
  return person && JSON.stringify([person.name, person.username, person.looks, person.mark]);
}
