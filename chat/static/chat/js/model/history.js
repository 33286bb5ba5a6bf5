// What we hold of a room: messages in the order of `seq`, each in its latest state. No DOM.
//
// Event "change", detail: {reason, messages}, where `reason` is "reset", "older", "live", "since",
// "trim", or "refused" (a page: first when that is said, and again when it may be asked for anew).

const RETRY_S = 5; // where a refusal does not say when to ask again
const STATES = new Set(["chat.message", "chat.edited", "chat.deleted", "chat.reaction"]);

/** The messages that a frame brings, whether they come to be shown or not. */
export function messagesIn(frame) {
  if (frame.type === "chat.history") return frame.messages;
  return STATES.has(frame.type) ? [frame] : [];
}

export class History extends EventTarget {
  #byId = new Map();
  #ordered = [];
  // Latest states of messages older than those we show: the page that brings them may have been
  // read before they changed.
  #outside = new Map();
  #wanted = null; // the ref of the page on its way
  #held = false; // a page was refused; it is too early to ask again

  cursor = null;
  more = false;
  loaded = false;

  get messages() {
    return this.#ordered;
  }

  get(id) {
    return this.#byId.get(id);
  }

  get oldest() {
    return this.#ordered[0]?.seq ?? null;
  }

  get loading() {
    return this.#wanted !== null;
  }

  /** The command that asks for the page before what we hold; null where there is no need. */
  pageBefore(ref, limit) {
    if (!this.more || this.loading || this.#held || this.oldest === null) return null;
    this.#wanted = ref;
    return { type: "chat.history", before: this.oldest, limit, ref };
  }

  /** The page will not come, or is no longer of use. */
  forgetPage() {
    this.#wanted = null;
  }

  /** An error frame; true where it answers our wish for a page. */
  refused({ ref, retry_after }) {
    if (!this.loading || ref !== this.#wanted) return false;
    this.forgetPage();
    this.#held = true;
    setTimeout(() => this.#release(), (retry_after ?? RETRY_S) * 1000);
    this.#changed("refused", []);
    return true;
  }

  /** Take in a frame. Others than the room's log are left alone. */
  receive(frame) {
    if (frame.type === "chat.history") this.#receivePage(frame);
    else if (STATES.has(frame.type)) {
      this.#advance(frame.pos);
      this.#changed("live", this.#merge([frame]));
    }
  }

  /** Forget the oldest messages but `keep`; they can be paged in again. */
  trim(keep) {
    if (this.#ordered.length <= keep) return;
    for (const message of this.#ordered.splice(0, this.#ordered.length - keep)) {
      this.#byId.delete(message.id);
    }
    // A page on its way no longer borders on what we hold.
    this.forgetPage();
    this.more = true;
    this.#changed("trim", []);
  }

  #receivePage(frame) {
    if (frame.mode === "since") {
      this.#changed("since", this.#merge(frame.messages));
      this.#advance(frame.head);
    } else if (frame.ref != null) {
      if (frame.ref !== this.#wanted) return; // forgotten since it was asked for
      this.forgetPage();
      this.more = frame.more;
      const messages = frame.messages.map((message) => this.#newest(message));
      this.#changed("older", this.#insert(messages));
    } else {
      this.#byId.clear();
      this.#outside.clear();
      this.#ordered = [];
      this.forgetPage();
      this.more = frame.more;
      this.cursor = frame.head;
      this.loaded = true;
      this.#changed("reset", this.#insert(frame.messages));
    }
  }

  #release() {
    this.#held = false;
    this.#changed("refused", []);
  }

  #newest(message) {
    const known = this.#outside.get(message.id);
    this.#outside.delete(message.id);
    return known && known.pos > message.pos ? known : message;
  }

  #merge(messages) {
    // Inserting one that is older than what we show would leave a hole between it and the rest.
    const inside = messages.filter((message) => {
      if (!this.more || this.oldest === null || message.seq >= this.oldest) return true;
      const known = this.#outside.get(message.id);
      if (!known || known.pos < message.pos) this.#outside.set(message.id, message);
      return false;
    });
    return this.#insert(inside);
  }

  #insert(messages) {
    const taken = [];
    for (const { type, ref, ...message } of messages) {
      const known = this.#byId.get(message.id);
      if (known && known.pos >= message.pos) continue;
      this.#byId.set(message.id, message);
      const place = this.#place(message.seq);
      this.#ordered.splice(place, known ? 1 : 0, message);
      taken.push(message);
    }
    return taken;
  }

  /** Where `seq` stands, or would stand. Looks from the end: that is where most go. */
  #place(seq) {
    let low = 0;
    let high = this.#ordered.length;
    if (high && this.#ordered[high - 1].seq < seq) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ordered[middle].seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #advance(pos) {
    if (pos > (this.cursor ?? -1)) this.cursor = pos;
  }

  #changed(reason, messages) {
    this.dispatchEvent(new CustomEvent("change", { detail: { reason, messages } }));
  }
}
