"""Settings that are wrong say so at the start, each by its id and with what to do."""

import math
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.checks import Error, Warning  # noqa: A004
from django.test import override_settings

from chat import checks as chats
from core import checks
from core.errors import Problem

ALL = (
    *(checks.hosts, checks.origins, checks.secrets, checks.services),
    *(checks.limits, checks.presence, chats.pool, chats.sizes),
)
PRODUCTION = {
    "DEBUG": False,
    "HTTPS": True,
    "ALLOWED_HOSTS": ["chat.example.org"],
    "ORIGINS": ["https://chat.example.org"],
    "SECRET_KEY": "x" * 50,
    "TRUSTED_PROXY": True,
}
DEVELOPMENT = {"DEBUG": True, "HTTPS": False, "ALLOWED_HOSTS": ["localhost"], "ORIGINS": []}


@pytest.fixture(autouse=True)
def no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOST", raising=False)


def found(**changes: Any) -> list[str]:
    with override_settings(**changes):
        messages = [message for check in ALL for message in check()]
    for message in messages:
        wanted = Error if message.id.startswith("core.E") else Warning
        assert type(message) is wanted
        assert message.msg.endswith(".")
        assert "S3cret" not in f"{message.msg} {message.hint}"
    return [message.id.removeprefix("core.") for message in messages]


def test_production_as_it_should_be_has_nothing_to_say() -> None:
    assert found(**PRODUCTION) == []


def test_a_developers_checkout_has_nothing_to_say() -> None:
    assert found(**DEVELOPMENT, SECRET_KEY="short", TRUSTED_PROXY=False) == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"ALLOWED_HOSTS": []}, ["E001"]),
        ({"ALLOWED_HOSTS": ["*"]}, ["W001"]),
        ({"ORIGINS": []}, ["W004"]),
        ({"ORIGINS": ["*"]}, ["E002"]),
        ({"ORIGINS": ["chat.example.org"]}, ["E002"]),
        ({"ORIGINS": ["https://*.example.org"]}, ["E002"]),
        ({"ORIGINS": ["https://chat.example.org/"]}, ["E002"]),
        ({"ORIGINS": ["https://chat.example.org/chat"]}, ["E002"]),
        ({"ORIGINS": ["https://me@chat.example.org"]}, ["E002"]),
        ({"ORIGINS": ["https://chat.example.org:https"]}, ["E002"]),
        ({"ORIGINS": ["wss://chat.example.org"]}, ["E002"]),
        ({"ORIGINS": ["https://"]}, ["E002"]),
        ({"ORIGINS": ["https://me:S3cret@chat.example.org"]}, ["E002"]),
        ({"ALLOWED_HOSTS": ["postgres://me:S3cret@h"]}, ["E017"]),
        ({"CHAT_GUESTS_PER_ADDRESS": "S3cret"}, ["E007"]),
        ({"ORIGINS": ["https://chat.example.org", "https://[::1]:8443"]}, []),
        ({"ORIGINS": ["http://chat.example.org"]}, ["E003"]),
        ({"ORIGINS": ["http://chat.example.org"], "HTTPS": False}, []),
        ({"REDIS_URL": "redis://h/1", "REDIS_CLUSTER": True}, ["E018"]),
        ({"REDIS_URL": "redis://h?db=1", "REDIS_CLUSTER": True}, ["E018"]),
        ({"REDIS_URL": "redis://h/0", "REDIS_CLUSTER": True}, []),
        ({"SECRET_KEY": "short"}, ["E016"]),
        ({"ALLOWED_HOSTS": ["https://chat.example.org"]}, ["E017"]),
        ({"ALLOWED_HOSTS": ["chat.example.org:443"]}, ["E017"]),
        ({"ALLOWED_HOSTS": [".example.org", "[::1]", "10.0.0.1"]}, []),
        ({"TRUSTED_PROXY": False}, ["W003"]),
        ({"CHAT_RATE_SECONDS": 0}, ["E006"]),
        ({"CHAT_RATE_MESSAGES": 0}, []),
        ({"CHAT_HISTORY_MAX": 10_000}, []),
        ({"CHAT_HISTORY_MAX": 10_001}, ["E006"]),
        ({"PRESENCE_LIST_MAX": 1_000_000, "PRESENCE_SHOWN": 1_000_000}, []),
        ({"PRESENCE_GATHER_SECONDS": 60.5}, ["E006"]),
        ({"CHAT_GUESTS_PER_ADDRESS": ""}, []),
        ({"CHAT_GUESTS_PER_ADDRESS": "60"}, ["E007"]),
        ({"CHAT_SIGN_UPS_PER_ADDRESS": "many"}, ["E007"]),
        ({"CHAT_NEW_ROOMS_PER_ADDRESS": "some"}, ["E007"]),
        ({"CHAT_NEW_ROOMS_PER_PERSON": "0/hour"}, ["E007"]),
        ({"CHAT_SIGN_INS_PER_ADDRESS": "0/minute"}, ["E007"]),
        ({"CHAT_GUESTS_PER_ADDRESS": "60/5 minutes"}, []),
        ({"CHAT_GUESTS_PER_ADDRESS": "60/0 minutes"}, ["E007"]),
        ({"CHAT_GUESTS_PER_ADDRESS": "60/minute;1/hour"}, ["E007"]),
        ({"CHAT_GUESTS_PER_ADDRESS": "60/minute, 5/hour"}, ["E007"]),
        ({"CHAT_GUESTS_PER_ADDRESS": "60/minute or so"}, ["E007"]),
        ({"CHAT_SIGN_INS_PER_ADDRESS": "1000000/year"}, []),
        ({"CHAT_SIGN_INS_PER_ADDRESS": "5/99999999999999999999 years"}, ["E007"]),
        ({"CHAT_SIGN_INS_PER_ADDRESS": "99999999999999999999/minute"}, ["E007"]),
        ({"CHAT_HISTORY_PAGE": 101}, ["E008"]),
        ({"CHAT_MESSAGE_MAX": 40_001, "CHAT_FRAME_IN_MAX": 10**6}, ["E009"]),
        ({"CHAT_MESSAGE_MAX": 5_000}, ["E010"]),
        ({"CHAT_FRAME_OUT_MAX": 100_000}, ["E011"]),
        ({"CHAT_FRAME_OUT_MAX": 2**20 + 1, "CHAT_OUTBOX_BYTES": 2**21}, ["E011"]),
        ({"CHAT_OUTBOX_BYTES": 262_143}, ["E012"]),
        ({"PRESENCE_LEASE_SECONDS": 37}, ["E013"]),
        ({"PRESENCE_GRACE_SECONDS": 45}, ["E014"]),
        ({"PRESENCE_SHOWN": 251}, ["E015"]),
    ],
)
def test_what_is_wrong_in_production(wrong: dict[str, Any], says: list[str]) -> None:
    assert found(**PRODUCTION | wrong) == says


