"""On a real Redis Cluster of three nodes: the same scripts, each scope on one of them."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError

from presence.store import Store, keys
from presence.tracker import Tracker
from tests.presence.cluster import NODES, SLOTS, Cluster

SCOPES = [str(pk) for pk in range(30)]


@pytest.fixture
async def redis(cluster: Cluster) -> AsyncIterator[RedisCluster]:
    client = cluster.client()
    await client.flushall(target_nodes=RedisCluster.PRIMARIES)
    yield client
    await client.aclose()


@pytest.fixture
def store(redis: RedisCluster) -> Store:
    return Store(redis)


def everywhere(members: list[str], scopes: list[str] = SCOPES) -> dict[str, list[str]]:
    return dict.fromkeys(scopes, members)


def node_of(scope: str) -> int:
    return key_slot(keys(scope)[0].encode()) * NODES // SLOTS


@pytest.mark.parametrize("scope", ["1", "site", "a b", "öß", "1.2", "-"])
def test_the_keys_of_a_scope_share_a_slot(scope: str) -> None:
    assert len({key_slot(name.encode()) for name in keys(scope)}) == 1


async def test_every_script_runs_on_every_node(store: Store) -> None:
    assert {node_of(scope) for scope in SCOPES} == set(range(NODES))
    members = {scope: ["ann:1", "ann:2", "bob:1"] for scope in SCOPES}
    results = await store.hold(members, 60)
    assert all(len(results[scope].changes) == 2 for scope in SCOPES)
    renewed = await store.hold(members, 60)
    assert {scope: one.version for scope, one in renewed.items()} == {
        scope: one.version for scope, one in results.items()
    }
    left = await store.leave(everywhere(["bob:1"]), 0)
    assert {one.changes[0][:2] for one in left.values()} == {("left", "bob")}
    assert [(await store.state(scope)).users for scope in SCOPES] == [{"ann"}] * len(SCOPES)
    await store.hold(everywhere(["ann:1", "ann:2"]), 0.001)
    await asyncio.sleep(0.01)
    reaped = await store.hold(everywhere([]), 60)
    assert {one.changes[0][:2] for one in reaped.values()} == {("left", "ann")}


async def test_a_renewal_is_one_round_trip_to_each_node(cluster: Cluster, store: Store) -> None:
    """However many scopes: one command at a time would take a connection for each."""
    members = {str(pk): [f"{pk}:{tab}" for tab in range(3)] for pk in range(600)}
    await store.hold(members, 60)
    nodes = [Redis(host="127.0.0.1", port=port) for port in cluster.ports]
    for node in nodes:
        await node.config_resetstat()
    renewed = await store.hold(members, 60)
    assert renewed.keys() == members.keys()
    calls = [(await node.info("commandstats"))["cmdstat_evalsha"]["calls"] for node in nodes]
    clients = [(await node.info("clients"))["connected_clients"] for node in nodes]
    assert sum(calls) == 600
    assert all(count < 10 for count in clients), clients
    for node in nodes:
        await node.aclose()


async def test_a_node_that_forgot_the_scripts_is_told(redis: RedisCluster, store: Store) -> None:
    await store.hold(everywhere(["ann:1"]), 60)
    await redis.script_flush()
    results = await store.hold(everywhere(["bob:1"]), 60)
    assert {one.changes[0].user for one in results.values()} == {"bob"}
    assert len(results) == len(SCOPES)


async def test_versions_go_up_without_holes_in_each_scope(store: Store) -> None:
    found = defaultdict(list)

    async def one(user: int) -> None:
        for turn in range(5):
            members = everywhere([f"{user}:{turn}"], SCOPES[:6])
            results = await store.hold(members, 60)
            for scope, result in [*results.items(), *(await store.leave(members, 0)).items()]:
                found[scope] += [change.version for change in result.changes]

    await asyncio.gather(*(one(user) for user in range(10)))
    for versions in found.values():
        first = min(versions)
        assert sorted(versions) == list(range(first, first + 100))


async def test_a_tracker_needs_to_know_nothing_of_it(store: Store) -> None:
    said: list[tuple[str, str, str]] = []
    tracker = Tracker(
        store,
        lambda scope, changes: said.extend((scope, one.kind, one.user) for one in changes),
        lease=60,
        renew=20,
        grace=5,
    )
    await asyncio.gather(*(tracker.enter(scope, "ann", "x") for scope in SCOPES))
    await tracker.renew()
    assert sorted(said) == sorted((scope, "joined", "ann") for scope in SCOPES)
    said.clear()
    await tracker.close(grace=0)
    assert sorted(said) == sorted((scope, "left", "ann") for scope in SCOPES)


async def test_a_node_that_is_gone_takes_its_own_scopes_only(
    cluster: Cluster, store: Store
) -> None:
    """The last test of this file: the node does not come back."""
    members = everywhere(["ann:1"])
    await store.hold(members, 60)
    cluster.processes[2].kill()
    cluster.processes[2].wait()
    others = {scope for scope in SCOPES if node_of(scope) != 2}
    async with asyncio.timeout(30):
        assert (await store.hold(members, 60)).keys() == others
        # And one that forgets its scripts then: what nobody needs to know is not told to all.
        async with Redis(host="127.0.0.1", port=cluster.ports[0]) as node:
            await node.script_flush()
        results = await store.hold(everywhere(["bob:1"]), 60)
    assert results.keys() == others
    assert {one.changes[0].user for one in results.values()} == {"bob"}
    await cuts_off_nobody(cluster, store)


async def cuts_off_nobody(cluster: Cluster, store: Store) -> None:
    """A state is read on the node that is gone, while another takes its time to say who came."""
    slow, gone = (next(scope for scope in SCOPES if node_of(scope) == n) for n in (0, 2))
    async with Redis(host="127.0.0.1", port=cluster.ports[0]) as node, asyncio.timeout(30):
        await node.execute_command("CLIENT", "PAUSE", 1_500, "WRITE")
        holding = asyncio.create_task(store.hold({slow: ["dan:1"]}, 60))
        while not (await node.info("clients"))["blocked_clients"]:
            await asyncio.sleep(0.01)
        with pytest.raises(RedisConnectionError):
            await store.state(gone)
        assert [one.user for one in (await holding)[slow].changes] == ["dan"]
