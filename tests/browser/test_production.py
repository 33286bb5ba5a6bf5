"""With DEBUG off the files have hashed names, and the modules find each other."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.acting import enter, new_room, say, stored
from tests.browser.conftest import NewContext
from tests.conftest import StartServer


def test_the_chat_runs_from_hashed_files(
    start_server: StartServer, new_context: NewContext, tmp_path: Path
) -> None:
    server = start_server(
        env={
            "DEBUG": "off",
            "HTTPS": "off",
            "ALLOWED_HOSTS": "127.0.0.1",
            "STATIC_ROOT": str(tmp_path),
        }
    )
    server.stop()
    server.manage("collectstatic", "--no-input", "--verbosity=0")
    server.start()
    context = new_context(base_url=server.url)
    scripts: list[str] = []
    context.on(
        "response", lambda answer: scripts.append(answer.url) if ".js" in answer.url else None
    )
    room = new_room()
    page = enter(context, room)
    say(page, "from production")
    expect(stored(page, "from production")).to_have_count(1)
    names = [url.rpartition("/")[2] for url in scripts]
    assert len(names) > 20
    assert all(name.count(".") == 2 for name in names), names
    assert len(names) == len(set(names)), "a module was fetched under two names"
    page.goto("/chat/---/")
    expect(page.locator("h1")).to_have_text("Room not found")
    page.goto("/nowhere/")
    expect(page.locator("h1")).to_have_text("Page not found")
