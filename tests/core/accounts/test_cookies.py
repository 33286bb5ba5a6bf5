"""Cookies of our own: nobody else on the host writes them, and old sessions come along once."""

import re
from collections.abc import Sequence
from http.cookies import Morsel
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as FormerStore
from django.contrib.sessions.models import Session
from django.test import Client

from core.accounts import cookies, identity
from core.models import User
from tests.conftest import StartServer
from tests.support.servers import ChatServer

POLL = "/chat/?part=list"
ACCOUNT = r'<span class="account-name"[^>]*>([^<]+)</span>'
OURS, FORMER = settings.SESSION_COOKIE_NAME, "sessionid"


# -- their names ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("debug", "origins", "port"),
    [
        (True, [], "8001"),
        (True, ["http://localhost:5173"], "8001"),
        (False, ["http://chat.example.org:8080", "http://other.example:9000"], "8080"),
        (False, ["http://chat.example.org"], ""),
        (False, ["http://chat.example.org:port"], ""),
        (False, [], ""),
    ],
)
def test_the_port_is_the_one_that_people_see(
    debug: bool, origins: Sequence[str], port: str
) -> None:
    assert cookies.seen_port(debug=debug, own="8001", origins=origins) == port


def test_they_bear_the_port_over_https_too() -> None:
    """Two copies on one host may have two ports of their own there as well."""
    assert cookies.named("session", https=True, port="") == "__Host-chat_session"
    assert cookies.named("session", https=True, port="8443") == "__Host-chat_session_8443"


def test_two_processes_behind_one_proxy_read_each_others(start_server: StartServer) -> None:
    env = {"DEBUG": "off", "HTTPS": "off", "ORIGINS": "http://chat.example.org:8080"}
    env |= {"ALLOWED_HOSTS": "127.0.0.1", "STATIC_ROOT": "staticfiles"}
    first = start_server(env=env)
    second = start_server(env=env, beside=first)
    assert first.cookie() == second.cookie() == "chat_session_8080"


def test_over_https_a_browser_takes_them_for_this_host_alone(start_server: StartServer) -> None:
    server = start_server(env={"HTTPS": "on"})
    over_tls = {"X-Forwarded-Proto": "https"}
    answer = httpx.get(f"{server.url}/accounts/sign-in/", headers=over_tls)
    (csrf,) = re.findall(r'value="(\w{64})"', answer.text)
    name = f"__Host-chat_csrf_{server.port}"
    signed_in = httpx.post(
        f"{server.url}/accounts/sign-in/",
        data={"username": "alice", "password": "demo", "csrfmiddlewaretoken": csrf},
        headers={
            **over_tls,
            "Cookie": f"{name}={answer.cookies[name]}",
            "Origin": server.url.replace("http:", "https:"),
        },
    )
    assert signed_in.status_code == 302, signed_in.text
    made = [*answer.headers.get_list("set-cookie"), *signed_in.headers.get_list("set-cookie")]
    assert {one.partition("=")[0] for one in made} == {name, f"__Host-chat_session_{server.port}"}
    for one in made:
        attributes = {part.strip().lower() for part in one.split(";")[1:]}
        assert {"secure", "path=/"} <= attributes
        assert not any(attribute.startswith("domain") for attribute in attributes)


def test_two_copies_on_one_host_leave_each_other_alone(start_server: StartServer) -> None:
    """One jar, as a browser has it for one host: at each copy somebody else is signed in."""
    people = {start_server(): "alice", start_server(): "bob"}
    with httpx.Client(follow_redirects=True) as browser:
        for server, name in people.items():
            _sign_in(browser, server, name)
        for _ in range(2):
            for server, name in people.items():
                assert _account(browser, server).startswith(f"{name.title()} ")
        first, second = people
        token = _token(browser.get(f"{first.url}/chat/").text)
        browser.post(f"{first.url}/accounts/sign-out/", data={"csrfmiddlewaretoken": token})
        assert _account(browser, first) == ""
        assert _account(browser, second).startswith("Bob ")


