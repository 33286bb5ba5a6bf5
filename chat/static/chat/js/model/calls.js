// Commands that are answered: each carries a ref, and its promise ends with the frame that has it.
// Each ends: by its answer, with the connection, or when no answer has come for too long.

import { ANSWER_MS } from "./patience.js";

const UNSURE = "It is not known whether this was saved.";

/** `code` is the server's, or "unsent" (it was not sent), or "unsure" (nobody knows what came of it). */
export class CallError extends Error {
  constructor(code, detail) {
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

  /** Send a command; resolves with the frame that answers it, rejects with a CallError that says why not. */
  call(command) {
    const ref = command.ref ?? this.newRef();
    return new Promise((resolve, reject) => {
      if (!this.#send({ ...command, ref })) {
        reject(new CallError("unsent", "Not connected. Try again in a moment."));
        return;
      }
      const timer = setTimeout(
        () => this.#lose(ref, `The server has not answered. ${UNSURE} Try again in a moment.`),
        ANSWER_MS,
      );
      this.#open.set(ref, { resolve, reject, timer });
    });
  }

  receive(frame) {
    const call = this.#take(frame.ref);
    if (!call) return;
    if (frame.type === "error") call.reject(new CallError(frame.code, frame.detail));
    else call.resolve(frame);
  }

  disconnected() {
    for (const ref of this.#open.keys()) {
      this.#lose(ref, `The connection was lost. ${UNSURE} Try again.`);
    }
  }

  #lose(ref, detail) {
    this.#take(ref)?.reject(new CallError("unsure", detail));
  }

  #take(ref) {
    const call = this.#open.get(ref);
    clearTimeout(call?.timer);
    this.#open.delete(ref);
    return call;
  }
}
