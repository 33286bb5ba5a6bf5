"""Signing up, in and out; guests who become members."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth.hashers import get_hasher
from django.db import connection
from django.test import Client

from chat.models import Membership, Room
from core.accounts import guests
from core.models import User
from core.web import throttle

pytestmark = pytest.mark.django_db

PASSWORD = "a long enough secret"


@pytest.fixture(autouse=True)
def _limits(settings: Any, clean_redis: str) -> None:
    settings.CHAT_GUESTS = True


def form(username: str = "dora", **fields: str) -> dict[str, str]:
    return {"username": username, "password1": PASSWORD, "password2": PASSWORD} | fields


def the_guest() -> User:
    return User.objects.get(is_guest=True)


def test_signing_up_signs_in(client: Client) -> None:
    response = client.post("/accounts/sign-up/", form(display_name="Dora  Maar"))
    assert response.status_code == 302
    dora = User.objects.get(username="dora")
    assert (dora.name, dora.is_guest, dora.check_password(PASSWORD)) == ("Dora Maar", False, True)
    assert client.session["_auth_user_id"] == str(dora.pk)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"password2": "another one entirely"}, "match"),
        ({"password1": "12345678", "password2": "12345678"}, "common"),
        ({"username": "DORA"}, "already exists"),
        ({"display_name": "Mod\u202erotare"}, "invisible"),
        ({"display_name": "Mo Rahimi\u200c"}, "invisible"),
        ({"display_name": "\u200d"}, "invisible"),
        ({"display_name": "Moderator ✓"}, "marked by the chat itself"),
        ({"display_name": "Аdmin"}, "marked by the chat itself"),
        ({"username": "moderator"}, "marked by the chat itself"),
        ({"username": "\u3164\u3164"}, "invisible"),
    ],
)
def test_what_does_not_fit_is_said(client: Client, fields: dict[str, str], complaint: str) -> None:
    User.objects.create_user("dora")
    response = client.post("/accounts/sign-up/", form("eva") | fields)
    assert response.status_code == 200
    assert complaint in response.content.decode()
    assert User.objects.count() == 1


def test_nobody_is_refused_for_sharing_a_name(client: Client) -> None:
    User.objects.create_user("dora", display_name="Alice")
    for username, name in (("eva", "Alice"), ("ida", "ALICE"), ("oda", "Аlice")):
        fields = form(username, display_name=name)
        assert Client().post("/accounts/sign-up/", fields).status_code == 302
        assert User.objects.get(username=username).name == name


def test_what_is_wrong_is_said_where_it_is_and_once(client: Client) -> None:
    """Not under the repetition of the password, and not in the words of the help above it."""
    easy = {"password1": "12345678", "password2": "12345678"}
    errors = client.post("/accounts/sign-up/", form("e v a") | easy).context["form"].errors
    assert set(errors) == {"username", "password1"}
    assert errors["username"] == ["Use only letters, digits and @ . + - _, without spaces."]
    errors = client.post("/accounts/sign-up/", form(password2="another")).context["form"].errors
    assert set(errors) == {"password2"}


def test_a_guest_who_signs_up_keeps_row_and_session(client: Client) -> None:
    Room.objects.create(slug="lobby")
    client.get("/chat/lobby/")
    guest = the_guest()
    response = client.post("/accounts/sign-up/", form(next="/chat/lobby/"))
    assert response["Location"] == "/chat/lobby/"
    member = User.objects.get(username="dora")
    assert (member.pk, member.is_guest, member.name) == (guest.pk, False, "dora")
    assert Membership.objects.get(user=member).room.slug == "lobby"
    assert client.session["_auth_user_id"] == str(guest.pk)
    client.post("/accounts/sign-out/")
    assert client.login(username="dora", password=PASSWORD)


def test_a_guest_who_is_closed_while_signing_up_stays_closed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.get("/chat/lobby/")
    guest = the_guest()
    allowed = throttle.allowed

    def close_then_allow(*of: str) -> bool:
        User.objects.filter(pk=guest.pk).update(is_active=False)
        return allowed(*of)

    monkeypatch.setattr(throttle, "allowed", close_then_allow)
    client.post("/accounts/sign-up/", form(display_name="Dora Maar"))
    guest.refresh_from_db()
    assert (guest.username, guest.name, guest.is_guest) == ("dora", "Dora Maar", False)
    assert guest.check_password(PASSWORD)
    assert not guest.is_active


def test_a_guest_who_fails_to_sign_up_stays_the_guest(client: Client) -> None:
    client.get("/chat/lobby/")
    guest = the_guest()
    response = client.post("/accounts/sign-up/", form(password2="another one"))
    assert guest.name in response.content.decode()
    guest.refresh_from_db()
    assert guest.is_guest
    assert client.get("/chat/lobby/").status_code == 200


def test_a_member_has_no_use_for_signing_up(client: Client) -> None:
    client.force_login(User.objects.create_user("dora"))
    assert client.get("/accounts/sign-up/")["Location"] == "/chat/"
    client.post("/accounts/sign-up/", form("eva"))
    assert not User.objects.filter(username="eva").exists()


def test_sign_ups_of_one_address_are_limited(client: Client, settings: Any) -> None:
    settings.CHAT_SIGN_UPS_PER_ADDRESS = "2/hour"
    for name in ("one", "two"):
        assert client.post("/accounts/sign-up/", form(name)).status_code == 302
        client.logout()
    assert client.post("/accounts/sign-up/", form("three")).status_code == 429
    elsewhere = client.post("/accounts/sign-up/", form("four"), REMOTE_ADDR="192.0.2.7")
    assert elsewhere.status_code == 302


def test_which_names_are_taken_is_not_asked_for_many(client: Client, settings: Any) -> None:
    """Tries count that are refused too; beyond the limit a page says nothing of the name."""
    settings.CHAT_SIGN_UP_TRIES_PER_ADDRESS = "4/hour"
    User.objects.create_user("dora")
    for name in ("dora", "DORA", "ｄｏｒａ"):
        taken = client.post("/accounts/sign-up/", form(name))
        assert "already exists" in taken.content.decode()
    assert client.post("/accounts/sign-up/", form(password2="no")).status_code == 200
    answers = [client.post("/accounts/sign-up/", form(name)) for name in ("dora", "nobody")]
    assert [answer.status_code for answer in answers] == [429, 429]
    assert answers[0].content == answers[1].content
    assert "Try again later" in answers[0].content.decode()
    elsewhere = client.post("/accounts/sign-up/", form("dora"), REMOTE_ADDR="192.0.2.7")
    assert "already exists" in elsewhere.content.decode()


@pytest.mark.parametrize("is_guest", [False, True])
def test_a_name_that_is_taken_at_the_same_moment_is_said_as_one_that_was(
    client: Client, monkeypatch: pytest.MonkeyPatch, is_guest: bool
) -> None:
    if is_guest:
        client.get("/chat/lobby/")
    allowed = throttle.allowed

    def take_then_allow(action: str, *of: str) -> bool:
        if action == "sign-up":
            User.objects.create_user("dora")
        return allowed(action, *of)

    monkeypatch.setattr(throttle, "allowed", take_then_allow)
    answer = client.post("/accounts/sign-up/", form())
    assert answer.status_code == 200
    assert "already exists" in answer.content.decode()
    assert User.objects.filter(is_guest=True).count() == is_guest


@pytest.mark.parametrize("kind", ["nobody", "closed", "a guest", "without a password"])
def test_a_wrong_password_and_no_such_account_look_alike_and_cost_the_same(
    client: Client, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A hash is what takes time: as many are made whatever the name is."""
    User.objects.create_user("dora", password=PASSWORD)
    if kind == "closed":
        User.objects.create_user("eva", password=PASSWORD, is_active=False)
    elif kind != "nobody":
        User.objects.create_user("eva", is_guest=kind == "a guest")
    hasher = get_hasher()
    made: list[str] = []
    encode = type(hasher).encode

    def count(self: Any, password: str, *of: Any) -> str:
        made.append(password)
        return encode(self, password, *of)

    monkeypatch.setattr(type(hasher), "encode", count)
    pages = []
    for name in ("dora", "eva"):
        made.clear()
        page = client.post("/accounts/sign-in/", {"username": name, "password": "no"})
        pages.append((len(made), page.context["form"].errors, page.status_code))
    assert pages[0] == pages[1]
    assert pages[0][0] == 1


