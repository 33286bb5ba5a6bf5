// What people do with messages: write, react, edit, delete, copy.

const OVERTAKEN = new Set(["conflict", "not_found"]); // the message is not what it was

/** `can(what)` tells what this person may do here; the rest are parts of the room's page. */
export function hearActions(page) {
  const { me, can, history, drafts, reading, calls, log, composing, composer, state } = page;
  const dialog = document.querySelector("delete-dialog");

  /** As calls.call; why it failed is said in the composer, too. */
  async function call(command) {
    try {
      return await calls.call(command);
    } catch (error) {
      if (state.ending) error.message = state.ending.words;
      composer.note(error.message);
      throw error;
    }
  }

  let saved = Promise.resolve();

  /** One after the other: an edit may go on from one that is on its way. */
  function save(edit) {
    saved = saved.then(() => saveNow(edit));
  }

  async function saveNow(edit) {
    const { message, text } = edit;
    const based_on = message.edited ?? null;
    try {
      await call({ type: "chat.edit", id: message.id, message: text, based_on });
      composing.saved(edit);
    } catch ({ code }) {
      composing.notSaved(edit, OVERTAKEN.has(code) ? await look(message) : null);
    }
  }

  /** A message as it is by now, also one that is too old to be shown; null where nobody says. */
  async function look(message) {
    try {
      const { messages } = await calls.call({
        type: "chat.history",
        before: message.seq + 1,
        limit: 1,
      });
      const found = messages.find(({ id }) => id === message.id);
      return found ?? { ...message, pos: message.pos + 1, deleted: new Date().toISOString() };
    } catch {
      return null;
    }
  }

  /** What is edited or answered may have changed while nobody told us. */
  async function lookAtOld() {
    const old = composing.messages.filter(({ id }) => !history.get(id));
    const states = await Promise.all(old.map((message) => look(message)));
    composing.hear(states.filter(Boolean));
  }

  function remove(message, reason) {
    const command = { type: "chat.delete", id: message.id };
    return call(reason ? { ...command, reason } : command);
  }

  function begin(how, message) {
    composing[how](message);
    composer.focus();
  }

  const isOwn = ({ user, deleted, kind }) => user.id === me.id && !deleted && kind !== "notice";

  function editLast() {
    const message = can("post") && history.messages.findLast(isOwn);
    if (message) begin("edit", message);
  }

  async function copy({ message }) {
    try {
      await navigator.clipboard.writeText(message);
    } catch {
      composer.note("Your browser blocked copying. Select the text and copy it yourself.");
    }
  }

  log.addEventListener("reply", ({ detail }) => begin("reply", detail.message));
  log.addEventListener("react", ({ detail }) =>
    call({ type: "chat.react", ...detail }).catch(() => {}), // it was said
  );
  log.addEventListener("edit", ({ detail }) => begin("edit", detail.message));
  log.addEventListener("delete", ({ detail: { message } }) =>
    dialog.ask(message, message.user.id === me.id),
  );
  log.addEventListener("copy-text", ({ detail }) => copy(detail.message));
  history.addEventListener("change", ({ detail: { reason } }) => {
    if (reason === "reset") lookAtOld();
  });
  composer.addEventListener("send", ({ detail: { text, replyTo } }) => {
    reading.clearLine();
    drafts.add(text, replyTo);
    log.toEnd();
  });
  composer.addEventListener("save", ({ detail }) => save(detail));
  composer.addEventListener("edit-last", editLast);
  composer.addEventListener("page", ({ detail: { by } }) => log.page(by));
  dialog.start(remove);
}
