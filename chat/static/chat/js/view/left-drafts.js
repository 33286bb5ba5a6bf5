// What pages of before have kept by the address of their room.

import { ANSWER_MS } from "../model/patience.js";

/** Take over what was kept by an address that leads to this room: it may have another one since. */
export async function adoptDrafts({ drafts, composing, socket }) {
  for (const slug of drafts.kept.leftBehind) {
    const address = `/chat/${encodeURIComponent(slug)}/`;
    const options = { method: "HEAD", signal: AbortSignal.timeout(ANSWER_MS) };
    const page = await fetch(address, options).catch(() => null);
    if (!page || decodeURI(new URL(page.url).pathname) !== decodeURI(location.pathname)) continue;
    if (socket.state === "closed") return; // the next page takes them
    drafts.adopt(slug);
    composing.restore();
  }
}
