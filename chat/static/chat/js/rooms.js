// The page that asks which room to enter: shows the address, and finds rooms as one types.

import { keepFresh } from "./fresh.js";
import { slugFor } from "./slug.js";

const input = document.getElementById("room-name-input");
const help = document.getElementById("room-name-help");
const words = help.textContent;

function show() {
  const slug = slugFor(input.value);
  const wanted = input.value.trim().toLocaleLowerCase();
  let found = 0;
  for (const item of document.querySelectorAll("[data-room]")) {
    item.hidden = !item.textContent.toLocaleLowerCase().includes(wanted);
    found += !item.hidden;
  }
  for (const section of document.querySelectorAll("#lists section")) {
    section.hidden = !section.querySelector("[data-room]:not([hidden])");
  }
  if (slug && !found) help.textContent = `No room here is called that. Enter opens /chat/${slug}/`;
  else help.textContent = slug && slug !== input.value ? `Opens /chat/${slug}/` : words;
}

input.addEventListener("input", show);
show();
keepFresh(location.pathname, (page) => {
  const [lists, fresh] = [document, page].map((each) => each.getElementById("lists"));
  if (!fresh || lists.contains(document.activeElement)) return;
  lists.replaceWith(fresh);
  show();
});
