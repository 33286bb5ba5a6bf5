// What shows how things stood when the page came, fetched anew now and then while it is looked at.

const EVERY_MS = 20_000;

/** Fetch `source` now and then, and hand it to `show` as a document. */
export function keepFresh(source, show) {
  let at = Date.now();

  async function refresh() {
    if (document.hidden || Date.now() - at < EVERY_MS / 4) return;
    at = Date.now();
    const response = await fetch(source).catch(() => null);
    if (!response?.ok || response.redirected) return;
    // Our own server's page, where names are escaped; a parsed document runs no scripts.
    show(new DOMParser().parseFromString(await response.text(), "text/html"));
  }

  setInterval(refresh, EVERY_MS);
  document.addEventListener("visibilitychange", refresh);
}
