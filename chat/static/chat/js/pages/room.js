// The room's page: brings the socket, what it tells, and the elements together.

import { Calls } from "../model/calls.js";
import { Composing } from "../model/composing.js";
import { Drafts } from "../model/drafts.js";
import "../elements/all.js";
import { History, messagesIn } from "../model/history.js";
import { safeStorage } from "../model/kept.js";
import { Names } from "../model/people.js";
import { Presence } from "../model/presence.js";
import { Reading } from "../model/reading.js";
import { ChatSocket } from "../model/socket.js";
import { Typing } from "../model/typing.js";
import { adoptDrafts } from "../view/left-drafts.js";
import { hearActions } from "../view/message-actions.js";
import { RoomHead } from "../view/room-head.js";

class RoomPage {
  #room = document.getElementById("room").dataset;
  #me = {
    id: Number(this.#room.userId),
    name: this.#room.userName,
    guest: this.#room.guest === "true",
  };
  #can = new Set();
  #archived = false;
  #names = new Names();
  #head = new RoomHead();
  #history = new History();
  #socket = new ChatSocket(this.#room.socket, () => this.#history.cursor);
  #send = (frame) => this.#socket.send(frame);
  #calls = new Calls(this.#send);
  #presence = new Presence(() => this.#send({ type: "presence.get" }));
  #typing = new Typing(() => this.#send({ type: "chat.typing" }), this.#me.id);
  #reading = new Reading({
    me: this.#me.id,
    readSeq: Number(this.#room.readSeq),
    history: this.#history,
    isLooking: () => this.#isLooking(),
    // `pos`: a server from before a deploy asks for it. 0 changes nothing there.
    tell: (seq) => this.#send({ type: "chat.read", seq, pos: 0 }),
  });
  #drafts = new Drafts({
    storage: safeStorage("localStorage"),
    session: safeStorage("sessionStorage"),
    room: this.#room.roomId,
    slug: this.#room.slug,
    user: this.#me.id,
    send: this.#send,
  });
  #composing = new Composing(this.#drafts.kept, this.#names);

  #log = document.getElementById("chat-log");
  #composer = document.querySelector("chat-composer");
  #state = document.querySelector("connection-state");
  #news = document.querySelector("spoken-news");
  #rooms = document.querySelector("room-list");
  #visibility = document.querySelector("visibility-choice");

  start() {
    const page = {
      me: this.#me,
      can: (what) => this.#may(what),
      names: this.#names,
      history: this.#history,
      drafts: this.#drafts,
      reading: this.#reading,
      calls: this.#calls,
      log: this.#log,
      composing: this.#composing,
      composer: this.#composer,
      state: this.#state,
    };
    this.#names.learn(this.#me);
    this.#hearSocket();
    this.#log.start(page);
    document.createElement("message-menu").start(this.#log, page);
    document.querySelector("people-list").start(this.#presence, this.#names, this.#me);
    document.querySelector("typing-line").start(this.#typing, this.#names);
    this.#state.start(this.#socket, this.#me);
    this.#composer.start(this.#composing);
    hearActions(page);
    this.#hearPage();
    this.#hearBrowser();
    this.#socket.connect();
    adoptDrafts({ drafts: this.#drafts, composing: this.#composing, socket: this.#socket });
  }

  #hearSocket() {
    this.#socket.addEventListener("frame", ({ detail }) => this.#receive(detail));
    this.#socket.addEventListener("state", () => {
      if (this.#socket.isOpen) return;
      this.#history.forgetPage();
      this.#calls.disconnected();
      this.#drafts.disconnected();
      this.#reading.disconnected();
      if (this.#socket.state === "closed") this.#end();
    });
    this.#history.addEventListener("change", ({ detail }) => this.#historyChanged(detail));
    this.#presence.addEventListener("change", () => {
      this.#presence.users.forEach((user) => this.#names.learn(user));
      document.querySelector("#people-button .count").textContent = this.#presence.words;
      this.#rooms.count(this.#presence.online);
    });
    this.#reading.addEventListener("change", () => this.#showNews());
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
    this.#composing.hear(messagesIn(frame));
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

  #describe(room) {
    this.#follow(room.id, room.slug);
    this.#head.describe(room);
    this.#archived = Boolean(room.archived);
    this.#names.moderatedBy(room.moderators ?? []);
    const barred = this.#can.has("post") ? null : "You can read this room, but you cannot post in it.";
    this.#composer.bar(room.archived ? "This room is archived." : barred);
    this.#showNews();
  }

  /** The room has another address, or is another one: it was empty for long, and opened anew. */
  #follow(id, slug) {
    if (String(id) !== this.#room.roomId) {
      this.#room.roomId = id;
      this.#drafts.kept.follow(id);
    }
    if (slug === this.#room.slug) return;
    const moved = (path) => path.replace(/[^/]+\/$/u, () => `${encodeURIComponent(slug)}/`);
    this.#room.slug = slug;
    this.#socket.moved(moved(this.#room.socket));
    this.#rooms.moved(slug);
    this.#head.moved(slug);
    history.replaceState(history.state, "", moved(location.pathname));
  }

  #historyChanged({ reason, messages }) {
    messages.forEach(({ user }) => this.#names.hear(user));
    if (reason === "live") this.#news.say(this.#reading.news, this.#names);
    this.#looked();
  }

  #refused(frame) {
    if (this.#drafts.refused(frame) || this.#history.refused(frame)) return;
    if (frame.ref == null && frame.code !== "rate_limited") this.#composer.note(frame.detail);
  }

  #hearPage() {
    this.#log.addEventListener("want-older", () => {
      const page = Number(this.#room.historyPage);
      const command = this.#socket.isOpen && this.#history.pageBefore(this.#calls.newRef(), page);
      if (!command) return;
      this.#calls.call(command).catch(() => this.#history.refused(command));
      this.#log.draw();
    });
    this.#log.addEventListener("moved", () => this.#looked());
    this.#rooms.addEventListener("fresh", ({ detail: page }) => {
      this.#visibility.show(page.querySelector("ul[data-invisible]") !== null);
      const other = page.getElementById("room-other");
      if (other) document.getElementById("room-other")?.replaceWith(other);
    });
    document.getElementById("to-latest").addEventListener("click", ({ detail }) => {
      this.#log.toEnd();
      // The button goes. By keyboard (no click was counted) the focus would be lost with it; for a
      // finger, a focused box would only bring up the keyboard.
      if (detail === 0) this.#composer.focus();
    });
    this.#composer.addEventListener("typed", () => this.#typing.typed());
  }

  #hearBrowser() {
    addEventListener("online", () => this.#socket.wake());
    addEventListener("offline", () => this.#socket.networkLost());
    addEventListener("pageshow", ({ persisted }) => persisted && this.#socket.wake());
    addEventListener("storage", ({ key }) => {
      if (this.#drafts.kept.isOfEdits(key)) this.#composing.lookAgain();
    });
    addEventListener("pagehide", () => this.#reading.tellNow());
    // By then the next page is made, with a list of what is unread.
    document.addEventListener("click", ({ target }) => target.closest("a") && this.#reading.tellNow());
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

  #isLooking() {
    return !document.hidden && this.#log.atEnd;
  }

  #looked() {
    if (this.#isLooking() && this.#history.loaded) this.#reading.seen();
    this.#showNews();
  }

  #showNews() {
    this.#head.showNews(this.#reading.unseen, this.#history.loaded && !this.#log.atEnd);
  }
}

new RoomPage().start();
