// How people are shown: what they are called, and what tells them from others of that name.

import { el } from "./dom.js";
import { hue } from "../model/people.js";

/** Their name as elements, to stand side by side; `classes` are those of the name itself. */
export function nameOf(id, names, { classes = "name cut", coloured = true } = {}) {
  const handle = names.handle(id);
  const mark = names.mark(id);
  const colour = coloured ? ` hue-${hue(id)}` : "";
  const parts = [
    el("span", { class: `${classes}${colour}`.trim() || null, dir: "auto" }, names.of(id)),
    handle ? el("bdi", { class: "handle" }, handle) : null,
    mark ? el("span", { class: `tag badge ${mark}` }, mark) : null,
  ];
  // The spaces are for who copies the line, or has it read out.
  return parts.filter(Boolean).flatMap((part, place) => (place ? [" ", part] : [part]));
}
