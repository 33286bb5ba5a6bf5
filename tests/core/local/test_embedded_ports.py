"""Which ports the servers of a developer's machine listen at."""

import socket
from pathlib import Path

import pytest

from core.local.embedded import ports


@pytest.fixture
def connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a kernel says which ports it gives to connections."""
    path = tmp_path / "ip_local_port_range"
    monkeypatch.setattr(ports, "CONNECTIONS", path)
    return path


@pytest.mark.parametrize("said", ["20002\t60999\n", "20002 20002"])
def test_a_port_is_not_one_that_connections_are_given(connections: Path, said: str) -> None:
    connections.write_text(said)
    assert {ports.free_port() for _ in range(50)} <= {20_000, 20_001}


def test_a_kernel_that_does_not_tell_is_taken_for_a_linux_as_it_comes(connections: Path) -> None:
    assert all(20_000 <= ports.free_port() < 32_768 for _ in range(50))
    connections.write_text("nonsense")
    assert 20_000 <= ports.free_port() < 32_768


def test_where_connections_are_given_all_ports_it_is_one_of_them(connections: Path) -> None:
    connections.write_text("1024 65535")
    assert ports.is_free(ports.free_port())


def test_a_port_that_somebody_listens_at_is_not_free(connections: Path) -> None:
    connections.write_text("20001 60999")  # leaves one port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((ports.HOST, 20_000))
        other.listen()
        assert not ports.is_free(20_000)
        assert ports.free_port() != 20_000
