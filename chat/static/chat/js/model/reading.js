// How far we have read: where the "new" line stands, what to tell the server, how many are unread
// while nobody looks. No DOM.

const TELL_MS = 800;

export class Reading extends EventTarget {
  #me;
  #tell;
  #joined;
  #readPos;
  #toldPos;
  #timer = 0;
  #lastSeq = 0; // the last message that was seen

  line = null; // the new messages begin after this seq; null: no line
  unseen = 0; // from others, since the page was last looked at

  /** `readPos` is how far the server knows we had read, `joined` when we became a member;
   * `tell(pos)` sends chat.read, and returns whether it could. */
  constructor({ me, readPos, joined, tell }) {
    super();
    this.#me = me;
    this.#readPos = this.#toldPos = readPos;
    this.#joined = new Date(joined);
    this.#tell = tell;
  }

  /** The first page came: what stands after the last one we had read is new. */
  begin(messages) {
    let first = messages.length;
    while (first > 0 && messages[first - 1].pos > this.#readPos) first -= 1;
    // Where nothing was read yet, what was said before we came is no news: on a first visit that is
    // all there is.
    const since = ({ created }) => this.#readPos > 0 || new Date(created) > this.#joined;
    const fresh = messages.slice(first).find((message) => this.#isNews(message) && since(message));
    if (fresh) this.line = fresh.seq - 1;
    this.#lastSeq = messages.at(-1)?.seq ?? 0;
  }

  /** Messages came while the page was (or was not) looked at, at its end; returns the news. */
  arrived(messages, looking) {
    const news = messages.filter((m) => this.#isNews(m) && m.seq > this.#lastSeq);
    if (!looking && news.length) {
      this.unseen += news.length;
      this.line ??= Math.min(...news.map((message) => message.seq)) - 1;
    }
    const last = messages.reduce((most, message) => Math.max(most, message.seq), 0);
    this.#lastSeq = Math.max(this.#lastSeq, last);
    this.dispatchEvent(new Event("change"));
    return news;
  }

  /** The end of the room is being looked at, up to this pos. */
  seen(pos) {
    this.#noneUnseen();
    if (pos !== null && pos > this.#readPos) this.#readPos = pos;
    // A timer that runs is not started anew: where messages flow it would never end.
    if (this.#readPos > this.#toldPos) this.#timer ||= setTimeout(() => this.tellNow(), TELL_MS);
  }

  /** Tell what is still to be told, without waiting: the page may be on its way out. */
  tellNow() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.#readPos > this.#toldPos && this.#tell(this.#readPos)) this.#toldPos = this.#readPos;
  }

  /** Another tab of ours has read up to here. */
  receive(frame) {
    if (frame.type !== "chat.read" || frame.pos <= this.#readPos) return;
    this.#readPos = this.#toldPos = frame.pos;
    this.#noneUnseen();
  }

  /** The line has served: the person wrote, or left the page having read it. */
  clearLine() {
    if (this.line === null) return;
    this.line = null;
    this.dispatchEvent(new Event("change"));
  }

  #noneUnseen() {
    if (!this.unseen) return;
    this.unseen = 0;
    this.dispatchEvent(new Event("change"));
  }

  #isNews(message) {
    return message.user.id !== this.#me && !message.deleted && message.kind !== "notice";
  }
}
