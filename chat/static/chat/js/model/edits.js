// Edits of messages: what one says, and what becomes of it when its message changes meanwhile. No DOM.
//
// An edit is {id, message, text, own, now}, where `id` is its own, `message` the state that it was made
// from, `own` a text of ours that is on its way and will come as another state, and `now` another's
// state that has come since: with another text, or deleted. These two are null while there is none.

import { newId } from "./ids.js";
import { sendable } from "./sendable.js";
import { canBeSeen } from "./visible.js";

export function editOf(message) {
  return { id: newId(), message: stateOf(message), text: asTyped(message), own: null, now: null };
}

/** One that goes on from `edit`, which is on its way. */
export function editAfter(edit) {
  return { ...edit, id: newId(), own: edit.text };
}

/** The edit where its message is in this state by now; null where there is nothing left to save. */
export function compare(edit, state) {
  if (state.deleted) return { ...edit, now: state };
  const says = (text) => text !== null && same(state, text, asTyped(state));
  // A reaction, for example. What was seen of another text holds.
  if (says(asTyped(edit.message))) return { ...edit, message: state, now: null };
  if (says(edit.own)) return { ...edit, message: state, own: null, now: null };
  if (says(edit.text)) return null;
  return isChanged(edit) ? { ...edit, now: state } : editOf(state);
}

/** Whether it says, or has to say, anything else than its message. */
export function isChanged({ message, text, own }) {
  return own !== null || !same(message, text, asTyped(message));
}

/** What is sent of what was written. */
export function tidy(text) {
  return sendable(text).trimEnd();
}

/** The text that one wrote for this message. */
export function asTyped({ kind, message }) {
  return kind === "action" ? `/me ${message}` : message;
}

export function stateOf({ id, seq, pos, user, kind, message, edited, deleted }) {
  return { id, seq, pos, user, kind, message, edited, deleted };
}

/** Whether two texts make the same of a message, as the server takes them (as_kind, chat/log/posts.py). */
function same({ kind }, one, other) {
  const made = (text) => {
    const sent = tidy(text);
    if (kind !== "action" || !sent.startsWith("/me ") || !canBeSeen(sent.slice(4))) return sent;
    return sent.slice(4).trim();
  };
  return made(one) === made(other);
}
