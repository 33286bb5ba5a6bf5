// The page that asks which room to enter: shows the address, and finds rooms as one types.

import { focusNow } from "../view/focus.js";
import { fetchPage, keepFresh } from "../view/fresh.js";
import { slugFor } from "../model/slug.js";

const PAUSE_MS = 250; // in typing, before the server is asked
const input = document.getElementById("room-name-input");
const help = document.getElementById("room-name-help");
const words = help.textContent;
const mayOpen = "mayOpen" in help.dataset;
const rooms = (place) => [...document.querySelectorAll(`#${place} [data-room]`)];
const address = (room) => room.querySelector("a").pathname;

let answered = ""; // the name that #found is about
let timer = 0;

function show() {
  const name = input.value.trim();
  const slug = slugFor(name);
  const wanted = name.toLocaleLowerCase();
  for (const item of rooms("lists")) {
    item.hidden = !item.textContent.toLocaleLowerCase().includes(wanted);
  }
  for (const section of document.querySelectorAll("#lists section")) {
    section.hidden = !section.querySelector("[data-room]:not([hidden])");
  }
  const listed = rooms("lists").filter((item) => !item.hidden);
  // A list may be cut, and shows no addresses: that there is no such room only the server knows.
  const wants = Boolean(slug) && (!listed.length || document.querySelector("#lists[data-cut]"));
  const knows = wants && name === answered;
  clearTimeout(timer);
  if (wants && !knows) timer = setTimeout(ask, PAUSE_MS, name);
  showFound(knows, listed);
  if (knows && !listed.length && !rooms("found").length) {
    const opens = mayOpen ? ` Press Enter to create /chat/${slug}/.` : "";
    help.textContent = `No room has that name.${opens}`;
  } else help.textContent = slug && slug !== input.value ? `Press Enter to open /chat/${slug}/.` : words;
}

function showFound(knows, listed) {
  const there = new Set(listed.map(address));
  for (const item of rooms("found")) item.hidden = there.has(address(item));
  const some = rooms("found").some((item) => !item.hidden);
  document.getElementById("found").hidden = !knows || !some;
}

async function ask(name) {
  const query = new URLSearchParams({ part: "found", name });
  const page = await fetchPage(`?${query}`);
  if (!page || input.value.trim() !== name) return; // somebody has typed on
  document.getElementById("found").replaceWith(page.getElementById("found"));
  answered = name;
  show();
}

input.addEventListener("input", show);
focusNow(input);
show();
keepFresh(() => location.pathname, (page) => {
  const [lists, fresh] = [document, page].map((each) => each.getElementById("lists"));
  if (!fresh || lists.contains(document.activeElement)) return;
  lists.replaceWith(fresh);
  show();
});
