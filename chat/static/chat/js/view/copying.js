// What is copied from the log: over several messages, who said what.

import { clock } from "../model/time.js";

/** `shown()` gives {node, row} of all that stands in the log, from top to bottom. */
export function hearCopies(log, shown, names) {
  log.addEventListener("copy", (event) => {
    const selection = getSelection();
    const range = selection.rangeCount ? selection.getRangeAt(0) : null;
    if (!range || !log.contains(range.commonAncestorContainer)) return;
    const text = transcript(range, shown(), names);
    if (text === null) return;
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  });
}

/**
 * A selection over several messages as plain text: name, time and what is selected of each text. Null
 * where the browser's own way is right.
 */
function transcript(range, shown, names) {
  const pieces = [];
  let messages = 0;
  for (const { node, row } of shown) {
    if (!range.intersectsNode(node)) continue;
    if (row.type === "day") pieces.push(row.label);
    const { message } = row;
    const text = message && selectedOf(node.querySelector(".body"), range);
    if (!text) continue;
    messages += 1;
    const time = clock(new Date(message.created));
    // These name their author themselves.
    const named = !message.deleted && (message.kind === "action" || message.kind === "notice");
    pieces.push(named ? `${text} (${time})` : `${names.label(message.user.id)}, ${time}\n${text}`);
  }
  return messages > 1 ? pieces.join("\n\n") : null;
}

function selectedOf(body, range) {
  const part = document.createRange();
  part.selectNodeContents(body);
  if (range.compareBoundaryPoints(Range.START_TO_START, part) > 0) {
    part.setStart(range.startContainer, range.startOffset);
  }
  if (range.compareBoundaryPoints(Range.END_TO_END, part) < 0) {
    part.setEnd(range.endContainer, range.endOffset);
  }
  const fragment = part.cloneContents();
  for (const extra of fragment.querySelectorAll(".edited, time")) extra.remove();
  let text = "";
  for (const node of fragment.childNodes) {
    if (text && /^(?:P|PRE)$/.test(node.nodeName)) text += "\n";
    text += node.textContent;
  }
  return text.trim();
}
