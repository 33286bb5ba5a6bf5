"""What we use of the insides of other packages is looked for as a server starts."""

from core.daphne import inside
from tests.conftest import StartServer
from tests.support.sockets import Client

# As if the next version of Twisted and of Autobahn had it no more.
SPOILED = """
from core.daphne import inside
inside.WIRE.append((inside.Connection, "of_old"))
inside.BOUNDS.append((inside.WebSocketProtocol, "of_older"))
from core.server import main
main()
"""


def test_nothing_is_gone_from_the_versions_of_the_lock_file() -> None:
    assert inside.gone(inside.WIRE) == inside.gone(inside.BOUNDS) == []


def test_without_them_a_server_says_so_and_serves(start_server: StartServer) -> None:
    server = start_server(program=["-c", SPOILED])
    log = server.log.read_text()
    assert "has no Connection.of_old, so sockets are written to the slow way." in log
    assert "has no WebSocketProtocol.of_older, so clients are bounded only as by Daphne." in log
    with Client(server, "lobby") as one, Client(server, "lobby") as other:
        one.say("hello")
        other.until("chat.message", message="hello")
