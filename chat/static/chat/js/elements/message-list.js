// <message-list>: the log. Draws the rows, keeps the reader's place, asks for older messages.
//
// Events: "want-older", "moved" (the reader scrolled), "react" {id, emoji, on}.

import { calm, clone, el, emit } from "../view/dom.js";
import { hearCopies } from "../view/copying.js";
import { Folds } from "../view/folding.js";
import { classesOf, viewOf } from "../view/message-view.js";
import { onNewDay } from "../view/midnight.js";
import { rowsOf } from "../model/rows.js";
import { Scroller } from "../view/scroller.js";

const SHOWN_MAX = 1_000; // messages; over that, at the end of the room, the oldest go
const SHOWN_KEPT = 400;

export class MessageList extends HTMLElement {
  #nodes = new Map(); // key → {node, sign}
  #rows = [];
  #folds;
  #content = el("div", { class: "log-rows" });
  #scroller;
  #source;
  #frame = 0;

  /** `source` is {history, drafts, reading, me, names}. */
  start(source) {
    this.#source = source;
    this.append(this.#content);
    this.#scroller = new Scroller(this, this.#content, () => this.#moved());
    this.#folds = new Folds(this, this.#scroller);
    this.addEventListener("click", (event) => this.#clicked(event));
    this.addEventListener("keydown", (event) => this.#steered(event));
    this.addEventListener("focusin", (event) => this.#entered(event));
    hearCopies(this, () => this.#shown, source.names);
    onNewDay(() => this.draw());
    source.history.addEventListener("change", ({ detail }) => this.#historyChanged(detail));
    source.drafts.addEventListener("change", () => this.draw());
    for (const each of [source.reading, source.names]) {
      each.addEventListener("change", () => this.#drawSoon());
    }
    this.draw();
  }

  get atEnd() {
    return this.#scroller.atEnd;
  }

  /** What the log says, a line a message: plain clients read it like a text box. */
  get value() {
    const bodies = this.querySelectorAll(".message .body");
    return [...bodies].map((body) => `${body.textContent}\n`).join("");
  }

  draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const { history, drafts, reading, me, names } = this.#source;
    const rows = rowsOf({ history, drafts: drafts.list, line: reading.line, me, names });
    this.querySelector(".skeleton")?.toggleAttribute("hidden", rows.length > 0);
    this.#scroller.keep(() => this.#place(rows));
    this.#rows = rows;
    // Who is in the log keeps their place; a draft may have the focus before there is a message.
    if (!this.contains(document.activeElement) || !this.#inTabOrder) this.#rove(null);
  }

  /** Scroll by a page: -1 is up, 1 down. */
  page(by) {
    this.#scroller.page(by);
  }

  toEnd() {
    this.#scroller.glideToEnd(calm() ? "instant" : "smooth");
  }

  /** Show a message and point at it; false where it is not loaded. */
  reveal(id) {
    const node = this.#nodes.get(`m:${id}`)?.node;
    if (!node) return false;
    node.scrollIntoView({ block: "center", behavior: calm() ? "instant" : "smooth" });
    node.focus({ preventScroll: true });
    node.classList.add("pointed-at");
    setTimeout(() => node.classList.remove("pointed-at"), 2_000);
    return true;
  }

  /** What stands in the log, from top to bottom. */
  get #shown() {
    return this.#rows.map((row) => ({ row, node: this.#nodes.get(row.key).node }));
  }

  #drawSoon() {
    // Many messages in one frame from the server are drawn once.
    this.#frame ||= requestAnimationFrame(() => this.draw());
  }

  #historyChanged({ reason }) {
    if (reason === "live") {
      // A page that nobody looks at gets no animation frames, and must not pile up.
      if (document.hidden) this.draw();
      else this.#drawSoon();
      this.#trim();
      return;
    }
    if (reason === "reset") this.#scroller.atEnd = true;
    this.draw();
    if (reason !== "trim") this.#moved();
  }

  #moved() {
    emit(this, "moved");
    const { history } = this.#source;
    if (this.#scroller.nearStart && history.more && !history.loading) emit(this, "want-older");
    this.#trim();
  }

  #trim() {
    const { history } = this.#source;
    if (this.atEnd && history.messages.length > SHOWN_MAX) history.trim(SHOWN_KEPT);
  }

  #place(rows) {
    const unused = new Set(this.#nodes.keys());
    let next = this.#content.firstChild;
    for (const row of rows) {
      unused.delete(row.key);
      const node = this.#nodeFor(row);
      if (node === next) next = next.nextSibling;
      else this.#content.insertBefore(node, next);
    }
    for (const key of unused) {
      this.#nodes.get(key).node.remove();
      this.#nodes.delete(key);
    }
  }

  #nodeFor(row) {
    const known = this.#nodes.get(row.key);
    if (known?.sign === row.sign) return known.node;
    const node = known?.node ?? el("div");
    node.dataset.key = row.key;
    this.#fill(node, row);
    this.#nodes.set(row.key, { node, sign: row.sign });
    return node;
  }

  #fill(node, row) {
    if (row.type === "edge" || row.type === "day" || row.type === "new") {
      node.className = `${row.type}-row`;
      node.replaceChildren(row.type === "day" ? el("span", {}, row.label) : clone(templateOf(row)));
      return;
    }
    const { me, names } = this.#source;
    const { message, target, grouped } = row;
    const focused = node.contains(document.activeElement) && document.activeElement.dataset.focus;
    node.className = classesOf(message, { me, grouped });
    // The menu stays where it is: moved, it would lose the focus.
    const menu = node.querySelector("message-menu");
    [...node.children].filter((child) => child !== menu).forEach((child) => child.remove());
    node.prepend(...viewOf(message, { me, names, target, grouped, open: this.#folds.isOpen(row.key) }));
    if (message.deleted) menu?.leave();
    if (row.type === "message") {
      node.dataset.id = message.id;
      node.setAttribute("role", "article");
      if (!node.hasAttribute("tabindex")) node.tabIndex = -1;
    } else this.#fillDraft(node, row.draft);
    if (focused) node.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  #fillDraft(node, { client_id, state, detail }) {
    node.classList.add("draft", state);
    node.dataset.clientId = client_id;
    const foot = clone(`draft-${state}`);
    if (detail) {
      foot.querySelector(".draft-foot").classList.add("explained");
      foot.querySelector(".detail").textContent = detail;
    }
    node.querySelector(".content").append(foot);
  }

  #clicked({ target }) {
    const jump = target.closest("[data-jump]");
    const chip = target.closest("[data-react]");
    const draft = target.closest("[data-draft]");
    if (jump) this.reveal(jump.dataset.jump);
    else if (chip && chip.closest(".message").contains(chip) && !chip.closest("message-menu")) {
      const id = Number(chip.closest(".message").dataset.id);
      const on = chip.getAttribute("aria-pressed") !== "true";
      emit(this, "react", { id, emoji: chip.dataset.react, on });
    } else if (draft) {
      const { clientId } = draft.closest(".message").dataset;
      if (draft.dataset.draft === "retry") this.#source.drafts.retry(clientId);
      else this.#source.drafts.discard(clientId);
    }
  }

  /** The arrows go from message to message; Tab goes on to the one's buttons. */
  #steered(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const current = event.target.closest?.(".message[data-id]");
    if (!step || !current || event.target !== current) return;
    const all = [...this.querySelectorAll(".message[data-id]")];
    const next = all[all.indexOf(current) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  #entered({ target }) {
    const message = target.closest(".message[data-id]"); // a draft is none yet
    if (message) this.#rove(message);
  }

  get #inTabOrder() {
    return this.querySelector('.message[tabindex="0"]');
  }

  /** One message is in the tab order: the one that had the focus, or else the newest. */
  #rove(message) {
    const target = message ?? [...this.querySelectorAll(".message[data-id]")].at(-1);
    const before = this.#inTabOrder;
    if (!target || target === before) return;
    if (before) before.tabIndex = -1;
    target.tabIndex = 0;
  }
}

function templateOf(row) {
  return row.type === "new" ? "new-line" : `edge-${row.state}`;
}
