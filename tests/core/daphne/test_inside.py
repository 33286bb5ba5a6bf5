"""What we use of the insides of other packages is looked for as a server starts."""

import pytest

from core.daphne import inside
from tests.conftest import StartServer
from tests.support.sockets import Client

# As if the next version had one name no more, which is taken away before anything of ours is there.
SPOILED = """
from core.daphne import inside
has = inside.has
inside.has = lambda owner, name: name not in {names} and has(owner, name)
from core.server import main
main()
"""


def test_nothing_is_gone_from_the_versions_of_the_lock_file() -> None:
    assert inside.gone(inside.WIRE) == inside.gone(inside.BOUNDS) == []


def test_an_owner_that_is_gone_takes_its_names_along() -> None:
    assert inside.gone([(lambda: inside.nope, "one two")]) == ["one", "two"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["writeSomeData"], "no writeSomeData, so sockets are written to the slow way"),
        (["_put", "onPing"], "no _put, onPing, so clients are bounded only as by Daphne"),
        (["_tempDataLen"], "no _tempDataLen, so sockets are written to the slow way"),
    ],
)
def test_without_one_a_server_says_so_and_serves(
    start_server: StartServer, names: list[str], says: str
) -> None:
    server = start_server(program=["-c", SPOILED.format(names=names)])
    assert says in server.log.read_text()
    with Client(server, "lobby") as one, Client(server, "lobby") as other:
        one.say("hello")
        other.until("chat.message", message="hello")