def test_the_old_password_is_not_tried_oftener_in_the_admin(client: Client) -> None:
    dora = User.objects.create_user("dora", password=PASSWORD, is_staff=True)
    client.force_login(dora)
    new = {"new_password1": "tulips and roses", "new_password2": "tulips and roses"}
    for _ in range(10):
        wrong = client.post("/admin/password_change/", {"old_password": "no"} | new)
        assert wrong.status_code == 200
    right = {"old_password": PASSWORD} | new
    assert client.post("/admin/password_change/", right).status_code == 429
    elsewhere = client.post("/admin/password_change/", right, REMOTE_ADDR="192.0.2.7")
    assert elsewhere["Location"] == "/admin/password_change/done/"


def test_signing_in_and_out(client: Client) -> None:
    User.objects.create_user("dora", password=PASSWORD)
    Room.objects.create(slug="lobby")
    credentials = {"username": "dora", "password": PASSWORD, "next": "/chat/lobby/"}
    assert client.post("/accounts/sign-in/", credentials)["Location"] == "/chat/lobby/"
    assert client.get("/accounts/sign-out/").status_code == 405
    assert client.post("/accounts/sign-out/")["Location"] == "/chat/"
    assert "_auth_user_id" not in client.session


def test_wrong_passwords_are_limited_and_right_ones_are_not(client: Client) -> None:
    User.objects.create_user("dora", password=PASSWORD)
    for _ in range(12):
        right = client.post("/accounts/sign-in/", {"username": "dora", "password": PASSWORD})
        assert right.status_code == 302
    for _ in range(10):
        wrong = client.post("/accounts/sign-in/", {"username": "dora", "password": "no"})
        assert wrong.status_code == 200
    assert client.post("/accounts/sign-in/", {"username": "dora"}).status_code == 429
    assert client.post("/accounts/sign-in/", {"username": "eva"}).status_code == 200