def _sign_in(browser: httpx.Client, server: ChatServer, name: str) -> None:
    address = f"{server.url}/accounts/sign-in/"
    token = _token(browser.get(address).text)
    form = {"username": name, "password": "demo", "csrfmiddlewaretoken": token}
    assert browser.post(address, data=form).status_code == 200


def _account(browser: httpx.Client, server: ChatServer) -> str:
    """Who is signed in, as the head of the page says it."""
    found = re.findall(ACCOUNT, browser.get(f"{server.url}/chat/").text)
    return found[0] if found else ""


def _token(page: str) -> str:
    return re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[0]


@pytest.mark.django_db
def test_what_a_page_says_once_is_in_no_cookie_that_another_program_has(client: Client) -> None:
    client.force_login(User.objects.create_superuser("ada"))
    answer = client.post(
        "/admin/chat/message/", {"action": "delete_messages", "_selected_action": "0"}, follow=True
    )
    assert [str(message) for message in answer.context["messages"]]
    assert set(client.cookies) <= {settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME}


# -- sessions from before they had names of our own -------------------------------------------


@pytest.fixture
def dora(db: None) -> User:
    return User.objects.create_user("dora")


def former_session(user: User) -> str:
    """A session as it was written before the upgrade."""
    store = FormerStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    assert store.session_key
    return store.session_key


def visitor(**jar: str) -> Client:
    client = Client()
    for name, value in jar.items():
        client.cookies[name] = value
    return client


def who(client: Client) -> str:
    return str(client.get(POLL).context["user"])


def test_whoever_was_signed_in_stays_so_under_the_new_name(dora: User) -> None:
    key = former_session(dora)
    client = visitor(sessionid=key)
    assert who(client) == "dora"
    assert client.cookies[OURS].value == key
    del client.cookies[FORMER]
    assert who(client) == "dora"


def test_it_is_taken_over_once(dora: User) -> None:
    key = former_session(dora)
    assert who(visitor(sessionid=key)) == "dora"
    assert who(visitor(sessionid=key)) == "AnonymousUser"


def test_a_session_made_since_is_not_taken_from_the_former_name(dora: User) -> None:
    client = Client()
    client.force_login(dora)
    assert who(visitor(sessionid=client.cookies[OURS].value)) == "AnonymousUser"


def test_a_cookie_of_ours_counts_before_the_former_one(dora: User) -> None:
    client = Client()
    client.force_login(dora)
    other = User.objects.create_user("eve")
    assert (
        who(visitor(**{OURS: client.cookies[OURS].value, FORMER: former_session(other)})) == "dora"
    )
    assert who(visitor(**{OURS: "over", FORMER: former_session(other)})) == "AnonymousUser"


def test_another_programs_cookie_stays_as_it_is(dora: User) -> None:
    client = visitor(sessionid="of-another-program")
    answer = client.get(POLL)
    assert not answer.context["user"].is_authenticated
    assert not answer.cookies


def test_the_former_cookie_outlives_the_replacing_of_servers_and_goes_with_the_next_writing(
    dora: User,
) -> None:
    client = visitor(sessionid=former_session(dora))
    assert FORMER not in client.get(POLL).cookies
    signed_out = client.post("/accounts/sign-out/")
    assert _is_removed(signed_out.cookies[OURS])
    assert _is_removed(signed_out.cookies[FORMER])
    assert not Session.objects.exists()


def _is_removed(cookie: "Morsel[Any]") -> bool:
    return cookie["max-age"] == 0


def test_a_socket_is_let_in_by_it_as_long_as_no_page_has_taken_it_over(dora: User) -> None:
    key = former_session(dora)
    scope = {"headers": [(b"cookie", f"{FORMER}={key}".encode())]}
    claim = identity.claim_of(scope)
    assert claim is not None
    assert claim.user == dora.pk
    who(visitor(sessionid=key))
    assert identity.claim_of(scope) is None
