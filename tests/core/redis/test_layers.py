"""The channel layers, as a shell and a script use them. Each test starts a Python: a second."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.databases import ROOT
from tests.support.sockets import wait_until

BOUND = 30  # seconds; most of it is the start of Python on a busy machine
BEGIN = "import channels.layers\nfrom asgiref.sync import async_to_sync\n"
# The lines of the Channels tutorial, part 2.
TUTORIAL = (
    BEGIN
    + """\
channel_layer = channels.layers.get_channel_layer()
async_to_sync(channel_layer.send)('test_channel', {'type': 'hello'})
print(async_to_sync(channel_layer.receive)('test_channel'))
"""
)
# A consumer of somebody's own, as the tutorial's, and two of them in a group.
CONSUMERS = """
import asyncio
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.testing import WebsocketCommunicator

class ChatConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add("chat_lobby", self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard("chat_lobby", self.channel_name)

    async def receive_json(self, content):
        message = {"type": "chat.message", "message": content["message"]}
        await self.channel_layer.group_send("chat_lobby", message)

    async def chat_message(self, event):
        await self.send_json({"message": event["message"]})

async def main():
    two = [WebsocketCommunicator(ChatConsumer.as_asgi(), "/") for _ in range(2)]
    for one in two:
        await one.connect(5)
    await two[0].send_json_to({"message": "hello"})
    print(*[(await one.receive_json_from(10))["message"] for one in two])
    for one in two:
        await one.disconnect()

asyncio.run(main())
"""
CHAT = (
    BEGIN
    + """\
layer = channels.layers.get_channel_layer("chat")

async def use():
    mailbox = await layer.new_channel()
    await layer.group_add("group", mailbox)
    await layer.group_send("group", {"type": "hello"})
    return await layer.receive(mailbox)

print(async_to_sync(use)())
"""
)


def shell(code: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """`manage.py shell`; raises TimeoutExpired where it outlives its end."""
    return subprocess.run(
        [sys.executable, "manage.py", "shell", "--verbosity=0", "--command", code],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND,
    )


@pytest.fixture(scope="module", autouse=True)
def database(template_database: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", template_database)
        yield


@pytest.mark.parametrize("code", [TUTORIAL, CHAT], ids=["default", "chat"])
def test_what_was_sent_is_received_and_the_shell_ends(code: str, clean_redis: str) -> None:
    done = shell(code)
    assert (done.stdout, done.stderr) == ("{'type': 'hello'}\n", "")
    assert done.returncode == 0


def test_each_message_is_received_once(clean_redis: str) -> None:
    """Each call has an event loop of its own, which ends with it."""
    code = TUTORIAL + "".join(
        f"""\
async_to_sync(channel_layer.send)('test_channel', {{'type': 'hello', 'n': {number}}})
print(async_to_sync(channel_layer.receive)('test_channel')['n'])
"""
        for number in range(3)
    )
    done = shell(code)
    assert done.stdout.splitlines()[1:] == ["0", "1", "2"], done.stderr


def test_a_consumer_of_ones_own_has_groups(clean_redis: str) -> None:
    done = shell(CONSUMERS)
    assert (done.stdout, done.stderr) == ("hello hello\n", "")


@pytest.mark.parametrize("layer", ["default", "chat"])
@pytest.mark.parametrize("call", ["send", "receive"])
def test_without_redis_a_shell_is_told_so_and_ends(layer: str, call: str) -> None:
    use = f"channels.layers.get_channel_layer('{layer}')"
    arguments = "'test_channel', {'type': 'hello'}" if call == "send" else "'test_channel'"
    code = f"{BEGIN}async_to_sync({use}.{call})({arguments})"
    done = shell(code, REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("redis.exceptions.ConnectionError: Error")
    assert "127.0.0.1:1" in last


@pytest.mark.parametrize("layer", ["default", "chat"])
def test_a_shell_that_waits_for_what_never_comes_can_be_left(layer: str, clean_redis: str) -> None:
    """Ctrl-C gives the prompt back; the thread that waits must not keep Python from ending."""
    code = f"""{BEGIN}
layer = channels.layers.get_channel_layer("{layer}")
print("waits", flush=True)
try:
    async_to_sync(layer.receive)("nobody-sends")
except KeyboardInterrupt:
    print("a prompt")
"""
    assert interrupted(code, clean_redis, layer) == ("a prompt\n", "")


def test_a_shell_can_be_left_however_many_wait(clean_redis: str) -> None:
    code = f"""{BEGIN}
import threading
from contextlib import suppress
receive = async_to_sync(channels.layers.get_channel_layer().receive)

def wait(number):
    with suppress(BaseException):
        receive(f"nobody-sends-{{number}}")

for number in range(8):
    threading.Thread(target=wait, args=[number]).start()
print("waits", flush=True)
try:
    receive("nobody-sends")
except KeyboardInterrupt:
    print("a prompt")
"""
    assert interrupted(code, clean_redis, "default", calls=9) == ("a prompt\n", "")


def test_what_was_left_takes_no_message_from_who_comes_next(clean_redis: str) -> None:
    """Of the same thread: another one may wait for the same channel beside it."""
    code = f"""{BEGIN}
import threading
layer = channels.layers.get_channel_layer()
receive = async_to_sync(layer.receive)
beside = threading.Thread(target=lambda: print("beside", receive("other")))
beside.start()
print("waits", flush=True)
try:
    receive("test_channel")
except KeyboardInterrupt:
    print("a prompt")
send = async_to_sync(layer.send)
send("test_channel", {{"type": "hello"}})
print(receive("test_channel"))
send("other", {{"type": "still there"}})
beside.join()
"""
    expected = "a prompt\n{'type': 'hello'}\nbeside {'type': 'still there'}\n"
    assert interrupted(code, clean_redis, "default", calls=2) == (expected, "")


DEAF = """
import asyncio
from channels_redis.core import RedisChannelLayer
hear = RedisChannelLayer.receive_single

async def deaf(self, channel):
    RedisChannelLayer.receive_single = hear
    try:
        return await hear(self, channel)
    except asyncio.CancelledError:
        return await hear(self, channel)

RedisChannelLayer.receive_single = deaf
"""
SLOW = """
import time
from asyncio import selector_events
close = selector_events._SelectorTransport._call_connection_lost

def slow(self, error):
    time.sleep(0.3)
    close(self, error)

selector_events._SelectorTransport._call_connection_lost = slow
"""


@pytest.mark.parametrize(
    "weak", [DEAF, SLOW], ids=["passes a cancel by", "closes its connection late"]
)
def test_what_was_left_ends_before_anything_is_sent(weak: str, clean_redis: str) -> None:
    """Both are moments that a busy machine meets, made long."""
    code = f"""{BEGIN}{weak}
layer = channels.layers.get_channel_layer()
receive = async_to_sync(layer.receive)
print("waits", flush=True)
try:
    receive("test_channel")
except KeyboardInterrupt:
    print("a prompt")
async_to_sync(layer.send)("test_channel", {{"type": "hello"}})
print(receive("test_channel"))
"""
    assert interrupted(code, clean_redis, "default") == ("a prompt\n{'type': 'hello'}\n", "")


def interrupted(code: str, redis: str, layer: str, *, calls: int = 1) -> tuple[str, str]:
    """Run it in a shell, with Ctrl-C when so many calls of it wait; what it said then."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "--verbosity=0", "--command", code],
        cwd=ROOT,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        wait_until(lambda: _waiting(redis, layer) == calls, "it does not wait")
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=BOUND)
    finally:
        process.kill()


def _waiting(url: str, layer: str) -> int:
    """How many calls wait in Redis."""
    import redis

    with redis.Redis.from_url(url, decode_responses=True) as client:
        commands = [each["cmd"] for each in client.client_list()]
        channels = client.pubsub_channels()
    return sum(each in {"bzpopmin", "blpop"} for each in commands) or len(channels)
