// <chat-composer>: where messages are written, answered and edited.
//
// Events: "send" {text, replyTo}, "save" (an edit, as Composing has it), "typed", "edit-last",
// "page" {by} (the log is to scroll by a page, up or down).

import { emit } from "../view/dom.js";
import { hearFiles } from "../view/files.js";
import { focusNow } from "../view/focus.js";
import { choices, showOther } from "../view/other-text.js";
import { isolated } from "../model/bidi.js";
import { tidy } from "../model/edits.js";
import { summary } from "../model/format.js";
import { unknownCommand } from "../model/slash.js";
import { canBeSeen } from "../model/visible.js";

const NEAR_LIMIT = 200; // characters left from which on the number is shown
const NOTE_MS = 8_000;
const TOUCH = matchMedia("(hover: none) and (pointer: coarse)"); // the keyboard is on the screen
const PAGES = { PageUp: -1, PageDown: 1 };

export class ChatComposer extends HTMLElement {
  #max = Number(this.dataset.max);
  #input;
  #composing;
  #asked = ""; // the text that looks like a command, about which we have asked
  #noteTimer = 0;
  #barred = null; // why nothing can be written

  /** `composing` is what is written here. */
  start(composing) {
    this.#composing = composing;
    this.#input = this.querySelector("textarea");
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("keydown", (event) => this.#pressed(event));
    hearFiles(this.#input, () => this.note("Pictures and other files cannot be sent here yet."));
    this.#hearButtons({
      ".send": () => this.#submit(),
      ".mode button": () => composing.cancel(),
      ".go-on": () => this.#goOn(),
      ".discard": () => this.#discard(),
      ".take": () => composing.takeOther(),
      ".overrule": () => this.#overrule(),
      ".send-anew": () => this.#post(tidy(composing.text)),
    });
    const asEnter = () => (this.#input.enterKeyHint = TOUCH.matches ? "enter" : "send");
    TOUCH.addEventListener("change", asEnter);
    asEnter();
    composing.addEventListener("change", () => this.#draw());
    if (this.#input.value) composing.begin(this.#input.value); // from before this script came
    else this.#draw();
    focusNow(this.#input);
  }

  focus() {
    this.#input.focus();
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

  #hearButtons(actions) {
    for (const [selector, act] of Object.entries(actions)) {
      this.querySelector(selector).addEventListener("click", act);
    }
  }

  #pressed(event) {
    if (event.isComposing || event.keyCode === 229) return; // an input method is at work
    const { key, shiftKey, altKey, ctrlKey, metaKey } = event;
    const isPlain = !shiftKey && !altKey && !ctrlKey && !metaKey;
    const breaksLine = shiftKey || altKey || (TOUCH.matches && isPlain);
    if (key === "Enter" && !breaksLine) this.#submit();
    else if (key === "Escape" && this.#composing.mode) this.#composing.cancel();
    else if (key === "ArrowUp" && this.#isEmpty && isPlain) emit(this, "edit-last");
    else if (PAGES[key] && !this.#input.value && isPlain) emit(this, "page", { by: PAGES[key] });
    else return;
    event.preventDefault();
  }

  get #isEmpty() {
    return !this.#input.value && !this.#composing.mode;
  }

  #submit() {
    const text = tidy(this.#input.value);
    const { mode } = this.#composing;
    if (!this.#mayGo(text)) return;
    if (mode?.now) this.note(`Not saved. ${choices(mode.now)}`);
    else if (mode?.type !== "edit") {
      if (!this.#asks(text)) this.#post(text);
    } else {
      this.note("");
      const edit = this.#composing.save(text);
      if (edit) emit(this, "save", edit);
    }
  }

  #goOn() {
    this.#composing.goOn();
    this.focus();
  }

  #discard() {
    this.#composing.discard();
    if (this.querySelector(".unsaved").hidden) this.focus(); // the button is gone
  }

  #overrule() {
    this.#composing.overrule();
    this.#submit();
  }

  #post(text) {
    if (!this.#mayGo(text)) return;
    this.note("");
    const { mode } = this.#composing;
    emit(this, "send", { text, replyTo: mode?.type === "reply" ? mode.message.id : null });
    this.#composing.sent();
    this.focus();
  }

  #mayGo(text) {
    if (this.#barred !== null || !text.trim()) return false;
    const left = this.#left(text);
    if (left < 0) this.note(`Not sent: ${excess(-left)}. The limit is ${this.#max.toLocaleString()}.`);
    else if (!canBeSeen(text)) this.note("Not sent: nothing in it can be seen.");
    else return true;
    return false;
  }

  /** A word that looks like a command is sent when it is sent again. */
  #asks(text) {
    const word = unknownCommand(text);
    if (!word || this.#asked === text) return false;
    this.#asked = text;
    this.note(`Not sent: there is no command ${word} here. Send it again to post it as text.`);
    clearTimeout(this.#noteTimer); // the question stands
    return true;
  }

  #typed() {
    const { value } = this.#input;
    this.#composing.text = value;
    if (this.#asked) this.note("");
    this.#asked = "";
    if (value.trim()) emit(this, "typed");
    this.#fit();
    this.#guard();
  }

  #draw() {
    const { mode, text, label, unsaved } = this.#composing;
    if (this.#input.value !== text) this.#input.value = text;
    this.classList.toggle("editing", mode?.type === "edit");
    this.#showLine(".mode", label);
    this.#showLine(".unsaved", unsaved && `Unsaved edit: ${isolated(summary({ message: unsaved.text }, 80))}`);
    showOther(this, mode?.now ?? null);
    this.#fit();
    this.#guard();
  }

  #showLine(selector, words) {
    const line = this.querySelector(selector);
    line.hidden = words === null;
    line.querySelector("span").textContent = words ?? "";
  }

  /** As tall as its text (the style sheet sets the most), with the characters left near the end. */
  #fit() {
    // What is around it keeps its height meanwhile: a log that grows and shrinks loses its place.
    const row = this.#input.parentElement;
    row.style.height = `${row.offsetHeight}px`;
    this.#input.style.height = "auto";
    this.#input.style.height = `${this.#input.scrollHeight}px`;
    row.style.height = "";
    const left = this.#left(tidy(this.#input.value));
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

  /** Where the browser keeps nothing for us, it can at least ask before the page is left. */
  #guard() {
    if (this.#composing.isAtRisk) addEventListener("beforeunload", this.#ask);
    else removeEventListener("beforeunload", this.#ask); // its mere presence makes leaving slower
  }

  #ask = (event) => {
    if (this.#composing.isAtRisk) event.preventDefault();
  };
}

function excess(count) {
  return count === 1 ? "1 character too many" : `${count.toLocaleString()} characters too many`;
}
