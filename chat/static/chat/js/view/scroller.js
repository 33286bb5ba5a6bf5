// Where the reader is in the log, kept while rows come and go above and below.

const NEAR_END = 48; // pixels that still count as the end
const NEAR_START = 800; // from here on, older messages are fetched
const PAGE = 0.875; // of the height, as browsers have it: the last lines are seen again
const TAKES_OVER = ["wheel", "pointerdown", "keydown"]; // the reader wants to go elsewhere

export class Scroller {
  #box;
  #anchor = null; // {row, top}: what is read, and where in the box it stands; null at the end
  #size = ""; // of the box, when `anchor` was taken
  #gliding = false; // on the way to the end: there already, as far as anybody asks
  atEnd = true;

  constructor(box, content, onMove) {
    this.#box = box;
    this.#size = this.#sizeNow;
    const moved = () => {
      this.#look();
      onMove();
    };
    box.addEventListener("scroll", moved, { passive: true });
    const stopped = () => {
      if (!this.#gliding) return;
      this.#gliding = false;
      moved();
    };
    for (const type of TAKES_OVER) box.addEventListener(type, stopped, { passive: true });
    // The end of a movement from before may come only now; what is not there yet goes on.
    box.addEventListener("scrollend", () => {
      if (this.#gliding && this.#left > 1) this.#toEnd();
      else stopped();
    });
    // The composer grew, the window was turned, text wrapped anew.
    const observer = new ResizeObserver(() => {
      this.#restore();
      this.#size = this.#sizeNow;
      onMove();
    });
    observer.observe(box);
    observer.observe(content);
  }

  get nearStart() {
    return this.#box.scrollTop < NEAR_START;
  }

  /** Run `change`; what is being read stays where it is on the screen. */
  keep(change) {
    this.#remember();
    change();
    this.#restore();
  }

  /** Run `change`; `element` stays where it is on the screen, also if what is below it goes or comes. */
  hold(element, change) {
    const top = () => element.getBoundingClientRect().top;
    const before = top();
    change();
    this.#box.scrollTop += top() - before;
    this.#gliding = false;
    this.#look();
  }

  /** Go to the end in a movement that can be followed. */
  glideToEnd(behavior) {
    this.atEnd = true;
    this.#gliding = behavior === "smooth" && this.#left > 1;
    this.#toEnd();
  }

  /** Scroll by a page: -1 is up, 1 down. */
  page(by) {
    this.#gliding = false;
    // At once: on the way, what is drawn meanwhile would pull it back to an end that is still near.
    this.#box.scrollBy({ top: by * PAGE * this.#box.clientHeight, behavior: "instant" });
    this.#look();
  }

  /** The pixels below what is seen. */
  get #left() {
    const { scrollHeight, scrollTop, clientHeight } = this.#box;
    return scrollHeight - scrollTop - clientHeight;
  }

  get #sizeNow() {
    return `${this.#box.clientWidth} ${this.#box.clientHeight}`;
  }

  #look() {
    if (this.#size !== this.#sizeNow) return;
    if (this.#left <= 1) this.#gliding = false;
    if (!this.#gliding) this.atEnd = this.#left < NEAR_END;
    this.#remember();
  }

  #remember() {
    // The window was turned, and the observer comes only later: what was read before still holds.
    if (this.#size !== this.#sizeNow) return;
    const row = this.atEnd ? null : this.#firstSeen();
    this.#anchor = row && { row, top: row.offsetTop - this.#box.scrollTop };
  }

  #restore() {
    if (this.atEnd) this.#toEnd();
    else if (this.#anchor?.row.isConnected) {
      const { row, top } = this.#anchor;
      const moved = row.offsetTop - this.#box.scrollTop - top;
      if (moved) this.#box.scrollTop += moved; // each write ends a movement that is going on
    }
  }

  #toEnd() {
    const behavior = this.#gliding ? "smooth" : "instant";
    this.#box.scrollTo({ top: this.#box.scrollHeight, behavior });
  }

  #firstSeen() {
    const { scrollTop } = this.#box;
    const rows = this.#box.querySelectorAll(".message");
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].offsetTop + rows[middle].offsetHeight > scrollTop) high = middle;
      else low = middle + 1;
    }
    return rows[low] ?? null;
  }
}
