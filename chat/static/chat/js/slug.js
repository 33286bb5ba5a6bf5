// A room's address for what somebody typed, as the server makes it (chat/entry.py, slug_for).

const SLUG_MAX = 80;

export function slugFor(name) {
  const plain = name
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_\s-]/gu, "")
    .trim()
    .replace(/[-\s]+/g, "-")
    .replace(/^[-_]+|[-_]+$/g, "");
  return [...plain]
    .slice(0, SLUG_MAX)
    .join("")
    .replace(/^[-_]+|[-_]+$/g, "");
}
