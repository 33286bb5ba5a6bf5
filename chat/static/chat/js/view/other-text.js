// What an edit runs into: its message has another text by now, or is gone.

import { asTyped } from "../model/edits.js";

/** Show in `composer` the state that its edit did not start from; null: there is none. */
export function showOther(composer, now) {
  const part = (selector) => composer.querySelector(selector);
  const isDeleted = Boolean(now?.deleted);
  const words = now ? wordsFor(now) : "";
  const line = part(".other-words");
  if (line.textContent !== words) {
    if (line.textContent) composer.note(""); // it may speak of the state before
    line.textContent = words; // it is read out
  }
  part(".other").hidden = !now;
  const quote = part(".other blockquote");
  quote.hidden = !now || isDeleted;
  quote.textContent = quote.hidden ? "" : asTyped(now);
  part(".take").hidden = part(".overrule").hidden = isDeleted;
  part(".send-anew").hidden = !isDeleted;
}

/** What one can do about it. */
export function choices({ deleted }) {
  return deleted
    ? "The message was deleted. You can send your text as a new message."
    : "The message was edited in the meantime. Use the other text, or save yours over it.";
}

function wordsFor({ deleted }) {
  return deleted
    ? "This message was deleted. Your text is still here."
    : "This message was edited in the meantime. It now says:";
}
