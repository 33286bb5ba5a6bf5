"""Ports for servers of ours, on this machine only."""

import random
import socket
from pathlib import Path

HOST = "127.0.0.1"
LOWEST = 20_000  # under it are those that many programs listen at by habit
TRIES = 100

# Where Linux has the range that it takes a port for each connection from (ip(7)).
CONNECTIONS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return one that nobody listens at, and, if there is one, that no connection is given.

    While a server is away its port must stay its own. The kernel gives what it thinks free to any
    connection, even to one that asks for that very port: it is then connected to itself.
    """
    highest = _first_of_connections() - 1
    for _ in range(TRIES if highest >= LOWEST else 0):
        if is_free(port := random.randint(LOWEST, highest)):
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        taken: int = probe.getsockname()[1]
        return taken


def _first_of_connections() -> int:
    try:
        return int(CONNECTIONS.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768  # as Linux has it; other systems begin higher
