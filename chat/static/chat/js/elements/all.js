// The custom elements of a room's page, by their names in HTML.

import { ChatComposer } from "./chat-composer.js";
import { ConnectionState } from "./connection-state.js";
import { DeleteDialog } from "./delete-dialog.js";
import { MessageList } from "./message-list.js";
import { MessageMenu } from "./message-menu.js";
import { PeopleList } from "./people-list.js";
import { RoomList } from "./room-list.js";
import { SideDrawer } from "./side-drawer.js";
import { SpokenNews } from "./spoken-news.js";
import { TypingLine } from "./typing-line.js";
import { VisibilityChoice } from "./visibility-choice.js";

customElements.define("chat-composer", ChatComposer);
customElements.define("connection-state", ConnectionState);
customElements.define("delete-dialog", DeleteDialog);
customElements.define("message-list", MessageList);
customElements.define("message-menu", MessageMenu);
customElements.define("people-list", PeopleList);
customElements.define("room-list", RoomList);
customElements.define("side-drawer", SideDrawer);
customElements.define("spoken-news", SpokenNews);
customElements.define("typing-line", TypingLine);
customElements.define("visibility-choice", VisibilityChoice);
