// Commands among what is written. No DOM.

const COMMANDS = new Set(["/me"]);

/**
 * The word that a text begins with, where it looks like a command and is none; else null. What
 * has more than letters, digits and dashes after its slash, as a path has, looks like none.
 */
export function unknownCommand(text) {
  const word = text.match(/^\/\p{L}[\p{L}\p{N}_-]*(?=\s|$)/u)?.[0] ?? null;
  return COMMANDS.has(word) ? null : word;
}
