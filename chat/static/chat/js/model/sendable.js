// What of a text can leave the page. No DOM.

/**
 * The text without NUL, which the server does not store, and with U+FFFD for each half of a
 * surrogate pair that stands alone, which is no Unicode: a frame with one is refused.
 */
export function sendable(text) {
  return text.replaceAll("\0", "").replace(/\p{Surrogate}/gu, "\uFFFD");
}
