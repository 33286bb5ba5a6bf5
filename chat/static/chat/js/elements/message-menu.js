// <message-menu>: what can be done with a message. One for the log; it goes to the message that is
// pointed at, focused or tapped.
//
// Events, each with {message}: "reply", "edit", "delete", "copy-text" (not "copy", which is
// the browser's own), and "react" {id, emoji, on}.

import { clone, emit } from "../view/dom.js";

export class MessageMenu extends HTMLElement {
  #list;
  #source;
  #row = null;
  #moving = false; // moving an element takes the focus from it, which is no leaving

  /** `source` is {history, me, can}, where `can(what)` tells what this person may do here. */
  start(list, source) {
    this.#list = list;
    this.#source = source;
    this.append(clone("menu"));
    this.addEventListener("click", (event) => this.#chosen(event));
    this.addEventListener("keydown", (event) => this.#escaped(event));
    list.addEventListener("pointerover", (event) => {
      const busy = this.matches(":focus-within") && this.querySelector(":focus-visible");
      if (event.pointerType === "mouse" && !busy) this.#goTo(rowOf(event));
    });
    list.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse" && !this.matches(":focus-within")) this.leave();
    });
    list.addEventListener("focusin", (event) => this.#goTo(rowOf(event)));
    list.addEventListener("focusout", (event) => {
      if (!this.#moving && !list.contains(event.relatedTarget)) this.leave();
    });
    list.addEventListener("click", (event) => this.#tapped(event));
  }

  leave() {
    this.#row = null;
    this.#open(false);
    this.remove();
  }

  get #message() {
    return this.#source.history.get(Number(this.#row?.dataset.id));
  }

  #tapped(event) {
    // A mouse has pointed already; a finger says with a tap which message it means.
    const { target, pointerType } = event;
    if (pointerType === "mouse" || target.closest("a, button, message-menu")) return;
    this.#goTo(rowOf(event));
  }

  #goTo(row) {
    if (!row || row === this.#row) return;
    if (row.matches(".deleted, .is-notice, .draft")) {
      this.leave();
      return;
    }
    this.#row = row;
    this.#open(false);
    const { me, can } = this.#source;
    const own = this.#message?.user.id === me.id;
    const shown = {
      react: can("react"),
      reply: can("post"),
      edit: own && can("post"),
      delete: own || can("moderate"),
    };
    for (const [name, show] of Object.entries(shown)) {
      this.querySelector(`[data-do="${name}"]`).hidden = !show;
    }
    this.#moving = true;
    row.append(this);
    this.#moving = false;
  }

  #open(open) {
    this.querySelector('[data-do="react"]').setAttribute("aria-expanded", String(open));
    this.querySelector(".emoji-row").hidden = !open;
    this.querySelector(".menu").classList.toggle("reacting", open);
  }

  #chosen({ target }) {
    const message = this.#message;
    const button = target.closest("button");
    if (!button || !message) return;
    const { do: what, emoji } = button.dataset;
    if (what === "react") {
      this.#open(this.querySelector(".emoji-row").hidden);
    } else if (emoji) {
      const ids = message.reactions?.[emoji] ?? [];
      emit(this.#list, "react", { id: message.id, emoji, on: !ids.includes(this.#source.me.id) });
      this.#open(false);
      this.querySelector('[data-do="react"]').focus();
    } else emit(this.#list, what, { message });
  }

  #escaped(event) {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    if (!this.querySelector(".emoji-row").hidden) this.#open(false);
    this.#row?.focus();
  }
}

function rowOf(event) {
  return event.target.closest?.(".message") ?? null;
}
