// Initials and colours for people, the same on every page (see _avatar.html for the server's).

const HUES = 12;

/** 0 … 11; the style sheet has a colour for each, in both themes. */
export function hue(userId) {
  return userId % HUES;
}

/** One or two letters: "Alice Liddell" → "AL". */
export function initials(name) {
  const words = name.split(/[\s._-]+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => [...word][0]).join("").toLocaleUpperCase() || "?";
}

/** The names we have come across, by id: reactions carry only ids. */
export class Names {
  #names = new Map();

  learn({ id, name }) {
    this.#names.set(id, name);
  }

  of(id) {
    return this.#names.get(id) ?? "someone";
  }
}