NUMBERS = [
    name
    for name in dir(settings)
    if name.startswith(checks.OURS) and type(getattr(settings, name)) in (int, float)
]


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, 10**30])
@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_has_two_ends(name: str, value: float) -> None:
    with override_settings(**{name: value}):
        refused = [message.msg for message in checks.limits() if message.id == "core.E006"]
    assert [text.split()[0] for text in refused] == [name]


def test_every_rate_is_checked() -> None:
    assert set(settings.RATES) == {
        name for name in dir(settings) if "_PER_ADD" in name or "_PER_PERSON" in name
    }


@pytest.mark.parametrize(
    ("size", "says"), [(5, ["core.E005"]), (8, []), (262_143, []), (262_144, ["core.E019"])]
)
def test_a_pool_must_be_wide_enough_for_all_threads_and_not_wider_than_the_server(
    monkeypatch: pytest.MonkeyPatch, size: int, says: list[str]
) -> None:
    monkeypatch.setitem(settings.DATABASES["default"]["OPTIONS"]["pool"], "max_size", size)
    assert [message.id for message in chats.pool()] == says


@pytest.mark.parametrize("names", [["chat.example.org"], ["*"], ["localhost", "chat.lan"]])
def test_debug_under_a_name_of_others(names: list[str]) -> None:
    assert found(**DEVELOPMENT | {"ALLOWED_HOSTS": names}) == ["W002"]


@pytest.mark.parametrize(
    ("host", "says"),
    [("0.0.0.0", ["W002"]), ("192.0.2.1", ["W002"]), ("127.0.0.1", []), ("[::1]", []), ("", [])],
)
def test_debug_for_other_machines(
    monkeypatch: pytest.MonkeyPatch, host: str, says: list[str]
) -> None:
    monkeypatch.setenv("HOST", host)
    assert found(**DEVELOPMENT) == says


def test_the_server_refuses_with_a_line_for_each(caplog: pytest.LogCaptureFixture) -> None:
    wrong = {"ALLOWED_HOSTS": [], "CHAT_HISTORY_PAGE": 101, "ORIGINS": []}
    with override_settings(**PRODUCTION | wrong), pytest.raises(Problem) as refused:
        checks.refuse_what_is_wrong()
    first, second = str(refused.value).splitlines()
    assert first.startswith("(core.E001) ALLOWED_HOSTS is empty")
    assert "ALLOWED_HOSTS=chat.example.org" in first, "what to do belongs to it"
    assert second.startswith("(core.E008) CHAT_HISTORY_PAGE (101)")
    assert "core.W004" in caplog.text


def test_a_setting_that_is_misspelt_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_MESAGE_MAX", "3")
    (message,) = checks.unknown()
    assert "CHAT_MESAGE_MAX" in message.msg
    assert "CHAT_MESSAGE_MAX" in str(message.hint)


def test_so_is_any_name_in_the_file_that_is_for_us_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "env"
    file.write_text("PORTT=8001\nALOWED_HOSTS=x\nSITE_NAME=Chat\nPUBLISH=127.0.0.1:80\nPORT=8001\n")
    monkeypatch.setenv("ENV_FILE", str(file))
    first, second = checks.unknown()
    assert (first.msg.split()[0], first.hint) == ("ALOWED_HOSTS", "Is ALLOWED_HOSTS meant?")
    assert (second.msg.split()[0], second.hint) == ("PORTT", "Is PORT meant?")


def test_the_server_starts_with_what_is_merely_doubtful(caplog: pytest.LogCaptureFixture) -> None:
    with override_settings(**PRODUCTION | {"TRUSTED_PROXY": False}):
        checks.refuse_what_is_wrong()
    assert "core.W003" in caplog.text
