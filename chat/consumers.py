"""The socket's side of a room: frames in, commands on; everything else is somebody else's work."""

import asyncio
import logging
from typing import Any
from urllib.parse import parse_qs

from channels.consumer import AsyncConsumer
from django.conf import settings
from django.db import Error as DatabaseError

from chat import access, events, history
from chat.commands import (
    Command,
    History,
    Ping,
    PresenceGet,
    Read,
    Typing,
    Undecodable,
    decode,
)
from chat.connection import Connection
from chat.engine import Engine
from chat.errors import Refused, Turned
from chat.feed import newest_that_fit
from chat.outbox import Outbox, Overflow
from chat.reading import reading
from chat.writer import RETRY_AFTER
from core import guests, identity, throttle
from core.origins import is_browser, is_own_origin
from core.rates import Bucket
from core.trouble import Trouble

logger = logging.getLogger(__name__)

SUBPROTOCOL = "chat.v1"
# Our own failure; the client comes back on it. Not 1011: Daphne closes with 1000 and 3000 to 4999
# only. On another code it raises, and the socket stayed open and deaf for ever: found where a
# newcomer met a database connection that had died in the pool.
FAILED = 1000

_serving = Trouble(logger, "Sockets could not be served")


class RoomConsumer(AsyncConsumer):
    """One WebSocket in one room.

    Channels' own loop is not used: it gives each socket a mailbox in Redis and a thread hop for
    each event. Here the hub has the one mailbox, and `finally` always runs.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.connection: Connection | None = None
        if (await receive())["type"] != "websocket.connect":
            return
        if not is_own_origin(scope):
            await send({"type": "websocket.close"})  # not accepted: the browser sees a 403
            return
        # Accept first: Daphne gives a handshake five seconds, and a replay may take longer.
        lines = SUBPROTOCOL in scope.get("subprotocols", ())
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if lines else None})
        self.outbox = Outbox(
            send,
            lines=lines,
            is_plain=not lines and _since(scope) is None,
            wire=scope.get("extensions", {}).get("chat.wire"),
        )
        try:
            await self._converse()
        except Turned as turned:
            await self._turn_away(turned)
        except DatabaseError as error:
            _serving.met(error)
            self._last_word(events.error(_unavailable()))
            await self._close(FAILED)
        except Exception:
            logger.exception("A socket failed")
            await self._close(FAILED)
        finally:
            self._leave()

    async def _converse(self) -> None:
        self.engine = Engine.current()
        connection = self.connection = await self._enter()
        self.engine.admit(connection)
        feed = await self.engine.hub.follow(connection.room.pk, connection)
        connection.feed = feed
        self.engine.rights.came(connection)
        await self.engine.online.enter(feed, connection)
        await self._show_history(connection)
        _serving.over()
        self.seconds = Bucket(1, 1)
        most = settings.CHAT_BAD_FRAMES_MAX
        self.patience = Bucket(most / 60, most - 1)
        while (message := await self.receive())["type"] == "websocket.receive":
            if connection.is_closing:
                continue
            try:
                await self._handle(connection, message.get("text"))
            except Undecodable as error:
                connection.push_one(events.error(error, ref=error.ref, client_id=error.client_id))
                self._lose_patience()

    async def _enter(self) -> Connection:
        slug = self.scope["url_route"]["kwargs"]["slug"]
        address = (self.scope.get("client") or [None])[0]
        session = identity.session_key(self.scope)
        entry = await reading(_enter)(self.scope, slug, throttle.network(address))
        if entry is None:
            session, entry = None, await self._welcome(slug, address)
        return Connection(
            entry,
            self.outbox,
            self._close,
            process=self.engine.hub.process,
            session=session,
        )

    async def _welcome(self, slug: str, address: str | None) -> access.Entry:
        """Let somebody in who has no session, as a guest, if there is a room for one.

        Not the room page: it came with a session, so it had one, and lost it. As somebody new it
        would send what the person before has not sent yet.
        """
        is_room_page = is_browser(self.scope) and self.outbox.lines
        if is_room_page or not settings.CHAT_GUESTS:
            raise Turned(4401, "Sign in first.")
        await reading(access.look)(slug)
        guest = await guests.admit(address)
        if guest is None:
            raise Turned(4401, "Sign in first.")
        return await reading(access.enter_as)(guest, slug, throttle.network(address))

    async def _show_history(self, connection: Connection) -> None:
        feed = connection.feed
        assert feed is not None
        cursor = _cursor(self.scope)
        missed = None if cursor is None else await self.engine.hub.catch_up(feed, cursor)
        # From here to the join nothing is awaited: what is shown ends where the live events begin.
        if missed is not None:
            connection.send_missed(missed)
        else:
            connection.send_page("page" if cursor is None else "reset")
        self.engine.hub.join(feed, connection)
        self.engine.online.show(feed, connection)

    # -- commands -----------------------------------------------------------------------------

    async def _handle(self, connection: Connection, text: str | None) -> None:
        wait = self.engine.frames.take(connection.user.id)
        # A burst is on its way before its sender hears of the rate; who goes on was told.
        if wait and not self.seconds.take():
            self._lose_patience()
        command = decode(text)
        try:
            if wait:
                raise Refused(
                    "rate_limited", "You are doing this too quickly. Wait a moment.", round(wait, 2)
                )
            await self._carry_out(connection, command)
        except Refused as refused:
            connection.refuse(command, refused)
        except DatabaseError as error:
            _serving.met(error)
            connection.refuse(command, _unavailable())

    def _lose_patience(self) -> None:
        """For a frame that makes no sense, and for a second in which too many came."""
        if self.patience.take():
            raise Turned(4400, "Your browser or app sent too many requests, or invalid ones.")

    async def _carry_out(self, connection: Connection, command: Command) -> None:
        match command:
            case Ping():
                connection.push_one(events.pong(command.ref))
            case Typing():
                self.engine.typing(connection)
            case History():
                await self._wait_to_read(connection)
                await self._show_older(connection, command)
            case PresenceGet():
                await self._wait_to_read(connection)
                assert connection.feed is not None
                await self.engine.online.learn_names(connection.feed)
                self.engine.online.show(connection.feed, connection, command.ref)
            case _:
                if not isinstance(command, Read):
                    self._check_rate(connection)
                self.engine.submit(connection, command)

    async def _wait_to_read(self, connection: Connection) -> None:
        """Nobody is refused here: to scroll back without pause is nothing wrong."""
        await asyncio.sleep(self.engine.reads.reserve(connection.user.id))

    def _check_rate(self, connection: Connection) -> None:
        if wait := self.engine.posts.take((connection.user.id, connection.room.pk)):
            raise Refused(
                "rate_limited",
                "You are sending messages too quickly. Wait a moment.",
                round(wait, 2),
            )

    async def _show_older(self, connection: Connection, command: History) -> None:
        limit = min(command.limit or settings.CHAT_HISTORY_PAGE, settings.CHAT_HISTORY_MAX)
        before = history.NEWEST if command.before is None else command.before
        page = await reading(history.page)(connection.room.pk, before=before, limit=limit)
        # What a client holds must not be ahead of what it was delivered: its cursor would skip it.
        assert connection.feed is not None
        await self.engine.hub.reach(connection.feed, page.head)
        states = newest_that_fit([change.state for change in page.changes])
        more = page.more or len(states) < len(page.changes)
        connection.send_history(states, head=page.head, more=more, mode="page", ref=command.ref)

    # -- the end ------------------------------------------------------------------------------

    async def _turn_away(self, turned: Turned) -> None:
        if turned.code == 4410:
            self._last_word(events.error(_unavailable(turned.detail)))
        else:
            self._last_word(events.closed(turned.detail))
        await self.outbox.flushed()
        await self._close(turned.code)

    def _last_word(self, frame: bytes) -> None:
        try:
            self.outbox.push_one(frame)
        except Overflow:  # it does not read; it sees the code
            self.outbox.close()

    async def _close(self, code: int) -> None:
        try:
            await self.send({"type": "websocket.close", "code": code})
        except Exception as error:  # the client was faster
            logger.debug("Closing a socket that is gone: %r", error)

    def _leave(self) -> None:
        self.outbox.close() if self.connection is None else None
        connection = self.connection
        if connection is None:
            return
        connection.is_closing = True
        if connection.feed is not None:
            self.engine.hub.leave(connection.feed, connection)
            self.engine.online.leave(connection.feed, connection)
        self.engine.dismiss(connection)


def _unavailable(detail: str = "The server cannot use its database right now.") -> Refused:
    return Refused("unavailable", detail, RETRY_AFTER)


def _enter(scope: Any, slug: str, address: str) -> access.Entry | None:
    """Whose session it is, and what they may do in the room: one hop to a thread for both."""
    claim = identity.claim_of(scope)
    return None if claim is None else access.enter(claim, slug, address)


def _cursor(scope: Any) -> int | None:
    """The client's cursor; None where there is none, or none that makes sense."""
    since = _since(scope) or ""
    return int(since[:19]) if since.isascii() and since.isdigit() else None


def _since(scope: Any) -> str | None:
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    return query.get("since", [None])[-1]
