// Commands that are answered: each carries a ref, and its promise ends with the frame that has it.

export class Calls {
  #send;
  #open = new Map();
  #next = 1;

  constructor(send) {
    this.#send = send;
  }

  /** A ref that no other command of this page has. */
  newRef() {
    return `c${this.#next++}`;
  }

  /** Send a command; resolves with the frame that answers it, rejects with an Error that says why not. */
  call(command) {
    const ref = this.newRef();
    return new Promise((resolve, reject) => {
      if (!this.#send({ ...command, ref })) {
        reject(new Error("Not connected. Try again in a moment."));
        return;
      }
      this.#open.set(ref, { resolve, reject });
    });
  }

  receive(frame) {
    const open = this.#open.get(frame.ref);
    if (!open) return;
    this.#open.delete(frame.ref);
    if (frame.type === "error") open.reject(new Error(frame.detail));
    else open.resolve(frame);
  }

  disconnected() {
    for (const { reject } of this.#open.values()) {
      reject(new Error("The connection was lost. Try again."));
    }
    this.#open.clear();
  }
}
