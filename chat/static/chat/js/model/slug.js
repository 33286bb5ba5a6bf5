// A room's address for what somebody typed, as the server makes it (chat/rooms/slugs.py, slug_for). Where
// they typed a link to a room of this site, it is that room's (chat/forms.py, name_in).

const SLUG_MAX = 80;
// Addresses that we make, as in chat/models/slugs.py.
const MADE = /^(private|direct)([a-hjkmnp-z2-9]{16}|[0-9a-f]{32})$/;
const LINK = /^(?:(?:https?:\/\/)?([^/]+))?\/chat\/([^/?#]+)\/?(?:[?#].*)?$/is;

export function slugFor(text) {
  const name = nameIn(text.trim());
  const plain = name
    .normalize("NFKC")
    .toLowerCase()
    .replace(/\p{DI}/gu, "") // what nobody sees, as in core/visible.py
    .replace(/[^\p{L}\p{N}\p{Mn}\p{Mc}_\s-]/gu, "")
    .replace(/i\u0307+/gu, "i") // "İ" in lower case has two dots
    .normalize("NFKC")
    .replace(/[-\s]+/g, "-")
    .replace(/^[-_]+|[-_]+$/g, "");
  const slug = [...plain]
    .slice(0, SLUG_MAX)
    .join("")
    .replace(/^[-_]+|[-_]+$/g, "");
  return madeAddress(name) || madeAddress(slug) || (/[\p{L}\p{N}]/u.test(slug) ? slug : "");
}

function madeAddress(name) {
  const folded = name.normalize("NFKC").toLowerCase().replaceAll("ß", "ss").normalize("NFKC");
  const made = MADE.exec(folded.replace(/[^\p{L}\p{N}]/gu, ""));
  return made ? `${made[1]}--${made[2]}` : "";
}

function nameIn(text) {
  const link = LINK.exec(text);
  if (!link || (link[1] ?? location.host).toLowerCase() !== location.host) return text;
  try {
    return decodeURIComponent(link[2]);
  } catch {
    return link[2];
  }
}
