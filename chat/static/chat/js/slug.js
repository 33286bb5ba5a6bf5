// A room's address for what somebody typed, as the server makes it (chat/entry.py, slug_for).

const SLUG_MAX = 80;
// Marks that nobody sees, as in chat/models/room.py.
const UNSEEN = /[\u034f\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/gu;

export function slugFor(name) {
  const plain = name
    .normalize("NFKC")
    .toLowerCase()
    .replace(UNSEEN, "")
    .replace(/[^\p{L}\p{N}\p{Mn}\p{Mc}_\s-]/gu, "")
    .replace(/i\u0307+/gu, "i") // "İ" in lower case has two dots
    .normalize("NFKC")
    .replace(/[-\s]+/g, "-")
    .replace(/^[-_]+|[-_]+$/g, "");
  const slug = [...plain]
    .slice(0, SLUG_MAX)
    .join("")
    .replace(/^[-_]+|[-_]+$/g, "");
  return /[\p{L}\p{N}]/u.test(slug) ? slug : "";
}
