// <chat-composer>: where messages are written, answered and edited.
//
// Events: "send" {text, replyTo}, "save" {message, text}, "typed", "edit-last".

import { el, emit } from "../view/dom.js";
import { focusNow } from "../view/focus.js";
import { summary } from "../model/format.js";

const NEAR_LIMIT = 200; // characters left from which on the number is shown
const NOTE_MS = 8_000;

export class ChatComposer extends HTMLElement {
  #max = Number(this.dataset.max);
  #input;
  #kept;
  #mode = null; // {type: "reply" | "edit", message}
  #aside = ""; // what was being written when an edit began
  #unsaved = []; // {message, text} of edits that wait to be gone on with
  #noteTimer = 0;
  #barred = null; // why nothing can be written

  /** `kept` has the text that was not sent. */
  start(kept) {
    this.#kept = kept;
    this.#input = this.querySelector("textarea");
    this.#input.addEventListener("input", () => this.#changed());
    this.#input.addEventListener("keydown", (event) => this.#pressed(event));
    this.querySelector(".send").addEventListener("click", () => this.#submit());
    this.querySelector(".mode button").addEventListener("click", () => this.cancel());
    this.querySelector(".unsaved button").addEventListener("click", () => this.#goOn());
    this.restore();
    focusNow(this.#input);
  }

  /** Show what was kept, unless something is written here, as before this script came. */
  restore() {
    if (!this.#input.value) this.#input.value = this.#kept.text;
    this.#fit();
  }

  focus() {
    this.#input.focus();
  }

  reply(message) {
    this.#leave();
    const name = el("bdi", {}, message.user.name);
    this.#enter("reply", message, ["Replying to ", name, ": ", el("bdi", {}, summary(message, 80))]);
  }

  edit(message) {
    if (this.#mode?.type === "edit" && this.#mode.message.id === message.id) this.focus();
    else this.#edit(message, asTyped(message));
  }

  /** Saving this edit has failed. It comes back, but not over what is being written. */
  notSaved(message, text) {
    if (this.#mode || this.#input.value) this.#keepEdit(message, text);
    else this.#edit(message, text);
  }

  /** Leave reply or edit; what was written before an edit comes back. */
  cancel() {
    if (this.#mode?.type === "edit") this.#write(this.#aside);
    this.#mode = null;
    this.querySelector(".mode").hidden = true;
    this.classList.remove("editing");
  }

  /** Say why nothing can be written here; null: it can. What is there can still be copied. */
  bar(reason) {
    this.#barred = reason;
    this.#input.readOnly = reason !== null;
    this.classList.toggle("barred", reason !== null);
    this.#input.placeholder = reason ?? this.#input.dataset.placeholder;
    this.#fit();
  }

  /** Something went wrong; said aloud, and gone after a while. */
  note(text) {
    clearTimeout(this.#noteTimer);
    this.querySelector(".note").textContent = text;
    if (text) this.#noteTimer = setTimeout(() => this.note(""), NOTE_MS);
  }

  #edit(message, text) {
    this.#leave();
    this.#aside = this.#input.value;
    this.#enter("edit", message, ["Editing: ", el("bdi", {}, summary(message, 80))]);
    this.#write(text);
  }

  /** Make way for another mode; what was changed in an edit is kept. */
  #leave() {
    const { type, message } = this.#mode ?? {};
    const text = this.#input.value;
    if (type === "edit" && text.trim() && text !== asTyped(message)) this.#keepEdit(message, text);
    this.cancel();
  }

  #keepEdit(message, text) {
    this.#unsaved.push({ message, text });
    this.#showUnsaved();
  }

  #goOn() {
    const { message, text } = this.#unsaved.shift();
    this.#edit(message, text);
    this.#showUnsaved();
  }

  #showUnsaved() {
    const next = this.#unsaved[0];
    const line = this.querySelector(".unsaved");
    line.hidden = !next;
    if (!next) return;
    const text = el("bdi", {}, summary({ message: next.text }, 80));
    line.querySelector("span").replaceChildren("Unsaved edit: ", text);
  }

  #enter(type, message, label) {
    this.#mode = { type, message };
    this.querySelector(".mode").hidden = false;
    this.querySelector(".mode span").replaceChildren(...label);
    this.classList.toggle("editing", type === "edit");
    this.#input.focus();
  }

  #pressed(event) {
    if (event.isComposing || event.keyCode === 229) return; // an input method is at work
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "Escape" && this.#mode) {
      this.cancel();
    } else if (event.key === "ArrowUp" && !this.#input.value && !this.#mode) {
      event.preventDefault();
      emit(this, "edit-last");
    }
  }

  #submit() {
    const text = this.#input.value.replaceAll("\0", "").trimEnd();
    if (this.#barred !== null || !text.trim()) return;
    if (this.#left(text) < 0) {
      const over = excess(-this.#left(text));
      this.note(`Not sent: ${over}. The limit is ${this.#max.toLocaleString()}.`);
      return;
    }
    this.note("");
    if (this.#mode?.type === "edit") {
      const { message } = this.#mode;
      this.cancel();
      if (text !== asTyped(message)) emit(this, "save", { message, text });
      return;
    }
    const replyTo = this.#mode?.message.id ?? null;
    this.cancel();
    this.#write("");
    emit(this, "send", { text, replyTo });
  }

  #write(text) {
    this.#input.value = text;
    this.#changed({ typed: false });
  }

  #changed({ typed = true } = {}) {
    const { value } = this.#input;
    if (this.#mode?.type !== "edit") this.#kept.text = value;
    if (typed && value.trim()) emit(this, "typed");
    this.#fit();
  }

  /** As tall as its text (the style sheet sets the most), with the characters left near the end. */
  #fit() {
    this.#input.style.height = "auto";
    this.#input.style.height = `${this.#input.scrollHeight}px`;
    const left = this.#left(this.#input.value.trimEnd());
    const counter = document.getElementById("composer-counter");
    const near = left <= NEAR_LIMIT ? `${left.toLocaleString()} left` : "";
    counter.textContent = left < 0 ? excess(-left) : near;
    counter.classList.toggle("over", left < 0);
    this.#input.setAttribute("aria-invalid", String(left < 0));
    this.querySelector(".send").disabled = this.#barred !== null || left < 0;
    // In an empty box the placeholder says it.
    const reason = this.querySelector(".why-barred");
    reason.textContent = this.#input.value ? this.#barred : "";
  }

  /** The server counts code points. */
  #left(text) {
    return this.#max - (text.length > this.#max - NEAR_LIMIT ? [...text].length : text.length);
  }
}

function excess(count) {
  return count === 1 ? "1 character too many" : `${count.toLocaleString()} characters too many`;
}

function asTyped({ kind, message }) {
  return kind === "action" ? `/me ${message}` : message;
}
