"""The page's logic without its page: modules are imported and asked, in a real browser."""

from datetime import datetime
from typing import Any

from playwright.sync_api import CDPSession, Page

from tests.support.databases import ROOT

JS = ROOT / "chat/static/chat/js"

HELPERS = """
const message = (seq, more = {}) => ({
  id: 100 + seq, seq, pos: seq, client_id: `c${seq}`, user: {id: 7, name: "Alice"},
  message: `text ${seq}`, created: "2026-11-22T09:30:00Z", ...more,
});
const live = (seq, more = {}) => ({type: "chat.message", ...message(seq, more)});
const page = (seqs, more = {}) => ({
  type: "chat.history", mode: "page", messages: seqs.map((seq) => message(seq)),
  head: Math.max(0, ...seqs), more: false, ...more,
});
const seqs = (history) => history.messages.map(({seq}) => seq);
class Wire extends EventTarget {
  readyState = 1;
  sent = [];
  constructor(url) { super(); this.url = url; Wire.all.push(this); }
  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.readyState = 3; }
  says(...frames) {
    const data = frames.map((frame) => JSON.stringify(frame)).join("\\n");
    this.dispatchEvent(new MessageEvent("message", {data}));
  }
  ends(code) { this.dispatchEvent(new CloseEvent("close", {code})); }
}
Wire.all = [];
"""


def folder_of(name: str) -> str:
    (path,) = JS.glob(f"*/{name}.js")
    return path.parent.name


def run(page: Page, names: str, script: str, argument: Any = None) -> Any:
    """Run a script that sees all exports of these modules in `all`, and the argument as `input`.

    The page's clock stands still; `page.clock.run_for(milliseconds)` moves it.
    """
    if page.url == "about:blank":
        page.clock.install(time=datetime(2026, 11, 22, 9))
        page.goto("/accounts/sign-in/")
        page.clock.pause_at(datetime(2026, 11, 22, 10))
    modules = " ".join(
        f'Object.assign(all, await import("/static/chat/js/{folder_of(name)}/{name}.js"));'
        for name in names.split()
    )
    source = f"async (input) => {{ const all = {{}}; {modules} {HELPERS} {script} }}"
    return page.evaluate(source, argument)


def cost(page: Page, names: str, script: str, argument: Any = None) -> float:
    """The milliseconds that `run` keeps the page's thread busy: a processor that works for others
    meanwhile makes it no longer."""
    devtools = page.context.new_cdp_session(page)
    try:
        devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
        before = _busy(devtools)
        run(page, names, script, argument)
        return _busy(devtools) - before
    finally:
        devtools.detach()


def _busy(devtools: CDPSession) -> float:
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return 1_000 * next(float(one["value"]) for one in metrics if one["name"] == "ThreadTime")
