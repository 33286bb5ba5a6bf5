// What it means for a person that the server does not want this page back. No DOM.

import { CLOSE } from "./close.js";

const COPY = "Not sent. You can still copy the text.";

/**
 * Why the connection is closed for good (`words`), and what becomes of messages that are not
 * confirmed (`drafts`): they stay where they were written, and a later page of the same person
 * sends them. `way` leads back: "reload", "sign-in", or none where coming back would fail.
 * `detail` is what the server said before it closed.
 */
export function ending({ code, detail, guest }) {
  switch (code) {
    case CLOSE.SIGN_IN: // whoever signs in is not this guest
      return {
        words: "You are signed out.",
        drafts: guest ? COPY : "Will be sent when you sign in again.",
        way: "sign-in",
      };
    case CLOSE.FORBIDDEN:
      return { words: detail || "You were removed from this room.", drafts: COPY };
    case CLOSE.NO_ROOM:
      return { words: "This room is no longer available.", drafts: COPY };
    default: // BAD_FRAMES, and DISCONNECTED: a moderator ended it, which keeps nobody out
      return {
        words: detail || "The connection was closed.",
        drafts: "Will be sent when you reconnect.",
        way: "reload",
      };
  }
}
