// What people do with messages: write, react, edit, delete, copy.

/** `can(what)` tells what this person may do here; the rest are parts of the room's page. */
export function hearActions(page) {
  const { me, can, history, drafts, reading, calls, log, composer, state } = page;
  const dialog = document.querySelector("delete-dialog");

  async function call(command) {
    try {
      await calls.call(command);
      return true;
    } catch (error) {
      composer.note(state.ending?.words ?? error.message);
      return false;
    }
  }

  async function save({ message, text }) {
    const saved = await call({ type: "chat.edit", id: message.id, message: text });
    if (!saved) composer.notSaved(message, text);
  }

  const isOwn = ({ user, deleted, kind }) => user.id === me.id && !deleted && kind !== "notice";

  function editLast() {
    const message = can("post") && history.messages.findLast(isOwn);
    if (message) composer.edit(message);
  }

  async function copy({ message }) {
    try {
      await navigator.clipboard.writeText(message);
    } catch {
      composer.note("Your browser blocked copying. Select the text and copy it yourself.");
    }
  }

  log.addEventListener("reply", ({ detail }) => composer.reply(detail.message));
  log.addEventListener("react", ({ detail }) => call({ type: "chat.react", ...detail }));
  log.addEventListener("edit", ({ detail }) => composer.edit(detail.message));
  log.addEventListener("delete", ({ detail: { message } }) =>
    dialog.ask(message, message.user.id === me.id),
  );
  log.addEventListener("copy-text", ({ detail }) => copy(detail.message));
  composer.addEventListener("send", ({ detail: { text, replyTo } }) => {
    reading.clearLine();
    drafts.add(text.toWellFormed?.() ?? text, replyTo);
    log.toEnd();
  });
  composer.addEventListener("save", ({ detail }) => save(detail));
  composer.addEventListener("edit-last", editLast);
  dialog.addEventListener("confirmed", ({ detail: { message, reason } }) => {
    const command = { type: "chat.delete", id: message.id };
    call(reason ? { ...command, reason } : command);
  });
}