@pytest.mark.parametrize("door", ["/accounts/sign-in/", "/accounts/sign-in/?next=/admin/"])
def test_a_name_that_is_typed_otherwise_gives_no_more_tries(client: Client, door: str) -> None:
    User.objects.create_user("bob", password=PASSWORD)
    spellings = ["bob", " bob", "bob ", "ｂｏｂ", "\u3000bob", "BOB", " " * 200 + "bob"]
    for spelling in itertools.islice(itertools.cycle(spellings), 10):
        wrong = client.post(door, {"username": spelling, "password": "no"})
        assert wrong.status_code == 200
    for spelling in spellings:
        right = client.post(door, {"username": spelling, "password": PASSWORD})
        assert right.status_code == 429, spelling


def test_one_address_tries_the_passwords_of_many_names_no_oftener(
    client: Client, settings: Any
) -> None:
    settings.CHAT_SIGN_INS_PER_ADDRESS = "3/minute"
    User.objects.create_user("dora", password=PASSWORD)
    for name in ("one", "two", "three"):
        wrong = client.post("/accounts/sign-in/", {"username": name, "password": "no"})
        assert wrong.status_code == 200
    credentials = {"username": "dora", "password": PASSWORD}
    refused = client.post("/accounts/sign-in/", credentials)
    assert refused.status_code == 429
    assert "from your network" in refused.content.decode()
    elsewhere = client.post("/accounts/sign-in/", credentials, REMOTE_ADDR="192.0.2.7")
    assert elsewhere.status_code == 302


