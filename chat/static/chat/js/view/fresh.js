// What shows how things stood when the page came, fetched anew now and then while it is looked at.

import { ANSWER_MS } from "../model/patience.js";

const EVERY_MS = 20_000; // in the mean

/**
 * Milliseconds until the next look. Pages that came together (a link that was passed round, a
 * server that came back) would otherwise ask together for ever: the first wait spreads them over
 * the whole time, and each later one is another by up to a quarter.
 */
export function pause(first, random = Math.random) {
  return EVERY_MS * (first ? 0.25 + random() : 0.75 + random() * 0.5);
}

/** Fetch a page or a part of one; null where it does not come as asked for. */
export async function fetchPage(address) {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const response = await fetch(address, { signal }).catch(() => null);
  if (!response?.ok || response.redirected) return null;
  const text = await response.text().catch(() => null); // it may stop in the middle
  // Our own server's page, where names are escaped; a parsed document runs no scripts.
  return text === null ? null : new DOMParser().parseFromString(text, "text/html");
}

/**
 * Fetch what `source()` names now and then, and hand it to `show` as a document. The first time
 * after `first` milliseconds.
 */
export function keepFresh(source, show, first = pause(true)) {
  let at = Date.now();
  let timer = 0;

  function later(ms) {
    clearTimeout(timer);
    // Nobody looks at a hidden page; it catches up when it is shown.
    if (!document.hidden) timer = setTimeout(refresh, ms);
  }

  async function refresh() {
    at = Date.now();
    try {
      const page = await fetchPage(source());
      if (page) show(page);
    } finally {
      later(pause(false));
    }
  }

  document.addEventListener("visibilitychange", () => {
    // Who turns from tab to tab and back does not fetch each time.
    later(Date.now() - at < EVERY_MS / 4 ? pause(true) : 0);
  });
  later(first);
}
