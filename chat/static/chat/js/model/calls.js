// Commands that are answered: each carries a ref, and its promise ends with the frame that has it.

class Refusal extends Error {
  constructor({ code, detail }) {
    super(detail);
    this.code = code;
  }
}

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

  /** Send a command; resolves with the frame that answers it, rejects with a Refusal. */
  call(command) {
    const ref = this.newRef();
    return new Promise((resolve, reject) => {
      if (!this.#send({ ...command, ref })) {
        reject(new Refusal({ code: "offline", detail: "Not connected. Try again in a moment." }));
        return;
      }
      this.#open.set(ref, { resolve, reject });
    });
  }

  receive(frame) {
    const open = this.#open.get(frame.ref);
    if (!open) return;
    this.#open.delete(frame.ref);
    if (frame.type === "error") open.reject(new Refusal(frame));
    else open.resolve(frame);
  }

  disconnected() {
    for (const { reject } of this.#open.values()) {
      reject(new Refusal({ code: "offline", detail: "The connection was lost. Try again." }));
    }
    this.#open.clear();
  }
}
