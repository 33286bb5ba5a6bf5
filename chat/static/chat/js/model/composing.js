// What is being written in a room: a new message, a reply to one, edits. No DOM.
//
// Event "change". All of it is kept for the tab (Kept), also an edit that is on its way: it is there
// until the server has confirmed it.
//
// An edit is {message, text, now}, where `message` is the state that it was made from, and `now`
// another that has come since: with another text, or deleted. It is null while there is none.

import { isolated } from "./bidi.js";
import { summary } from "./format.js";
import { sendable } from "./sendable.js";

export class Composing extends EventTarget {
  #kept;
  #names;
  #text; // of the new message or the reply
  #mode = null; // {type: "reply", message}, or {type: "edit"} and what an edit is
  #unsaved = []; // edits that wait to be gone on with
  #saving = []; // edits on their way

  constructor(kept, names) {
    super();
    this.#kept = kept;
    this.#names = names;
    this.#text = kept.text;
    const { mode, unsaved, saving } = kept.composing ?? { mode: null, unsaved: [], saving: [] };
    this.#mode = mode;
    this.#unsaved = unsaved;
    // The page was left before their answer: that they were saved is found out by looking.
    saving.forEach((edit) => this.#putBack(edit));
  }

  get mode() {
    return this.#mode;
  }

  /** What belongs in the box. */
  get text() {
    return this.#isEdit ? this.#mode.text : this.#text;
  }

  /** What somebody wrote into the box. */
  set text(text) {
    if (this.#isEdit) {
      this.#mode.text = text;
      this.#keep();
    } else {
      this.#text = text;
      this.#kept.text = text;
    }
  }

  /** Whether something of it is lost when the page is left. */
  get isAtRisk() {
    return this.#kept.isAtRisk;
  }

  /** The edit to go on with next, if any. */
  get unsaved() {
    return this.#unsaved[0] ?? null;
  }

  /** The messages that all this is about, as far as we know them. */
  get messages() {
    const all = [this.#mode, ...this.#unsaved, ...this.#saving].filter(Boolean);
    return all.map(({ now, message }) => now ?? message);
  }

  /** What is done to which message; null for a new one. */
  get label() {
    if (!this.#mode) return null;
    const { type, message } = this.#mode;
    const said = isolated(summary(message, 80));
    if (type === "edit") return `Editing: ${said}`;
    if (message.deleted) return "Replying to a deleted message";
    return `Replying to ${this.#names.label(message.user.id, message.user)}: ${said}`;
  }

  /** Take up what was kept in the meantime, or by another address of the room. */
  restore() {
    this.#text ||= this.#kept.text;
    this.#changed();
  }

  /** Somebody wrote before this was there. It is no part of the edit that was kept. */
  begin(text) {
    if (this.#isEdit) this.#leave();
    this.text = this.#text && this.#text !== text ? `${this.#text}\n${text}` : text;
    this.#changed();
  }

  reply(message) {
    this.#leave();
    this.#mode = { type: "reply", message: stateOf(message) };
    this.#changed();
  }

  /** Begin an edit, or go on with that of this message. */
  edit(message) {
    if (this.#isEdit && this.#mode.message.id === message.id) return;
    this.#leave();
    const begun = this.#unsaved.find((edit) => edit.message.id === message.id);
    if (begun) this.#unsaved = without(this.#unsaved, begun);
    this.#enter(begun ?? { message: stateOf(message), text: asTyped(message), now: null });
    this.#changed();
  }

  goOn() {
    const edit = this.#unsaved.shift();
    this.#leave();
    this.#enter(edit);
    this.#changed();
  }

  /** Leave a reply, or throw an edit away. */
  cancel() {
    this.#mode = null;
    this.#changed();
  }

  /** The message has gone out. */
  sent() {
    if (!this.#isEdit) this.text = "";
    this.cancel();
  }

  /** The edit is to be saved as `text`: the edit to send, or null where that would change nothing. */
  save(text) {
    const { message } = this.#mode;
    const edit = text === asTyped(message) ? null : { message, text, now: null };
    if (edit) this.#saving.push(edit);
    this.cancel();
    return edit;
  }

  saved(edit) {
    this.#saving = without(this.#saving, edit);
    this.#changed();
  }

  /**
   * Saving has failed: the edit comes back, but not over what is being written. `now` is the
   * message as it is, where it was looked up.
   */
  notSaved(edit, now = null) {
    this.#saving = without(this.#saving, edit);
    this.#putBack(edit);
    if (now) this.#see(now, () => true);
    this.#changed();
  }

  /** Write the text that is there by now instead of one's own. */
  takeOther() {
    const { now } = this.#mode;
    this.#enter({ message: now, text: asTyped(now), now: null });
    this.#changed();
  }

  /** The other text has been seen, and is to be written over. */
  overrule() {
    this.#enter({ ...this.#mode, message: this.#mode.now, now: null });
    this.#changed();
  }

  /** States of messages, whether shown or not; those that we know, or newer ones, stay. */
  hear(messages) {
    const ids = new Set(this.messages.map(({ id }) => id));
    const ours = messages.filter(({ id }) => ids.has(id));
    if (!ours.length) return;
    ours.forEach((message) => this.#see(message, (known) => message.pos > known.pos));
    this.#changed();
  }

  #see(message, isNews) {
    const state = stateOf(message);
    const concerns = (each) => each?.message.id === state.id && isNews(each.now ?? each.message);
    if (concerns(this.#mode)) {
      if (this.#isEdit) this.#enter(compare(this.#mode, state));
      else this.#mode.message = state;
    }
    const compared = this.#unsaved.map((edit) => (concerns(edit) ? compare(edit, state) : edit));
    this.#unsaved = compared.filter(Boolean);
  }

  #putBack(edit) {
    if (this.#mode || this.#text) this.#unsaved.push(edit);
    else this.#enter(edit);
  }

  /** Make way for another mode; what was changed in an edit is kept. */
  #leave() {
    if (this.#isEdit) {
      const { message, text, now } = this.#mode;
      if (text.trim() && text !== asTyped(message)) this.#unsaved.push({ message, text, now });
    }
    this.#mode = null;
  }

  #enter(edit) {
    this.#mode = edit && { ...edit, type: "edit" };
  }

  get #isEdit() {
    return this.#mode?.type === "edit";
  }

  #keep() {
    const isEmpty = !this.#mode && !this.#unsaved.length && !this.#saving.length;
    const all = { mode: this.#mode, unsaved: this.#unsaved, saving: this.#saving };
    this.#kept.composing = isEmpty ? null : all;
  }

  #changed() {
    this.#keep();
    this.dispatchEvent(new Event("change"));
  }
}

/** The edit where its message is in this state by now; null where there is nothing left to save. */
function compare(edit, state) {
  if (state.deleted) return { ...edit, now: state };
  const text = asTyped(state);
  // A reaction, for example. What was seen of another text holds.
  if (text === asTyped(edit.message)) return { ...edit, message: state, now: null };
  if (text === tidy(edit.text)) return null;
  if (edit.text === asTyped(edit.message)) return { message: state, text, now: null };
  return { ...edit, now: state };
}

/** What is sent of what was written. */
export function tidy(text) {
  return sendable(text).trimEnd();
}

/** The text that one wrote for this message. */
export function asTyped({ kind, message }) {
  return kind === "action" ? `/me ${message}` : message;
}

function stateOf({ id, seq, pos, user, kind, message, edited, deleted }) {
  return { id, seq, pos, user, kind, message, edited, deleted };
}

function without(list, item) {
  return list.filter((each) => each !== item);
}
