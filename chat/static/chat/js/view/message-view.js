// A message as elements.

import { el } from "./dom.js";
import { folding } from "./folding.js";
import { endsOf } from "../model/bidi.js";
import { calledIn, inline, parse, summary } from "../model/format.js";
import { hue, initials } from "../model/people.js";
import { clock, full } from "../model/time.js";
import { nameOf } from "./person.js";

const PLAIN = { classes: "", coloured: false }; // a name in a line of text

/** The inside of a message's row. `context` is {me, names, target, grouped, open}. */
export function viewOf(message, context) {
  if (message.kind === "notice") return [notice(message, context)];
  const { id } = message.user;
  return [avatar({ id, name: context.names.of(id) }), content(message, context)];
}

export function avatar({ id, name }) {
  return el("span", { class: `avatar hue-${hue(id)}`, "aria-hidden": "true" }, initials(name));
}

export function classesOf(message, { me, grouped }) {
  const classes = ["message"];
  if (message.user.id === me.id) classes.push("own");
  if (grouped) classes.push("grouped");
  if (message.deleted) classes.push("deleted");
  if (message.kind) classes.push(`is-${message.kind}`);
  return classes.join(" ");
}

function notice(message, { me, names }) {
  // Its text is what the author did. Those that were imported at first begin with the name.
  const named = message.message.startsWith(`${names.of(message.user.id)} `);
  const text = el("span", { class: "body" });
  if (!named) text.append(...nameOf(message.user.id, names, PLAIN), " ");
  const parts = message.message.split("\n").flatMap((line) => inline(line));
  text.append(...parts.flatMap((each) => part(each, me, names)));
  return el("p", { class: "content" }, text, ends(message.message), " ", time(message));
}

function content(message, { me, names, target, grouped, open }) {
  return el(
    "div",
    { class: "content" },
    message.kind === "action" && !message.deleted ? null : heading(message, me, names, grouped),
    message.reply_to == null || message.deleted ? null : quote(message, target, names),
    ...folding(body(message, me, names), message.deleted ? "" : message.message, open),
    message.deleted ? null : reactions(message, me, names),
  );
}

function heading(message, me, names, grouped) {
  const { id } = message.user;
  return el(
    "div",
    { class: grouped ? "heading visually-hidden" : "heading" },
    ...nameOf(id, names),
    id === me.id ? el("span", { class: "tag" }, "you") : null,
    message.kind === "bot" ? el("span", { class: "tag" }, "bot") : null,
    time(message),
  );
}

function time(message) {
  const date = new Date(message.created);
  return el("time", { datetime: message.created, title: full(date) }, clock(date));
}

function quote(message, target, names) {
  const gone = target === undefined;
  const text = gone ? "An earlier message" : summary(target);
  return el(
    "button",
    {
      type: "button",
      class: "quote",
      "data-jump": message.reply_to,
      "data-focus": "quote",
      disabled: gone,
    },
    el("span", { class: "visually-hidden" }, "In reply to "),
    gone ? null : el("strong", { class: "cut" }, ...nameOf(target.user.id, names, PLAIN)),
    el("span", { class: "cut", dir: "auto" }, text),
  );
}

function body(message, me, names) {
  if (message.deleted) {
    const when = full(new Date(message.deleted));
    return el("p", { class: "body", title: when }, "This message was deleted.");
  }
  const box = el("div", { class: "body" });
  const blocks = parse(message.message).map((block) =>
    block.type === "code"
      ? el("pre", { tabindex: "0" }, el("code", {}, block.text))
      : el("p", { dir: "auto" }, ...block.parts.flatMap((each) => part(each, me, names)), ends(message.message)),
  );
  box.append(...blocks);
  if (message.kind === "action") {
    if (!blocks[0]?.matches("p")) box.prepend(el("p"));
    const name = nameOf(message.user.id, names, { classes: "name" });
    box.firstElementChild.prepend(...name, " ");
    box.firstElementChild.append(" ", time(message));
  }
  if (message.edited) {
    const when = full(new Date(message.edited));
    (box.lastElementChild?.matches("p") ? box.lastElementChild : box).append(
      " ",
      el("span", { class: "edited", title: when, dir: "ltr" }, "(edited)"),
    );
  }
  return box;
}

/** What keeps a text from turning what stands beside it; null where it cannot. Not copied with it. */
function ends(text) {
  const all = endsOf(text);
  return all ? el("span", { class: "ends", "data-ends": all }) : null;
}

/** A part of a text as nodes. Each has its own direction: none turns what stands beside it. */
function part({ type, text, href, name }, me, names) {
  switch (type) {
    case "link":
      return el(
        "a",
        { href, target: "_blank", rel: "noopener noreferrer nofollow ugc", dir: "ltr" },
        text,
      );
    case "code":
      return el("code", { dir: "ltr" }, text);
    case "mention": {
      const called = calledIn(name, (each) => names.calls(each));
      if (called === null) return text; // nobody, as far as we know
      const style = isMe(called, me) ? "mention mine" : "mention";
      return [el("span", { class: style, dir: "auto" }, `@${called}`), name.slice(called.length)];
    }
    default:
      return text;
  }
}

function isMe(name, me) {
  return name.toLowerCase() === me.name.split(" ")[0].toLowerCase();
}

function reactions(message, me, names) {
  const all = Object.entries(message.reactions ?? {}).filter(([, ids]) => ids.length);
  if (!all.length) return null;
  const chips = all.map(([emoji, ids]) => {
    const pressed = ids.includes(me.id);
    const who = names.list(ids, me.id);
    return el(
      "button",
      {
        type: "button",
        class: "chip",
        "data-react": emoji,
        "data-focus": `react ${emoji}`,
        "aria-pressed": String(pressed),
        "aria-label": `${emoji} from ${who}`,
        title: who,
      },
      el("span", { class: "emoji" }, emoji),
      ` ${ids.length}`,
    );
  });
  return el("div", { class: "reactions" }, ...chips);
}
