// What it means for a person that the server does not want this page back. No DOM.

const COPY = "No longer being sent. You can still copy it.";

/**
 * Why the connection is closed for good (`words`), and what becomes of messages that are not
 * confirmed (`drafts`): they stay where they were written, and a later page of the same person
 * sends them. `detail` is what the server said before it closed.
 */
export function ending({ code, detail, guest }) {
  switch (code) {
    case 4401: // whoever signs in is not this guest
      return {
        words: "You are signed out.",
        drafts: guest ? COPY : "Kept until you sign in again.",
      };
    case 4403:
      return { words: detail || "You were removed from this room.", drafts: COPY };
    case 4404:
      return { words: "This room is not there any more.", drafts: COPY };
    default:
      return {
        words: detail || "The connection was closed. Reload the page to come back.",
        drafts: "Kept until you reload the page.",
      };
  }
}
