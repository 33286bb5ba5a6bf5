// Where the reader is in the log, kept while rows come and go above and below.

const NEAR_END = 48; // pixels that still count as the end
const NEAR_START = 800; // from here on, older messages are fetched

export class Scroller {
  #box;
  atEnd = true;

  constructor(box, content, onMove) {
    this.#box = box;
    box.addEventListener(
      "scroll",
      () => {
        this.#look();
        onMove();
      },
      { passive: true },
    );
    // The composer grew, the window was turned, text wrapped anew.
    const observer = new ResizeObserver(() => {
      if (this.atEnd) this.toEnd();
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
    const anchor = this.atEnd ? null : this.#firstSeen();
    const top = anchor?.offsetTop;
    change();
    if (this.atEnd) this.toEnd();
    else if (anchor?.isConnected) this.#box.scrollTop += anchor.offsetTop - top;
  }

  toEnd() {
    this.#box.scrollTop = this.#box.scrollHeight;
    this.atEnd = true;
  }

  /** Go to the end in a movement that can be followed. */
  glideToEnd(behavior) {
    this.atEnd = true;
    this.#box.scrollTo({ top: this.#box.scrollHeight, behavior });
  }

  #look() {
    const { scrollHeight, scrollTop, clientHeight } = this.#box;
    this.atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
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
