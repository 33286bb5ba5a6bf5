// The room's page: brings the socket, what it tells, and the elements together.

import { Calls } from "../model/calls.js";
import { Drafts, safeStorage } from "../model/drafts.js";
import "../elements/all.js";
import { History, messagesIn } from "../model/history.js";
import { Names } from "../model/people.js";
import { Presence } from "../model/presence.js";
import { Reading } from "../model/reading.js";
import { ChatSocket } from "../model/socket.js";
import { Typing } from "../model/typing.js";

class RoomPage {
  #root = document.getElementById("room");
  #me = {
    id: Number(this.#root.dataset.userId),
    name: this.#root.dataset.userName,
    guest: this.#root.dataset.guest === "true",
  };
  #can = new Set();
  #archived = false;
  #names = new Names();
  #title = document.title;

  #history = new History();
  #socket = new ChatSocket(this.#root.dataset.socket, () => this.#history.cursor);
  #send = (frame) => this.#socket.send(frame);
  #calls = new Calls(this.#send);
  #presence = new Presence(() => this.#send({ type: "presence.get" }));
  #typing = new Typing(() => this.#send({ type: "chat.typing" }), this.#me.id);
  #reading = new Reading({
    me: this.#me.id,
    readPos: Number(this.#root.dataset.readPos),
    joined: this.#root.dataset.joined,
    tell: (pos) => this.#send({ type: "chat.read", pos }),
  });
  #drafts = new Drafts({
    storage: safeStorage("localStorage"),
    session: safeStorage("sessionStorage"),
    room: this.#root.dataset.roomId,
    slug: this.#root.dataset.slug,
    user: this.#me.id,
    send: this.#send,
  });

  #log = document.getElementById("chat-log");
  #news = document.querySelector("spoken-news");
  #composer = document.querySelector("chat-composer");
  #state = document.querySelector("connection-state");
  #dialog = document.querySelector("delete-dialog");
  #latest = document.getElementById("to-latest");
  #address = document.getElementById("room-address");
  #rooms = document.querySelector("room-list");
  #visibility = document.querySelector("visibility-choice");

  start() {
    const [history, drafts, reading] = [this.#history, this.#drafts, this.#reading];
    const [me, names] = [this.#me, this.#names];
    const can = (what) => this.#may(what);
    names.learn(me);
    this.#hearSocket();
    this.#log.start({ history, drafts, reading, me, names });
    document.createElement("message-menu").start(this.#log, { history, me, can });
    document.querySelector("people-list").start(this.#presence, me);
    document.querySelector("typing-line").start(this.#typing);
    this.#state.start(this.#socket, me);
    this.#composer.start(drafts);
    this.#hearPeople();
    this.#hearBrowser();
    this.#socket.connect();
    this.#adoptDrafts();
  }

  /** Pages of before kept drafts by the room's address, which may have become another one since. */
  async #adoptDrafts() {
    for (const slug of this.#drafts.leftBehind) {
      const address = `/chat/${encodeURIComponent(slug)}/`;
      const page = await fetch(address, { method: "HEAD" }).catch(() => null);
      if (!page || decodeURI(new URL(page.url).pathname) !== decodeURI(location.pathname)) continue;
      if (this.#socket.state === "closed") return; // the next page takes them
      this.#drafts.adopt(slug);
      this.#composer.restore();
    }
  }

  #hearSocket() {
    this.#socket.addEventListener("frame", ({ detail }) => this.#receive(detail));
    this.#socket.addEventListener("state", () => {
      if (this.#socket.isOpen) return;
      this.#history.forgetPage();
      this.#calls.disconnected();
      this.#drafts.disconnected();
      if (this.#socket.state === "closed") this.#end();
    });
    this.#history.addEventListener("change", ({ detail }) => this.#historyChanged(detail));
    this.#presence.addEventListener("change", () => {
      this.#presence.users.forEach((user) => this.#names.learn(user));
      document.querySelector("#people-button .count").textContent = this.#presence.words;
      this.#rooms.count(this.#presence.online);
    });
    this.#reading.addEventListener("change", () => this.#showUnseen());
  }

  #receive(frame) {
    if (frame.you && frame.you.id !== this.#me.id) {
      // Signed in as another in another tab: what this one wrote must not go out under that name.
      location.reload();
      return;
    }
    this.#calls.receive(frame);
    if (frame.type === "chat.history") this.#enter(frame);
    else if (frame.type === "room.updated") this.#describe(frame.room);
    else if (frame.type === "room.closed") this.#state.explain(frame.detail);
    else if (frame.type === "error") this.#refused(frame);
    this.#typing.receive(frame);
    this.#presence.receive(frame);
    this.#reading.receive(frame);
    this.#history.receive(frame);
    this.#drafts.confirm(messagesIn(frame));
    if (frame.type === "chat.history" && frame.ref == null) {
      this.#drafts.flush();
      this.#looked();
    }
  }

  #enter({ you, room }) {
    if (you) {
      this.#can = new Set(you.can);
      this.#me.name = you.name;
      this.#me.guest = you.guest;
      this.#names.learn(you);
      this.#visibility.show(Boolean(you.invisible));
    }
    if (room) this.#describe(room);
  }

  /** The server does not want us back: say so wherever somebody may still hope to write. */
  #end() {
    const { words, drafts } = this.#state.ending;
    this.#can.clear();
    this.#composer.bar(words);
    this.#drafts.bar(drafts);
    this.#presence.forget();
  }

  /** In an archived room moderators may still delete. */
  #may(what) {
    return this.#can.has(what) && (what === "moderate" || !this.#archived);
  }

  #describe({ id, title, slug, topic, kind, archived }) {
    const { dataset } = this.#root;
    dataset.kind = kind;
    this.#follow(id, slug);
    // A direct room is called after the other person, which only the page knows.
    const name = dataset.kind === "direct" ? dataset.name : title || slug;
    const address = this.#address.textContent;
    const called = address && `${name} (${address})`; // as another room is
    this.#title = this.#title.replace(/^.*(?= · )/u, () => called || name); // "$&" is no sign here
    document.getElementById("room-title").textContent = name;
    document.getElementById("room-topic").textContent = topic;
    this.#archived = Boolean(archived);
    const barred = this.#can.has("post") ? null : "You can read this room, but you cannot post in it.";
    this.#composer.bar(archived ? "This room is archived." : barred);
    this.#showUnseen();
  }

  /** The room has another address, or is another one: it was empty for long, and opened anew. */
  #follow(id, slug) {
    const { dataset } = this.#root;
    if (String(id) !== dataset.roomId) {
      dataset.roomId = id;
      this.#drafts.follow(id);
    }
    if (slug === dataset.slug) return;
    const moved = (path) => path.replace(/[^/]+\/$/u, () => `${encodeURIComponent(slug)}/`);
    dataset.slug = slug;
    dataset.socket = moved(dataset.socket);
    this.#socket.moved(dataset.socket);
    this.#rooms.moved(slug);
    if (this.#address.textContent) this.#address.textContent = slug;
    history.replaceState(history.state, "", moved(location.pathname));
  }

  #historyChanged({ reason, messages }) {
    messages.forEach(({ user }) => this.#names.hear(user));
    if (reason === "reset") this.#reading.begin(messages);
    else if (reason === "live" || reason === "since") {
      const news = this.#reading.arrived(messages, this.#isLooking());
      if (reason === "live") this.#news.say(news, this.#names);
    }
    this.#looked();
  }

  #refused(frame) {
    if (this.#drafts.refused(frame) || this.#history.refused(frame)) return;
    if (frame.ref == null && frame.code !== "rate_limited") this.#composer.note(frame.detail);
  }

  #hearPeople() {
    this.#log.addEventListener("want-older", () => {
      const page = Number(this.#root.dataset.historyPage);
      const command = this.#socket.isOpen && this.#history.pageBefore(this.#calls.newRef(), page);
      if (command && this.#send(command)) this.#log.draw();
    });
    this.#log.addEventListener("moved", () => this.#looked());
    this.#rooms.addEventListener("fresh", ({ detail: page }) => {
      this.#visibility.show(page.querySelector("ul[data-invisible]") !== null);
      const other = page.getElementById("room-other");
      if (other) document.getElementById("room-other")?.replaceWith(other);
    });
    this.#log.addEventListener("react", ({ detail }) =>
      this.#call({ type: "chat.react", ...detail }),
    );
    this.#log.addEventListener("draft-retry", ({ detail }) => this.#drafts.retry(detail.clientId));
    this.#log.addEventListener("draft-discard", ({ detail }) =>
      this.#drafts.discard(detail.clientId),
    );
    this.#log.addEventListener("reply", ({ detail }) => this.#composer.reply(detail.message));
    this.#log.addEventListener("edit", ({ detail }) => this.#composer.edit(detail.message));
    this.#log.addEventListener("delete", ({ detail }) => this.#askDelete(detail.message));
    this.#log.addEventListener("copy-text", ({ detail }) => this.#copy(detail.message));
    this.#latest.addEventListener("click", ({ detail }) => {
      this.#log.toEnd();
      // The button goes. By keyboard (no click was counted) the focus would be lost with it; for a
      // finger, a focused box would only bring up the keyboard.
      if (detail === 0) this.#composer.focus();
    });
    this.#composer.addEventListener("typed", () => this.#typing.typed());
    this.#composer.addEventListener("send", ({ detail: { text, replyTo } }) => {
      this.#reading.clearLine();
      this.#drafts.add(text.toWellFormed?.() ?? text, replyTo);
      this.#log.toEnd();
    });
    this.#composer.addEventListener("save", ({ detail }) => this.#save(detail));
    this.#composer.addEventListener("edit-last", () => this.#editLast());
    this.#dialog.addEventListener("confirmed", ({ detail: { message, reason } }) => {
      const command = { type: "chat.delete", id: message.id };
      this.#call(reason ? { ...command, reason } : command);
    });
  }

  #hearBrowser() {
    addEventListener("online", () => this.#socket.wake());
    addEventListener("offline", () => this.#socket.networkLost());
    addEventListener("pageshow", ({ persisted }) => persisted && this.#socket.wake());
    addEventListener("pagehide", () => this.#reading.tellNow());
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) {
        this.#reading.tellNow();
        if (this.#log.atEnd) this.#reading.clearLine();
        return;
      }
      this.#socket.wake();
      this.#looked();
    });
  }

  async #call(command) {
    try {
      await this.#calls.call(command);
      return true;
    } catch (error) {
      const ended = this.#socket.state === "closed";
      this.#composer.note(ended ? this.#state.ending.words : error.message);
      return false;
    }
  }

  async #save({ message, text }) {
    const saved = await this.#call({ type: "chat.edit", id: message.id, message: text });
    if (!saved) this.#composer.notSaved(message, text);
  }

  #editLast() {
    const own = ({ user, deleted, kind }) =>
      user.id === this.#me.id && !deleted && kind !== "notice" && this.#may("post");
    const message = this.#history.messages.findLast(own);
    if (message) this.#composer.edit(message);
  }

  #askDelete(message) {
    this.#dialog.ask(message, message.user.id === this.#me.id);
  }

  async #copy({ message }) {
    try {
      await navigator.clipboard.writeText(message);
    } catch {
      this.#composer.note("Your browser blocked copying. Select the text and copy it yourself.");
    }
  }

  #isLooking() {
    return !document.hidden && this.#log.atEnd;
  }

  #looked() {
    if (this.#isLooking() && this.#history.loaded) this.#reading.seen(this.#history.cursor);
    this.#showUnseen();
  }

  #showUnseen() {
    const { unseen } = this.#reading;
    document.title = document.hidden && unseen ? `(${unseen}) ${this.#title}` : this.#title;
    this.#latest.hidden = this.#log.atEnd || !this.#history.loaded;
    this.#latest.classList.toggle("fresh", unseen > 0);
    const words = unseen === 1 ? "1 new message" : `${unseen.toLocaleString()} new messages`;
    this.#latest.querySelector("span").textContent = unseen ? words : "Jump to latest";
  }
}

new RoomPage().start();
