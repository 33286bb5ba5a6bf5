// Facts about writing that regular expressions need. Sources of classes ("[…]"), without brackets.

/** Scripts whose words follow each other without a space, and Korean, whose particles do. */
export const WITHOUT_SPACES = anyOf(
  "Han Hiragana Katakana Bopomofo Hangul Thai Lao Khmer Myanmar Tibetan",
);

/** What names and hosts are written with: letters, their marks, digits, and the two joiners. */
export const LETTERS = "\\p{L}\\p{M}\\p{N}\\u200c\\u200d";

/** The characters of scripts, whose names are divided by spaces. */
export function anyOf(scripts) {
  return scripts
    .split(" ")
    .map((script) => `\\p{scx=${script}}`)
    .join("");
}
