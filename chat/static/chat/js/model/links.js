// Which part of a text is a web address, and what of it is shown.
//
// It ends as UTS 58 (Unicode Linkification) has it, by the Link_Term of each character: Hard ends it;
// Soft ends it unless more of it follows; Close ends it unless its Open is within. Where the writer
// says more plainly where it ends, that holds: quotation marks around it, a mark of Chinese or Japanese.

import { shownHost } from "./hosts.js";
import { LETTERS, WITHOUT_SPACES } from "./scripts.js";

/** Where an address may begin. "www." stands for itself, but not within a word or an address. */
export const START = `https?:\\/\\/|(?:(?<=[${WITHOUT_SPACES}])|(?<![${LETTERS}_@./-]))www\\.`;

// Beside letters: what IDNA (RFC 5892) takes although it is none, and emoji, which some registries do.
const IN_LABELS = `${LETTERS}\\u00b7\\u0375\\u05f3\\u05f4\\u06fd\\u06fe\\u0f0b\\u30fb\\p{ExtPict}`;
// No "。", which browsers take for a dot: behind a host it ends the sentence.
const LETTER = `[${IN_LABELS}]`;
const LABEL = `_*${LETTER}(?:[${IN_LABELS}_-]*${LETTER})?`;
const HOST = new RegExp(`\\[[\\da-f:.]+\\]|${LABEL}(?:\\.${LABEL})*`, "iuy");
// No top-level domain begins in ASCII and goes on so: it is what follows an address without a space.
const GOES_ON = new RegExp(`(?<=(?:^|\\.)[a-z]{2,})[${WITHOUT_SPACES}\\p{ExtPict}][^.]*$`, "iu");
// What makes it no address: a host that cannot be, one with a user's name before it (which could
// pass for the host), and another address.
const BROKEN = new RegExp(`[-_.]+${LETTER}|(?::[\\w.~!$&'()*+,;=%-]*)?@|:\\/\\/`, "uy");
const SCHEME = /(?:https?)?$/i; // of that other address
const HOST_MAX = 253; // DNS has no longer ones
const PORT = /:\d+/y;
const DOT = /\.(?=[/?#])/y;

const PAIRS =
  "()<>[]{}༺༻༼༽᚛᚜⁅⁆⁽⁾₍₎⌈⌉⌊⌋❨❩❪❫❬❭❮❯❰❱❲❳❴❵⟅⟆⟦⟧⟨⟩⟪⟫⟬⟭⟮⟯⦃⦄⦅⦆⦇⦈⦉⦊⦋⦌⦏⦎⦍⦐⦑⦒⦓⦔⦕⦖⦗⦘⧘⧙⧚⧛⧼⧽" +
  "⸢⸣⸤⸥⸦⸧⸨⸩⹕⹖⹗⹘⹙⹚⹛⹜〈〉《》「」『』【】〔〕〖〗〘〙〚〛﹙﹚﹛﹜﹝﹞（）［］｛｝｟｠｢｣";
const CLOSES = new Map([...PAIRS.matchAll(/(.)(.)/gu)].map(([, open, close]) => [close, open]));
const OPENS = new Set(CLOSES.values());
// UTS 58 lets invisible characters be in an address, and ends it with those that are last. Nobody
// can have meant them: they count as Soft here. A space of no width is a space to who typed it.
const UNSEEN = "(?![\\p{VS}\\u200c\\u200d])[\\p{DI}\\p{Bidi_C}]";
const HARD = /[\p{White_Space}\p{Cc}\p{Cn}\p{Cs}\p{Co}\p{Dep}\u200b\ufffc]/u;
const SOFT = new RegExp(
  `(?![\\p{Ps}\\p{Pe}\\uff02\\uff07])[\\p{Term}\\p{QMark}\\u275b-\\u2760\\u2e00-\\u2e0d\\u2e1c` +
    `\\u2e1d\\u2e20\\u2e21\\u{1f676}-\\u{1f678}\\u2025\\u2026\\u200c\\u200d]|${UNSEEN}`,
  "u",
);
const HIDDEN = new RegExp(UNSEEN, "gu");
// What divides the parts of an address: brackets do not reach over it.
const DIVIDES = { "/": "/", "?": "&=", "#": "" };
// Chinese and Japanese put no space after a mark: right after ASCII, theirs is no part of it.
const CJK_MARK = /(?![\p{L}\p{N}\p{M}])[\u3000-\u303f\ufe10-\ufe1f\ufe30-\ufe6f\uff00-\uffef]/u;
// Where one of these stands before an address, those after it in the group end it.
const QUOTES = new Map(
  `“” „“” ”” ‘’ ‚‘’ ’’ «» »« ‹› ›‹ "" ''`.split(" ").map(([first, ...last]) => [first, last]),
);
const MARKS = "*_~"; // what people emphasise with, as Slack has them

/**
 * The address at `at` of a text, where START has matched `start`: {text, href, end}, where `text` is
 * what can be shown, and `end` where the rest of the whole text begins. Where there is none, {end}
 * alone: none begins before it. (A host is not tried again from each "www." within it: many could.)
 */
export function addressAt(whole, at, start) {
  const bare = !start.includes("/");
  const scheme = bare ? "" : start;
  const from = at + scheme.length;
  const typed = matched(HOST, whole, from);
  if (!typed) return { end: at + start.length };
  const broken = matched(BROKEN, whole, from + typed.length);
  if (broken) return { end: from + (broken === "://" ? typed.search(SCHEME) : typed.length) };
  const host = typed.replace(GOES_ON, "");
  const port = host === typed ? matched(PORT, whole, from + host.length) : "";
  const begin = from + host.length + port.length;
  const hostname = bare && host.split(".").length < 3 ? null : hostnameOf(host, port);
  if (hostname === null) return { end: begin };
  const end = host === typed ? endOf(whole, begin, at) : begin;
  const rest = whole.slice(begin, end);
  return {
    text: scheme + shownHost(host, hostname) + port + rest.replace(HIDDEN, encodeURIComponent),
    href: new URL(`${scheme || "https://"}${host}${port}${rest}`).href,
    end,
  };
}

/** The host in ASCII; null where it can be none. What follows host and port makes no address wrong. */
function hostnameOf(host, port) {
  if (host.length > HOST_MAX) return null;
  try {
    return new URL(`https://${host}${port}`).hostname;
  } catch {
    return null;
  }
}

/** Where the address at `at` ends, whose path, query or fragment can begin at `from`. */
function endOf(whole, from, at) {
  const begin = from + matched(DOT, whole, from).length;
  let end = whole[begin] in DIVIDES ? pathEnd(whole, begin, whole[at - 1]) : begin;
  // A mark that stands on both sides is around the address.
  while (end > begin && MARKS.includes(whole[end - 1]) && whole[end - 1] === whole[at - 1]) end -= 1;
  return end;
}

/** Where what begins at `at` with "/", "?" or "#" ends; `before` stands before the address. */
function pathEnd(whole, at, before) {
  const quotes = QUOTES.get(before) ?? [];
  let end = at;
  let part = "/";
  let open = [];
  for (let next = at; next < whole.length; ) {
    const one = String.fromCodePoint(whole.codePointAt(next));
    const here = next;
    next += one.length;
    if (HARD.test(one)) break;
    if (quotes.includes(one) && !/\w/.test(whole[next] ?? "")) break;
    if (CJK_MARK.test(one) && whole[here - 1] <= "~") break;
    if ((one === "?" && part === "/") || (one === "#" && part !== "#")) {
      part = one;
      open = [];
    } else if (DIVIDES[part].includes(one) || whole.startsWith(":~:", here)) open = [];
    if (OPENS.has(one)) open.push(one);
    else if (CLOSES.has(one) && CLOSES.get(one) !== open.pop()) break;
    else if (!SOFT.test(one)) end = next;
  }
  return end;
}

function matched(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? "";
}
