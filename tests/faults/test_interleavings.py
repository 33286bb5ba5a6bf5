"""Random orders of everything that may happen; one rule: who is connected at the end has it all."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections
from django.test import override_settings
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chat.factories import RoomFactory, UserFactory
from chat.live import tail
from chat.log import writer
from core.models import User
from tests.faults import check
from tests.faults.simulation import POISON, PROCESSES, Simulation, client_id

PEOPLE = 4
EMOJI = ("👍", "🎉")
# Small, so that a few steps reach what otherwise takes thousands of messages.
LIMITS = {"CHAT_HISTORY_PAGE": 3, "CHAT_CATCH_UP_MAX": 4}
KEPT = 5
LENGTH = 120
EXAMPLES = int(os.environ.get("INTERLEAVINGS", "50"))
SEEDLESS = "INTERLEAVINGS" in os.environ  # more of them are new ones each time
COMMANDS = {"post", "edit", "delete", "react", "resend", "poison"}
# What befalls a writer's next transactions. The last one is all of its tries.
FAULTS = {
    "commit, deadlock": ["deadlock"],
    "commit, cut off before": ["cut before", "deadlock"],
    "commit, cut off after": ["cut after"],
    "commit, overtaken": ["overtaken"],
    "commit, and the database is away": ["cut after", *["cut before"] * (writer.TRIES - 1)],
}

# How often each is taken. The later ones are several at once, which chance alone seldom makes.
STEPS = {
    "pause": 1,
    "connect": 4,
    "disconnect": 3,
    "post": 8,
    "edit": 4,
    "delete": 1,
    "react": 1,
    "resend": 1,
    "commit": 3,
    "poison": 1,
    **dict.fromkeys(FAULTS, 1),
    "announce": 4,
    "read": 6,
    "deliver": 3,
    "deliver twice": 1,
    "lose": 1,
    "compare": 2,
    "timer": 3,
    "write": 6,
    "all reads": 4,
    "all mail": 2,
    "no mail": 2,
}
numbers = st.integers(0, 11)
steps = st.lists(
    st.tuples(
        st.sampled_from([name for name, many in STEPS.items() for _ in range(many)]),
        numbers,
        numbers,
    ),
    min_size=LENGTH,  # a failing one is made simpler by pauses
    max_size=LENGTH,
)


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    """The one that all reads and writes of a simulation run on."""
    with ThreadPoolExecutor(1) as executor:
        yield executor
        executor.submit(connections.close_all).result()


@pytest.fixture
def users(transactional_db: None) -> list[User]:
    return UserFactory.create_batch(PEOPLE)


# It is the pool's thread that rolls dice, while it opens a connection in place of one that was cut.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@given(steps=steps, lose=st.booleans())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not SEEDLESS,
    phases=[Phase.explicit, Phase.generate],  # making one simpler takes minutes: add Phase.shrink
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whoever_is_connected_at_the_end_has_the_databases_state(
    steps: Sequence[tuple[str, int, int]],
    lose: bool,
    users: list[User],
    thread: ThreadPoolExecutor,
) -> None:
    room = RoomFactory()

    async def _in_a_simulation() -> None:
        await _carry_out(steps, lose, Simulation(room, users, thread, patch))

    with override_settings(**LIMITS), pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail, "KEPT", KEPT)
        asyncio.run(_in_a_simulation())


async def _carry_out(
    steps: Sequence[tuple[str, int, int]], lose: bool, simulation: Simulation
) -> None:
    try:
        for number, client in enumerate(simulation.clients):
            await simulation.connect(client, number % PROCESSES)
        await simulation.all_reads()
        for step in steps:
            await _take(simulation, *step)
            await simulation.breathe()
        for number, client in enumerate(simulation.clients):
            if client.connection is None and number % 2:
                await simulation.connect(client, number % PROCESSES)
        await simulation.rest(lose=lose)
        truth = simulation.ask(lambda: check.read(connection.connection, simulation.room.slug))
        problems = simulation.problems + check.check_database(truth)
        problems += check.check_revisions(truth, _said(simulation))
        for client in simulation.clients:
            problems += [*client.log.problems, *check.check_resets(client.log, {})]
            if client.connection is not None:
                assert client.is_joined
                assert client.log.cursor == truth.head
                problems += check.check_seen(client.log, truth)
        assert not problems, "\n".join(map(str, problems))
    finally:
        await simulation.close()


def _said(simulation: Simulation) -> Counter[tuple[int, str]]:
    """How often each text was given to a message by an edit."""
    edits = [frame for client in simulation.clients for frame in client.sent]
    return Counter((one["id"], one["message"]) for one in edits if one["type"] == "chat.edit")


async def _take(simulation: Simulation, step: str, one: int, other: int) -> None:
    process = one % PROCESSES
    there = [client for client in simulation.clients if client.is_joined]
    if step in COMMANDS and not there:
        return
    client = there[one % len(there)] if step in COMMANDS else simulation.clients[one % PEOPLE]
    known = sorted(client.log.messages)
    target = known[other % len(known)] if known else 0
    number = len(client.sent)
    a_uuid = client_id(client.user.pk * 1_000 + number)
    ref = f"{client.user.pk}/{number}"
    match step:
        case "connect":
            await simulation.connect(client, other % PROCESSES, anew=other % 3 == 0)
        case "disconnect":
            await simulation.disconnect(client)
        case "post":
            frame = {
                "type": "chat.message",
                "message": f"{client.user.pk}-{number} said",
                "client_id": a_uuid,
            }
            simulation.send(client, frame | ({"ref": ref} if other % 2 else {}))
        case "edit" if target:
            text = f"{client.log.messages[target]['message'].split(' ')[0]} edit {number}"
            simulation.send(
                client, {"type": "chat.edit", "id": target, "message": text, "ref": ref}
            )
        case "delete" if target:
            simulation.send(client, {"type": "chat.delete", "id": target, "ref": ref})
        case "react" if target:
            reaction = {"emoji": EMOJI[other % len(EMOJI)], "on": bool(other % 3)}
            simulation.send(client, {"type": "chat.react", "id": target, "ref": ref, **reaction})
        case "resend" if client.sent:
            simulation.send(client, client.sent[other % len(client.sent)])
        case "poison":
            simulation.send(
                client, {"type": "chat.message", "message": POISON, "client_id": a_uuid}
            )
        case "compare":
            simulation.compare(process)
        case "all reads":
            await simulation.all_reads()
        case _:
            _pass_time(simulation, step, process, other)


def _pass_time(simulation: Simulation, step: str, process: int, other: int) -> None:
    match step:
        case "commit":
            simulation.commit(process)
        case _ if step in FAULTS:
            simulation.commit(process, *FAULTS[step])
        case "announce":
            simulation.announce(process)
        case "read":
            simulation.read(other)
        case "deliver":
            simulation.deliver(other)
        case "deliver twice":
            simulation.deliver(other, keep=True)
        case "lose":
            simulation.deliver(other, lose=True)
        case "timer":
            simulation.fire(other)
        case "write":
            simulation.commit(process)
            simulation.announce(process)
        case "all mail" | "no mail":
            simulation.all_mail(lose=step == "no mail")
