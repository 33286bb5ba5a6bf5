// What it means for a person that the server does not want this page back. No DOM.

import { CLOSE } from "./close.js";

const COPY = "No longer being sent. You can still copy it.";

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
        drafts: guest ? COPY : "Kept until you sign in again.",
        way: "sign-in",
      };
    case CLOSE.FORBIDDEN:
      return { words: detail || "You were removed from this room.", drafts: COPY };
    case CLOSE.NO_ROOM:
      return { words: "This room is not there any more.", drafts: COPY };
    default: // BAD_FRAMES, and DISCONNECTED: a moderator ended it, which keeps nobody out
      return {
        words: detail || "The connection was closed.",
        drafts: "Kept until you come back.",
        way: "reload",
      };
  }
}
