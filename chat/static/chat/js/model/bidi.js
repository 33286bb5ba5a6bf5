// Text that is written from right to left, beside text that is not.
//
// Some characters turn what follows them around until another one ends that. Who writes one without
// its end must not turn what stands beside the text: "(edited)", a time, somebody's name.

const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;
const BEGINS = /[\u202a\u202b\u202d\u202e\u2066-\u2068]/g;
const END = "\u202c";
const END_OF_ISOLATE = "\u2069";
// Letters of scripts that run from right to left, and the marks of direction.
const FROM_RIGHT =
  /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\u{10800}-\u{10fff}\u{1e800}-\u{1efff}\u200e\u200f]/u;

/** What ends all that `text` begins. (An end where nothing began does nothing.) */
export function endsOf(text) {
  return (text.match(BEGINS) ?? []).reduce(
    (ends, one) => (one < "\u2066" ? END : END_OF_ISOLATE) + ends,
    "",
  );
}

export function withoutTurns(text) {
  return text.replace(TURNS, "");
}

/** `text` for a line that has no elements, as a title: it stays in its place there. */
export function isolated(text) {
  const plain = withoutTurns(text);
  return FROM_RIGHT.test(plain) ? `\u2068${plain}${END_OF_ISOLATE}` : plain;
}