@pytest.mark.django_db(transaction=True)
def test_no_more_passwords_are_tried_at_once_than_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each waits until all were let through, or refused."""
    tried, together = [], threading.Barrier(13, timeout=3)

    def authenticate(*args: Any, **kwargs: Any) -> None:
        tried.append(kwargs)
        with suppress(threading.BrokenBarrierError):
            together.wait()

    monkeypatch.setattr("django.contrib.auth.forms.authenticate", authenticate)

    def guess(_: int) -> int:
        fields = {"username": "dora", "password": "no"}
        try:
            return Client().post("/accounts/sign-in/", fields).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(13) as guessers:
        codes = sorted(guessers.map(guess, range(13)))
    assert codes == [200] * 10 + [429] * 3
    assert len(tried) == 10


def test_the_admin_has_no_form_of_its_own_to_try_passwords_at(client: Client) -> None:
    User.objects.create_user("dora", password=PASSWORD, is_staff=True)
    asked = client.get("/admin/chat/room/", follow=True)
    assert asked.redirect_chain[-1][0] == "/accounts/sign-in/?next=/admin/chat/room/"
    for _ in range(11):
        client.post("/admin/login/", {"username": "dora", "password": PASSWORD}, follow=True)
    assert "_auth_user_id" not in client.session
    credentials = {"username": "dora", "password": PASSWORD, "next": "/admin/chat/room/"}
    signed_in = client.post("/accounts/sign-in/", credentials, follow=True)
    assert signed_in.request["PATH_INFO"] == "/admin/chat/room/"
    assert client.get("/admin/login/?next=https://elsewhere.example/")["Location"] == "/admin/"


def test_who_may_not_use_the_admin_is_asked_for_another_account_and_not_sent_round(
    client: Client,
) -> None:
    client.force_login(User.objects.create_user("dora"))
    page = client.get("/admin/", follow=True)
    assert (page.status_code, len(page.redirect_chain)) == (200, 2)
    assert "You are signed in as dora" in page.content.decode()


@pytest.mark.parametrize("page", ["sign-in", "sign-up"])
def test_nobody_is_sent_to_another_site(client: Client, page: str) -> None:
    User.objects.create_user("dora", password=PASSWORD)
    fields = form("eva") | {"next": "https://elsewhere.example/"}
    if page == "sign-in":
        fields |= {"username": "dora", "password": PASSWORD}
    assert client.post(f"/accounts/{page}/", fields)["Location"] == "/chat/"


def test_forms_are_protected_against_forgery() -> None:
    strict = Client(enforce_csrf_checks=True)
    response = strict.post("/accounts/sign-up/", form())
    assert response.status_code == 403
    assert "This form has expired" in response.content.decode()


def test_problems_look_like_the_rest_of_the_site(client: Client, settings: Any) -> None:
    client.raise_request_exception = False
    assert "Page not found" in client.get("/nowhere").content.decode()


def test_while_redis_is_away_nobody_is_kept_out(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    throttle.limiter.cache_clear()
    try:
        assert client.post("/accounts/sign-up/", form()).status_code == 302
    finally:
        throttle.limiter.cache_clear()


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "unknown"),
    ],
)
def test_what_counts_as_one_address(address: str | None, counted: str) -> None:
    assert throttle.network(address) == counted


@pytest.mark.django_db(transaction=True)
async def test_a_connection_without_a_session_is_admitted_as_a_guest(settings: Any) -> None:
    settings.CHAT_GUESTS_PER_ADDRESS = "1/minute"
    guest = await guests.admit("192.0.2.7")
    assert guest is not None
    assert guest.is_guest
    assert await guests.admit("192.0.2.7") is None
    assert await guests.admit("192.0.2.8") is not None
    settings.CHAT_GUESTS = False
    assert await guests.admit("192.0.2.9") is None
