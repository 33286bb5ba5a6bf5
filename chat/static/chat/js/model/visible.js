// What of a text can be seen, as the server says it (core/visible.py).

const SEEN = /[^\p{White_Space}\p{Z}\p{Cc}\p{Cf}\p{Cs}\p{DI}\p{NChar}\u2800\ufffc\u{1d159}\u{13441}\u{13442}\u{16fe4}]/u;

/** Whether there is anything in it to see. */
export const canBeSeen = (text) => SEEN.test(text);
