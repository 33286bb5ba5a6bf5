// What people wrote, as parts that can be shown: no HTML is made here, and none is understood.
//
// parse(text) → blocks: {type: "code", text} or {type: "text", parts}, where a part is
// {type: "text" | "code" | "mention" | "link", text, href?, name?}.

// A word right after the opening marks, alone on its line, names the language.
const FENCE = /```(?:[\w+#.-]*[^\S\n]*\n)?([\s\S]+?)```/;
const CODE = /`([^`\n]+)`/;
// An address, or what everybody reads as one.
const LINK = /(https?:\/\/[^\s<>"]+|(?<![\p{L}\p{N}_@./-])www\.[^\s<>"]+)/u;
// "@name", but not the middle of a mail address.
const MENTION = /(?<![\p{L}\p{N}_])@([\p{L}\p{N}](?:[\p{L}\p{N}_.-]*[\p{L}\p{N}_])?)/u;
const MENTIONS = new RegExp(MENTION, "gu");
const INLINE = new RegExp([CODE, LINK, MENTION].map(({ source }) => source).join("|"), "giu");

export function parse(text) {
  const blocks = [];
  let rest = text;
  for (let match = FENCE.exec(rest); match; match = FENCE.exec(rest)) {
    pushText(blocks, rest.slice(0, match.index).replace(/\s+$/, ""));
    blocks.push({ type: "code", text: match[1].replace(/\n$/, "") });
    rest = rest.slice(match.index + match[0].length).replace(/^[^\S\n]*\n/, "");
  }
  pushText(blocks, rest);
  return blocks;
}

/** The names after an "@", whether anybody bears them or not. */
export function mentioned(text) {
  return text.includes("@") ? [...text.matchAll(MENTIONS)].map(([, name]) => name) : [];
}

function pushText(blocks, text) {
  if (text.trim() !== "") blocks.push({ type: "text", parts: inline(text) });
}

/** The parts of a text without code blocks. */
export function inline(text) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, url, name] = match;
    const mention = { type: "mention", text: whole, name };
    const part = code ? { type: "code", text: code } : url ? link(url) : mention;
    if (!part) continue;
    if (match.index > at) parts.push({ type: "text", text: text.slice(at, match.index) });
    parts.push(part);
    at = match.index + (url ? part.text : whole).length;
  }
  if (at < text.length) parts.push({ type: "text", text: text.slice(at) });
  return parts;
}

function link(url) {
  let text = url;
  // What ends a sentence is not part of the address, nor a bracket that opened before it.
  const surplus = {};
  for (const [open, shut] of ["()", "[]", "{}"])
    surplus[shut] = count(url, shut) - count(url, open);
  while (surplus[text.at(-1)] > 0 || ".,;:!?'\"*_~".includes(text.at(-1))) {
    surplus[text.at(-1)] -= 1;
    text = text.slice(0, -1);
  }
  try {
    const bare = /^www\./i.test(text);
    const { protocol, href, hostname } = new URL(bare ? `https://${text}` : text);
    if (bare && !/^www\.[^.]+\.[^.]/.test(hostname)) return null;
    if ((protocol !== "http:" && protocol !== "https:") || !hostname) return null;
    return { type: "link", text, href };
  } catch {
    return null;
  }
}

function count(text, character) {
  return text.split(character).length - 1;
}

/** One line for a quote: what a reader recognises a message by. */
export function summary(message, length = 140) {
  if (message.deleted) return "This message was deleted.";
  const line = message.message
    .replace(/```\w*/g, "")
    .replace(/\s+/g, " ")
    .trim();
  const characters = [...line];
  return characters.length > length ? `${characters.slice(0, length).join("")}…` : line;
}
