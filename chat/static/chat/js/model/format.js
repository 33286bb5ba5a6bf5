// What people wrote, as parts that can be shown: no HTML is made here, and none is understood.
//
// parse(text) → blocks: {type: "code", text} or {type: "text", parts}, where a part is
// {type: "text" | "code" | "mention" | "link", text, href?, name?}.

import { withoutTurns } from "./bidi.js";
import { addressAt, START } from "./links.js";
import { LETTERS, WITHOUT_SPACES } from "./scripts.js";
import { canBeSeen } from "./visible.js";

// A word right after the opening marks, alone on its line, names the language.
const FENCE = /```(?:[\w+#.-]*[^\S\n]*\n)?([\s\S]+?)```(?:[^\S\n]*\n)?/g;
const CODE = /`([^`\n]+)`/;
// "@name", but not the middle of a mail address.
const MENTION = new RegExp(
  `(?:(?<=[${WITHOUT_SPACES}])|(?<![${LETTERS}_]))@([${LETTERS}](?:[${LETTERS}_.-]*[${LETTERS}_])?)`,
  "u",
);
const MENTIONS = new RegExp(MENTION, "gu");
const INLINE = new RegExp(`${CODE.source}|(${START})|${MENTION.source}`, "giu");
const GOES_ON = new RegExp(`[${WITHOUT_SPACES}]`, "u");
const NAME_MAX = 80; // code units of a name that is looked for within a longer word

export function parse(text) {
  const blocks = [];
  let at = 0;
  for (const match of text.matchAll(FENCE)) {
    if (!canBeSeen(match[1])) continue; // marks around nothing are text
    pushText(blocks, text.slice(at, match.index).trimEnd());
    blocks.push({ type: "code", text: match[1].replace(/\n$/, "") });
    at = match.index + match[0].length;
  }
  pushText(blocks, text.slice(at));
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
  INLINE.lastIndex = 0;
  for (let match = INLINE.exec(text); match; match = INLINE.exec(text)) {
    const [whole, code, start, name] = match;
    if (code !== undefined && !canBeSeen(code)) continue;
    const address = start && addressAt(text, match.index, start);
    if (address && !address.href) {
      INLINE.lastIndex = address.end;
      continue;
    }
    if (match.index > at) parts.push({ type: "text", text: text.slice(at, match.index) });
    if (address) parts.push({ type: "link", text: address.text, href: address.href });
    else parts.push(code ? { type: "code", text: code } : { type: "mention", text: whole, name });
    at = address ? address.end : INLINE.lastIndex;
    INLINE.lastIndex = at;
  }
  if (at < text.length) parts.push({ type: "text", text: text.slice(at) });
  return parts;
}

/**
 * The name that "@word" calls, or null: all of it, or what stands before letters that follow a name
 * without a space ("@bobさん"). `calls(name)` says whether somebody is called so.
 */
export function calledIn(word, calls) {
  if (calls(word)) return word;
  for (let end = Math.min(word.length - 1, NAME_MAX); end > 0; end--) {
    if (GOES_ON.test(word[end]) && calls(word.slice(0, end))) return word.slice(0, end);
  }
  return null;
}

/** One line for a quote: what a reader recognises a message by. */
export function summary(message, length = 140) {
  if (message.deleted) return "This message was deleted.";
  const line = withoutTurns(message.message)
    .replace(/```\w*/g, "")
    .replace(/\s+/g, " ")
    .trim();
  const characters = [...line];
  return characters.length > length ? `${characters.slice(0, length).join("")}…` : line;
}
