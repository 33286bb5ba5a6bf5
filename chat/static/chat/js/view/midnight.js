// When the local day changes: "Today" is yesterday then.

import { dayKey } from "../model/time.js";

const LOOK_MS = 60_000; // a timer of hours would come late: it stands still while the machine sleeps

/** Call `tell` soon after each midnight, and at once on a page that is shown again. */
export function onNewDay(tell) {
  let day = dayKey(new Date());

  function look() {
    const today = dayKey(new Date());
    if (today === day) return;
    day = today;
    tell();
  }

  setInterval(look, LOOK_MS);
  document.addEventListener("visibilitychange", look);
}
