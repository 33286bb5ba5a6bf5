// How far we have read: what is new to us, where the "new" line stands, what to tell the server.
//
// Nothing is counted up. What is new follows from the messages held and one position, so it stays
// right whatever comes: a deletion, an edit, another tab that has read, a fresh page. No DOM.

const TELL_MS = 800;
const BRINGS = new Set(["live", "since", "older"]); // changes of the history that bring messages

export class Reading extends EventTarget {
  #me;
  #history;
  #isLooking;
  #tell;
  #readSeq;
  #toldSeq;
  #knownSeq; // the server has said so
  #timer = 0;
  #lastSeq = 0; // the last message that was held

  line = null; // the new messages begin after this seq; null: no line
  news = []; // what the history's last change brought that was not held before, and is news

  /**
   * `readSeq` is how far the server knows we had read; `history` has the messages, and is listened
   * to; `isLooking()` says whether the end of the room is being looked at; `tell(seq)` sends
   * chat.read, and returns whether it could.
   */
  constructor({ me, readSeq, history, isLooking, tell }) {
    super();
    this.#me = me;
    this.#readSeq = this.#toldSeq = this.#knownSeq = readSeq;
    this.#history = history;
    this.#isLooking = isLooking;
    this.#tell = tell;
    history.addEventListener("change", ({ detail }) => this.#hear(detail));
  }

  /** How many of the messages held are new to us. */
  get unseen() {
    return this.#unread().length;
  }

  #hear({ reason, messages }) {
    this.news = [];
    if (reason === "reset") this.#begin();
    else if (BRINGS.has(reason)) this.#arrived(messages);
  }

  /** The history holds a fresh page. */
  #begin() {
    const last = this.#newest();
    // A database that lost its last commits gives their places out once more.
    this.#readSeq = Math.min(this.#readSeq, last);
    this.#toldSeq = Math.min(this.#toldSeq, last);
    this.#lastSeq = last;
    this.#settle();
  }

  #arrived(messages) {
    const isFresh = (message) => message.seq > this.#lastSeq && this.#isNews(message);
    this.news = messages.filter(isFresh);
    this.#lastSeq = this.#newest();
    if (this.#isLooking()) this.seen();
    else this.#settle();
  }

  /** The end of the room is being looked at: all that is held is read. */
  seen() {
    const last = this.#newest();
    if (last > this.#readSeq) {
      this.#readSeq = last;
      this.dispatchEvent(new Event("change"));
    }
    // A timer that runs is not started anew: where messages flow it would never end.
    if (this.#readSeq > this.#toldSeq) this.#timer ||= setTimeout(() => this.tellNow(), TELL_MS);
  }

  /** Tell what is still to be told, without waiting: the page may be on its way out. */
  tellNow() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.#readSeq > this.#toldSeq && this.#tell(this.#readSeq)) this.#toldSeq = this.#readSeq;
  }

  /** What was told without an answer may be lost. */
  disconnected() {
    this.#toldSeq = this.#knownSeq;
  }

  /** The server knows that we have read up to here: this tab has told it, or another one. */
  receive({ type, seq }) {
    if (type !== "chat.read" || !Number.isInteger(seq)) return; // a server of before says `pos`
    this.#knownSeq = Math.max(this.#knownSeq, seq);
    this.#toldSeq = Math.max(this.#toldSeq, seq);
    if (seq <= this.#readSeq) return;
    if (this.#isLineAhead) this.line = null;
    this.#readSeq = seq;
    this.#settle();
  }

  /** The line has served: the person wrote, or left the page having read it. */
  clearLine() {
    if (this.line === null) return;
    this.line = null;
    this.dispatchEvent(new Event("change"));
  }

  /** The line stands before what nobody has looked at yet, and not where somebody has begun to. */
  get #isLineAhead() {
    return this.line !== null && this.line >= this.#readSeq;
  }

  /** The line follows what is unread, until that is looked at. */
  #settle() {
    if (this.line === null || this.#isLineAhead) {
      const [first] = this.#unread();
      this.line = first ? first.seq - 1 : null;
    }
    this.dispatchEvent(new Event("change"));
  }

  #newest() {
    return this.#history.messages.at(-1)?.seq ?? 0;
  }

  /** Those of the messages held that are new to us. The server says the same in chat/models/message.py. */
  #unread() {
    const { messages } = this.#history;
    const read = messages.findLastIndex(({ seq }) => seq <= this.#readSeq);
    return messages.slice(read + 1).filter((message) => this.#isNews(message));
  }

  #isNews({ user, deleted, kind }) {
    return user.id !== this.#me && !deleted && kind !== "notice";
  }
}
