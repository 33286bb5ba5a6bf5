// What is done to which message, said above the box.

import { isolated } from "./bidi.js";
import { summary } from "./format.js";

/** `mode` is a reply or an edit, as Composing has it. */
export function labelOf({ type, message }, names) {
  const said = isolated(summary(message, 80));
  if (type === "edit") return `Editing: ${said}`;
  if (message.deleted) return "Replying to a deleted message";
  return `Replying to ${names.label(message.user.id, message.user)}: ${said}`;
}
