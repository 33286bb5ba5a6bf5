// <spoken-news>: what others have just said, for screen readers. The log itself is silent: it would
// be read out again with each reaction, edit and learned name.

import { el } from "../view/dom.js";
import { summary } from "../model/format.js";

const KEPT = 10; // messages; of a burst nobody wants to hear more
const LENGTH = 500; // characters of each; all of it is in the log

export class SpokenNews extends HTMLElement {
  say(messages, names) {
    for (const message of messages) {
      const said = el("bdi", {}, summary(message, LENGTH));
      this.append(el("p", {}, `${names.label(message.user.id)}: `, said));
    }
    while (this.childElementCount > KEPT) this.firstElementChild.remove();
  }
}
