"""The socket's side of a room: frames in, commands on; everything else is somebody else's work."""

import asyncio
import logging
from typing import Any
from urllib.parse import parse_qs

from channels.consumer import AsyncConsumer
from django.conf import settings
from django.db import Error as DatabaseError

from chat.live.connection import Connection
from chat.live.outbox import Outbox, Overflow
from chat.live.queries import query
from chat.live.tail import newest_that_fit
from chat.log import history
from chat.log.writer import RETRY_AFTER
from chat.process import Process
from chat.protocol import commands, frames
from chat.protocol.errors import Close, Refused, Rejected
from chat.rooms import admission
from core.accounts import guests, identity
from core.rates import Bucket
from core.trouble import Trouble
from core.web import throttle
from core.web.origins import is_browser, is_own_origin

logger = logging.getLogger(__name__)

SUBPROTOCOL = "chat.v1"

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
        except Rejected as rejected:
            await self.reject(rejected)
        except DatabaseError as error:
            _serving.met(error)
            self._last_word(frames.error(_unavailable()))
            await self._close(Close.COME_BACK)
        except Exception:
            logger.exception("A socket failed")
            await self._close(Close.COME_BACK)
        finally:
            if self.connection is None:
                self.outbox.close()
            else:
                self.connection.end()

    async def _converse(self) -> None:
        self.process = Process.current()
        connection = self.connection = await self._enter()
        self.process.admit(connection)
        self.feed = await self.process.hub.follow(connection)
        self.process.revocations.check_soon(connection)
        await self.process.online.enter(connection)
        await self.show_history(connection)
        _serving.over()
        self.seconds = Bucket(1, 1)
        most = settings.CHAT_BAD_FRAMES_MAX
        self.patience = Bucket(most / 60, most - 1)
        while (message := await self.receive())["type"] == "websocket.receive":
            if connection.is_closing:
                continue
            try:
                await self._handle(connection, message.get("text"))
            except commands.Undecodable as error:
                connection.push_one(frames.error(error, ref=error.ref, client_id=error.client_id))
                self._lose_patience()

    async def _enter(self) -> Connection:
        slug = self.scope["url_route"]["kwargs"]["slug"]
        address = (self.scope.get("client") or [None])[0]
        session = identity.session_key(self.scope)
        admitted = await query(_enter)(self.scope, slug, throttle.network(address))
        if admitted is None:
            session, admitted = None, await self._welcome(slug, address)
        if admitted is None:
            raise Rejected(Close.SIGN_IN, "Sign in first.")
        process_id = self.process.hub.mailbox.process_id
        return Connection(
            admitted, self.outbox, self._close, process_id=process_id, session=session
        )

    async def _welcome(self, slug: str, address: str | None) -> admission.Admission | None:
        """Let somebody in who has no session, as a guest; None where they must sign in first.

        Not the room page: it came with a session, so it had one, and lost it. As somebody new it
        would send what the person before has not sent yet.
        """
        is_room_page = is_browser(self.scope) and self.outbox.lines
        if is_room_page or not settings.CHAT_GUESTS:
            return None
        await query(admission.look)(slug)
        guest = await guests.admit(address)
        if guest is None:
            return None
        return await query(admission.enter_as)(guest, slug, throttle.network(address))

    async def show_history(self, connection: Connection) -> None:
        cursor = _cursor(self.scope)
        missed = None if cursor is None else await self.process.hub.catch_up(self.feed, cursor)
        # From here to the join nothing is awaited: what is shown ends where the live events begin.
        if missed is not None:
            self.feed.send_missed(connection, missed)
        else:
            self.feed.send_page(connection, "page" if cursor is None else "reset")
        self.process.hub.join(self.feed, connection)
        self.process.online.show(connection)

    # -- commands -----------------------------------------------------------------------------

    async def _handle(self, connection: Connection, text: str | None) -> None:
        wait = self.process.frame_rates.take(connection.user.id)
        # A burst is on its way before its sender hears of the rate; who goes on was told.
        if wait and not self.seconds.take():
            self._lose_patience()
        command = commands.decode(text)
        try:
            _check_rate(wait, "You are doing this too quickly. Wait a moment.")
            await self._carry_out(connection, command)
        except Refused as refused:
            connection.refuse(command, refused)
        except DatabaseError as error:
            _serving.met(error)
            connection.refuse(command, _unavailable())

    def _lose_patience(self) -> None:
        """For a frame that makes no sense, and for a second in which too many came."""
        if self.patience.take():
            raise Rejected(
                Close.BAD_FRAMES, "Your browser or app sent too many requests, or invalid ones."
            )

    async def _carry_out(self, connection: Connection, command: commands.Command) -> None:
        match command:
            case commands.Ping():
                connection.push_one(frames.pong(command.ref))
            case commands.Typing():
                self.process.typing.show(connection)
            case commands.History():
                await self._wait_to_read(connection)
                await self._show_older(connection, command)
            case commands.PresenceGet():
                await self._wait_to_read(connection)
                await self.process.online.learn_names(connection)
                self.process.online.show(connection, command.ref)
            case commands.Read():
                self.process.submit(connection, command)
            case _:
                who = (connection.user.id, connection.room_id)
                if isinstance(command, commands.Edit):
                    wait = self.process.edit_rates.take(who)
                    _check_rate(wait, "You are editing messages too quickly. Wait a moment.")
                wait = self.process.post_rates.take(who)
                _check_rate(wait, "You are sending messages too quickly. Wait a moment.")
                self.process.submit(connection, command)

    async def _wait_to_read(self, connection: Connection) -> None:
        """Nobody is refused here: to scroll back without pause is nothing wrong."""
        await asyncio.sleep(self.process.read_rates.reserve(connection.user.id))

    async def _show_older(self, connection: Connection, command: commands.History) -> None:
        limit = min(command.limit or settings.CHAT_HISTORY_PAGE, settings.CHAT_HISTORY_MAX)
        before = history.NEWEST if command.before is None else command.before
        page = await query(history.page)(connection.room_id, before=before, limit=limit)
        # What a client holds must not be ahead of what it was delivered: its cursor would skip it.
        await self.process.hub.repairs.reach(self.feed, page.head)
        states = newest_that_fit([change.state for change in page.changes])
        more = page.more or len(states) < len(page.changes)
        connection.send_history(states, head=page.head, more=more, mode="page", ref=command.ref)

    # -- the end ------------------------------------------------------------------------------

    async def reject(self, rejected: Rejected) -> None:
        if rejected.code == Close.LEAVING:
            self._last_word(frames.error(_unavailable(rejected.detail)))
        else:
            self._last_word(frames.closed(rejected.detail))
        await self.outbox.flushed()
        await self._close(rejected.code)

    def _last_word(self, frame: bytes) -> None:
        try:
            self.outbox.push_one(frame)
        except Overflow:  # it does not read; it sees the code
            self.outbox.close()

    async def _close(self, code: Close) -> None:
        try:
            await self.send({"type": "websocket.close", "code": int(code)})
        except Exception as error:  # the client was faster
            logger.debug("Closing a socket that is gone: %r", error)


def _unavailable(detail: str = "The server cannot use its database right now.") -> Refused:
    return Refused("unavailable", detail, RETRY_AFTER)


def _check_rate(wait: float, detail: str) -> None:
    """Refuse what comes so many seconds too early."""
    if wait:
        raise Refused("rate_limited", detail, round(wait, 2))


def _enter(scope: Any, slug: str, address: str) -> admission.Admission | None:
    """Whose session it is, and what they may do in the room: one hop to a thread for both."""
    claim = identity.claim_of(scope)
    is_back = _cursor(scope) is not None
    return None if claim is None else admission.enter(claim, slug, address, is_back=is_back)


def _cursor(scope: Any) -> int | None:
    """The client's cursor; None where there is none, or none that makes sense."""
    since = _since(scope) or ""
    return int(since[:19]) if since.isascii() and since.isdigit() else None


def _since(scope: Any) -> str | None:
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    return query.get("since", [None])[-1]
