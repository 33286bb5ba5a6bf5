// How a host is shown. Letters that look alike can make one site pass for another.

import { anyOf } from "./scripts.js";

// What a label may be written with, as UTS 39 has it ("highly restrictive"): one of the scripts
// that are in everyday use, or what Chinese, Japanese and Korean mix with each other and with Latin.
const TOGETHER = `
  Latin Han Hiragana Katakana, Latin Han Hangul, Latin Han Bopomofo, Arabic, Armenian, Bengali,
  Cyrillic, Devanagari, Ethiopic, Georgian, Greek, Gujarati, Gurmukhi, Hebrew, Kannada, Khmer, Lao,
  Malayalam, Myanmar, Oriya, Sinhala, Tamil, Telugu, Thaana, Thai, Tibetan`
  .trim()
  .split(/,\s+/)
  .map((scripts) => new RegExp(`^[${anyOf(`Common Inherited ${scripts}`)}]*$`, "u"));
// Whole words can be written with these that look Latin: Cyrillic, then Greek.
const LOOKS_LATIN = /^(?:[аеорсухіјѕһӏԁԛԝԍѵѡьъгпҽ\d-]+|[αγικνορτυωχϲϳ\d-]+)$/iu;
// What looks like "/", ":" or "." among Latin letters makes one label look like more of an address.
const LATIN = /\p{sc=Latin}/u;
const LIKE_A_STROKE = /^[\p{sc=Latin}\d_-]*[ノンソゾ丶丿〳〵][\p{sc=Latin}\d_ノンソゾ丶丿〳〵-]*$/u;
const LIKE_A_DOT = /(?<!l)·|·(?!l)|[ː꞉ꞏ・‧]/iu; // "l·l" is Catalan
// Nothing to see, or an "a" and a "g" of phonetics.
const LIKE_ANOTHER = /(?![\u200c\u200d\p{VS}])[\p{DI}\u2800\u0251\u0261]/u;
const ASCII = /^[\0-\x7f]*$/;

/** `host` as it can be shown: as it was typed, or in its ASCII form where it may deceive. */
export function shownHost(host, ascii) {
  const labels = host.normalize("NFKC").split(".");
  const doubtful = ASCII.test(labels.at(-1)) ? mayDeceive : mixes;
  return labels.some(doubtful) ? ascii : host;
}

function mixes(label) {
  if (LIKE_ANOTHER.test(label) || !TOGETHER.some((one) => one.test(label))) return true;
  return LATIN.test(label) && (LIKE_A_STROKE.test(label) || LIKE_A_DOT.test(label));
}

/** The same under an ASCII top-level domain, where readers expect Latin. */
function mayDeceive(label) {
  return mixes(label) || (!ASCII.test(label) && LOOKS_LATIN.test(label));
}
