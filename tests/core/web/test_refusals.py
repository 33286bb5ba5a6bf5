"""Requests that make no sense are refused with a short page and one line in the log."""

import logging
import re
import socket
from collections.abc import Iterator

import httpx
import pytest

from core import logs
from tests.support.servers import ChatServer, chat_server

HOST = "127.0.0.1"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=xx"
SIGN_IN = "/accounts/sign-in/"


@pytest.fixture(scope="module")
def strict(
    template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ChatServer]:
    """A server without DEBUG."""
    static = tmp_path_factory.mktemp("static")
    env = {"DEBUG": "off", "HTTPS": "off", "ALLOWED_HOSTS": HOST, "STATIC_ROOT": str(static)}
    with chat_server(template_database, env=env) as server:
        server.stop()
        server.manage("collectstatic", "--no-input", "--verbosity=0")
        server.start()
        yield server


@pytest.fixture(scope="module")
def mod(strict: ChatServer) -> dict[str, str]:
    """The headers of a moderator who is signed in."""
    with httpx.Client(base_url=strict.url) as client:
        page = client.get(SIGN_IN)
        (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        fields = {"username": "mod", "password": "demo", "csrfmiddlewaretoken": token}
        assert client.post(SIGN_IN, data=fields).status_code == 302
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        token = client.cookies[strict.cookie("csrf")]
        return {"Cookie": cookies, "X-CSRFToken": token}


def ask(server: ChatServer, line: bytes, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Send a request as it stands; returns the answer, of a socket its beginning."""
    named = {"Host": HOST, "Connection": "close", "Content-Length": str(len(body))} | headers
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    with socket.create_connection((HOST, server.port), timeout=30) as one:
        one.sendall(line + b" HTTP/1.1\r\n" + lines.encode("latin-1") + b"\r\n" + body)
        if named["Content-Length"] != str(len(body)):
            one.shutdown(socket.SHUT_WR)  # no more is coming
        if named["Connection"] == "Upgrade":
            return one.recv(65_536)
        return b"".join(iter(lambda: one.recv(65_536), b""))


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0  # 0: closed without a word


def new_lines(server: ChatServer, before: int) -> list[str]:
    return server.log.read_text(errors="replace").splitlines()[before:]


BIG = b"username=" + b"x" * 3_000_000
MANY = b"&".join(b"field%d=1" % n for n in range(2_000))
NO_END = b'--xx\r\nContent-Disposition: form-data; name="next"\r\n\r\n/'
SOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
ACTION = b"action=delete_messages&index=0&_selected_action="
AUTOCOMPLETE = b"/admin/autocomplete/?app_label=chat&model_name=message&field_name=room&term="
# What is asked, with which headers and body, and what may be answered.
STRANGE: dict[str, tuple[bytes, dict[str, str], bytes, set[int]]] = {
    "foreign host": (b"GET /chat/", {"Host": "chat.example.net"}, b"", {400}),
    "no host": (b"GET /chat/", {"Host": "a b<>"}, b"", {400}),
    "posted to a foreign host": (
        b"POST " + SIGN_IN.encode(),
        {"Host": "chat.example.net", "Content-Type": FORM},
        b"username=a",
        {400},
    ),
    "NUL in the path": (b"GET /chat/a%00b/", {}, b"", {400}),
    "NUL in the query": (b"GET /chat/?part=found&name=a%00", {}, b"", {400}),
    "NUL for current": (b"GET /chat/?part=list&current=%00", {}, b"", {400}),
    "NUL in next": (b"GET /accounts/sign-in/?next=/%00", {}, b"", {400}),
    "NUL in the admin": (b"GET /admin/chat/room/?q=%00", {}, b"", {400}),
    "NUL in an autocomplete": (b"GET " + AUTOCOMPLETE + b"%00", {}, b"", {400}),
    "NUL in a form": (b"POST /accounts/sign-up/", {"Content-Type": FORM}, b"username=a%00", {400}),
    "NUL in a multipart form": (
        b"POST /accounts/sign-up/",
        {"Content-Type": MULTIPART},
        NO_END + b"\0\r\n--xx--\r\n",
        {400},
    ),
    "not UTF-8 in the path": (b"GET /chat/%ff/", {}, b"", {404}),
    "a surrogate in the path": (b"GET /chat/%ed%a0%80/", {}, b"", {404}),
    "a surrogate in the query": (b"GET /chat/?part=found&name=%ed%a0%80", {}, b"", {200}),
    "bytes in the path": (b"GET /chat/\xff/", {}, b"", {400}),
    "a percent sign": (b"GET /chat/%zz/?name=%", {}, b"", {404}),
    "a long address": (b"GET /chat/" + b"a" * 9_000 + b"/", {}, b"", {302}),  # as much as fits
    "another's address": (b"GET http://chat.example.net/chat/", {}, b"", {404}),
    "an unknown method": (b"FOO /chat/", {}, b"", {405}),
    "bytes as cookies": (b"GET /chat/", {"Cookie": 'sessionid=\xff; =;;csrftoken="'}, b"", {200}),
    "a body that is too big": (
        b"POST " + SIGN_IN.encode(),
        {"Content-Type": FORM},
        BIG,
        {413},
    ),
    "too many fields": (b"POST " + SIGN_IN.encode(), {"Content-Type": FORM}, MANY, {400}),
    "a form in UTF-16": (
        b"POST " + SIGN_IN.encode(),
        {"Content-Type": f"{FORM}; charset=utf-16"},
        b"username=a",
        {400},
    ),
    "a form in UTF-16 for no page": (
        b"POST /nope/",
        {"Content-Type": f"{FORM}; charset=utf-16"},
        b"username=a",
        {400},
    ),
    **{
        f"{method} in {charset}": (
            f"{method} {SIGN_IN}?next=/a".encode(),
            {"Content-Type": f"{MULTIPART}; charset{charset}"},
            NO_END + b"\r\n--xx--\r\n",
            {400},
        )
        for method in ("GET", "POST")
        for charset in ("=hex", "=rot13", "=idna", "=utf-7", "=nope", "*=nope''x", "*=hex''x")
    },
    "a multipart field in a strange encoding": (
        b"POST " + SIGN_IN.encode(),
        {"Content-Type": MULTIPART},
        b"--xx\r\nContent-Disposition: form-data; name*=hex''7a\r\n\r\n/\r\n--xx--\r\n",
        {0, 400, 403},  # Twisted has looked into it before us
    ),
    "multipart without a boundary": (
        b"POST " + SIGN_IN.encode(),
        {"Content-Type": "multipart/form-data"},
        NO_END,
        {400},
    ),
    "multipart without an end": (
        b"POST " + SIGN_IN.encode(),
        {"Content-Type": MULTIPART},
        NO_END,
        {200, 400},
    ),
    "less than was announced": (
        b"POST " + SIGN_IN.encode(),
        {"Content-Type": FORM, "Content-Length": "100"},
        b"username=a",
        {0, 400},
    ),
    "an absurd length": (
        b"POST " + SIGN_IN.encode(),
        {"Content-Type": FORM, "Content-Length": "9" * 30},
        b"username=a",
        {413},
    ),
    "no row for an action": (
        b"POST /admin/chat/message/",
        {"Content-Type": FORM},
        ACTION + b"x",
        {400},
    ),
    "a far row for an action": (
        b"POST /admin/chat/message/",
        {"Content-Type": FORM},
        ACTION + b"9" * 30,
        {302},
    ),
    "a field that may not be referenced": (b"GET /admin/chat/room/?_to_field=x", {}, b"", {400}),
    "a filter that is not allowed": (
        b"GET /admin/chat/room/?direct_low__password=x",
        {},
        b"",
        {400},
    ),
    "an autocomplete of nothing": (b"GET /admin/autocomplete/", {}, b"", {403}),
    "a far page": (b"GET " + AUTOCOMPLETE + b"a&page=" + b"9" * 30, {}, b"", {404}),
    "a far room": (b"GET /admin/chat/room/" + b"9" * 30 + b"/change/", {}, b"", {302}),
    "a socket at an address with NUL": (b"GET /ws/chat/a%00/?since=%00", SOCKET, b"", {101}),
    "a socket from far ahead": (b"GET /ws/chat/---/?since=" + b"9" * 5_000, SOCKET, b"", {101}),
}


@pytest.mark.parametrize("what", STRANGE)
def test_what_makes_no_sense_is_neither_a_failure_nor_a_traceback(
    strict: ChatServer, mod: dict[str, str], what: str
) -> None:
    line, headers, body, expected = STRANGE[what]
    before = len(new_lines(strict, 0))
    answer = ask(strict, line, mod | headers, body)
    assert status(answer) in expected, answer[:200]
    assert b"Traceback" not in answer
    lines = new_lines(strict, before)
    assert len(lines) <= 1, lines
    assert all(len(each) < logs.LENGTH_MAX + 100 for each in lines)


def test_a_name_that_is_not_ours_gets_a_plain_page(strict: ChatServer) -> None:
    answer = ask(strict, b"GET /chat/", {"Host": "chat.example.net"}).decode()
    assert "Bad request" in answer
    assert "chat.example.net" not in answer


@pytest.mark.parametrize("path", ["/elsewhere", "%2F%2Fevil.example", "\xff"])
def test_nobody_says_where_the_site_lies(strict: ChatServer, path: str) -> None:
    answer = ask(strict, b"GET /chat/", {"Daphne-Root-Path": path, "daphne-root-path": path})
    assert status(answer) == 200
    assert b"elsewhere" not in answer
    assert b"evil.example" not in answer
    assert b'action="/chat/"' in answer


def test_ten_thousand_refusals_are_a_few_lines(strict: ChatServer) -> None:
    before = len(new_lines(strict, 0))
    with httpx.Client(base_url=strict.url, headers={"Host": "flood.example.net"}) as client:
        for _ in range(3 * logs.REFUSED_A_MINUTE):
            assert client.get("/chat/").status_code == 400
    # what was refused before, in the same minute, counts as well
    assert len(new_lines(strict, before)) <= logs.REFUSED_A_MINUTE


# -- the log by itself ------------------------------------------------------------------------


def refusal(text: str, status: int = 400) -> logging.LogRecord:
    fields = {"name": "django.security.X", "msg": text, "status_code": status}
    try:
        raise ValueError("the reason")
    except ValueError as error:
        fields["exc_info"] = (type(error), error, error.__traceback__)
    return logging.makeLogRecord(fields)


def test_what_was_left_out_is_counted_once_it_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(logs.time, "monotonic", lambda: now)
    few, line = logs.FewRefusals(), logs.LineFormatter()
    passed = [few.filter(refusal("x")) for _ in range(logs.REFUSED_A_MINUTE + 7)]
    assert passed == [True] * logs.REFUSED_A_MINUTE + [False] * 7
    assert few.filter(refusal("another kind", 403))
    now = 60.0
    record = refusal("x")
    assert few.filter(record)
    assert line.format(record) == "x (and 7 more of this kind before)"


def test_a_client_writes_no_line_of_ours_and_none_without_end() -> None:
    text = logs.LineFormatter().format(refusal("a\nERROR forged\x1b[0m" + "x" * 10_000))
    assert text.startswith("a\\nERROR forged\\x1b[0m")
    assert len(text) < logs.LENGTH_MAX + 20
    assert "the reason" not in text


def test_what_failed_in_us_keeps_its_traceback() -> None:
    few, line = logs.FewRefusals(), logs.LineFormatter()
    for _ in range(logs.REFUSED_A_MINUTE + 1):
        assert few.filter(refusal("broken", 500))
    assert "ValueError: the reason" in line.format(refusal("broken", 500))
