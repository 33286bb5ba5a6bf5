// What stands in the log, from top to bottom, as plain data: the list draws each row once and
// draws it again only when its `sign` has changed. No DOM.

import { calledIn, mentioned } from "./format.js";
import { dayKey, dayName } from "./time.js";

const GROUP_MS = 5 * 60_000; // a later message of the same author begins a new group

export function rowsOf({ history, drafts, line, me, names, now = new Date() }) {
  if (!history.loaded && !drafts.length) return [];
  const rows = [edge(history)];
  let previous = null;
  let day = "";
  for (const message of history.messages) {
    const at = new Date(message.created);
    if (dayKey(at) !== day) {
      day = dayKey(at);
      previous = null;
      const label = dayName(at, now);
      rows.push({ key: `day:${day}:${message.seq}`, type: "day", label, sign: label });
    }
    if (line !== null && message.seq > line && (rows.line ??= message.seq) === message.seq) {
      rows.push({ key: "new", type: "new", sign: "" });
      previous = null;
    }
    const target = history.get(message.reply_to);
    const grouped = belongs(message, previous);
    const known = [shownOf(message.user.id, names), ...seen(target, names), ...reacted(message, names)];
    const sign = [message.pos, grouped, ...known, ...called(message, names)].join();
    rows.push({ key: `m:${message.id}`, type: "message", message, target, grouped, sign });
    previous = message;
  }
  for (const draft of drafts) {
    const message = asMessage(draft, me);
    const target = history.get(draft.reply_to);
    const grouped = belongs(message, previous);
    const known = [shownOf(me.id, names), ...seen(target, names), ...called(message, names)];
    const sign = [draft.state, draft.detail, grouped, ...known].join();
    const key = `d:${draft.client_id}`;
    rows.push({ key, type: "draft", message, draft, target, grouped, sign });
    previous = message;
  }
  return rows;
}

/** What is shown of somebody. */
function shownOf(id, names) {
  return `${names.known(id)} ${names.handle(id)} ${names.mark(id)}`;
}

/** What a quote of `target` shows. */
function seen(target, names) {
  return target ? [target.pos, shownOf(target.user.id, names)] : [];
}

/** What the reactions show: who reacted may become known long after. */
function reacted({ reactions = {} }, names) {
  return Object.values(reactions)
    .flat()
    .map((id) => shownOf(id, names));
}

/** Which of those whom the text calls are known: that too may come long after. */
function called({ message }, names) {
  return mentioned(message).map((word) => calledIn(word, (name) => names.calls(name)));
}

function edge(history) {
  const { more, loading, loaded, messages } = history;
  const state =
    !loaded || more ? (loading ? "loading" : "more") : messages.length ? "begin" : "empty";
  return { key: "edge", type: "edge", state, sign: state };
}

/** True where `message` continues what `previous` began: no name and picture again. */
function belongs(message, previous) {
  return (
    previous !== null &&
    previous.user.id === message.user.id &&
    isPlain(previous) &&
    isPlain(message) &&
    message.reply_to == null &&
    new Date(message.created) - new Date(previous.created) < GROUP_MS
  );
}

const isPlain = ({ kind }) => kind === undefined || kind === "text" || kind === "bot";

/** A draft as a message. What its words make of it ("/me waves") the server says. */
function asMessage({ message, reply_to, at }, me) {
  return { user: me, message, reply_to, created: new Date(at).toISOString() };
}
