// What is being written in a room: a new message, a reply to one, edits. No DOM.
//
// Event "change". All of it is kept for the tab (Kept), also an edit that is on its way: it is there
// until the server has confirmed it. Edits (edits.js) that were closed with another tab are offered.

import { compare, editAfter, editOf, isChanged, stateOf, tidy } from "./edits.js";
import { labelOf } from "./mode-label.js";

export class Composing extends EventTarget {
  #kept;
  #names;
  #text; // of the new message or the reply
  #mode = null; // {type: "reply", message}, or {type: "edit", …} and an edit
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
    saving.toReversed().forEach((edit) => this.#putBack(edit));
    this.#keep();
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
    return this.#unsaved[0] ?? this.#kept.othersEdits[0] ?? null;
  }

  /** The messages that all this is about, as far as we know them. */
  get messages() {
    const all = [this.#mode, ...this.#unsaved, ...this.#saving].filter(Boolean);
    return all.map(({ now, message }) => now ?? message);
  }

  /** What is done to which message; null for a new one. */
  get label() {
    return this.#mode && labelOf(this.#mode, this.#names);
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
    const isOf = (edit) => edit.message.id === message.id;
    const begun = this.#unsaved.find(isOf);
    this.#unsaved = without(this.#unsaved, begun);
    const saving = this.#saving.findLast(isOf);
    const edit = begun ?? (saving && editAfter(saving));
    this.#enter((edit && compare(edit, stateOf(message))) ?? editOf(message));
    this.#changed();
  }

  goOn() {
    const edit = this.unsaved;
    this.#unsaved = without(this.#unsaved, edit);
    this.#leave();
    this.#enter(edit);
    this.#changed();
  }

  /** Throw away the edit that waits first. */
  discard() {
    const edit = this.unsaved;
    this.#unsaved = without(this.#unsaved, edit);
    this.#kept.discardEdit(edit);
    this.#changed();
  }

  /** Leave a reply or an edit. What was changed in an edit waits then. */
  cancel() {
    this.#leave();
    this.#changed();
  }

  /** Another tab has changed what is kept. */
  lookAgain = () => this.#changed();

  /** The message has gone out. */
  sent() {
    if (!this.#isEdit) this.text = "";
    this.#mode = null;
    this.#changed();
  }

  /** The edit is to be saved as `text`: the edit to send, or null where that would change nothing. */
  save(text) {
    const { id, message, own } = this.#mode;
    const edit = { id, message, text, own, now: null };
    const isNews = this.#isUnsaved(edit);
    if (isNews) this.#saving.push(edit);
    this.#mode = null;
    this.#changed();
    return isNews ? edit : null;
  }

  saved(edit) {
    this.#saving = without(this.#saving, edit);
    this.#changed();
  }

  /**
   * Saving has failed: the edit comes back, but not over what is being written, nor beside an edit
   * that went on from it. `now` is the message as it is, where it was looked up.
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
    this.#enter(editOf(now));
    this.#changed();
  }

  /** The other text has been seen, and is to be written over. */
  overrule() {
    this.#enter({ ...this.#mode, message: this.#mode.now, own: null, now: null });
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
    // One that went on from another on its way is sent as made from what that came to.
    for (const edit of this.#saving) {
      const after = (concerns(edit) && compare(edit, state)) || edit;
      if (after.own === null) Object.assign(edit, { message: after.message, own: null });
    }
  }

  #putBack(edit) {
    const isOf = ({ message }) => message.id === edit.message.id;
    const later = this.#isEdit ? [this.#mode, ...this.#unsaved] : this.#unsaved;
    if ([...later, ...this.#saving].some(isOf)) return;
    if (this.#mode || this.#text) this.#unsaved.push(edit);
    else this.#enter(edit);
  }

  /** Make way for another mode; what was changed in an edit is kept. */
  #leave() {
    this.#unsaved.push(...this.#begun);
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
    this.#kept.edits = [...this.#saving, ...this.#unsaved, ...this.#begun];
  }

  /** The edit in the box, where something is lost with it. */
  get #begun() {
    const { type, ...edit } = this.#mode ?? {};
    return type === "edit" && this.#isUnsaved(edit) ? [edit] : [];
  }

  #isUnsaved(edit) {
    const isThis = ({ message, text }) => message.id === edit.message.id && text === tidy(edit.text);
    return edit.text.trim() !== "" && isChanged(edit) && !this.#saving.some(isThis);
  }

  #changed() {
    this.#keep();
    this.dispatchEvent(new Event("change"));
  }
}

function without(list, item) {
  return list.filter((each) => each !== item);
}
