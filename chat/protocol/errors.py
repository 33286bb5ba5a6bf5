"""Why a command is refused, and why a connection is closed. The codes are Close."""

from enum import Enum

from core.daphne.close import Close

__all__ = ["Close", "Gone", "Refused", "Rejected", "Revocation"]


class Refused(Exception):
    """A command that was understood and cannot be carried out; becomes an `error` frame.

    `code` is one of the protocol's error codes, `detail` a sentence for the person who sent it,
    `retry_after` the seconds after which the same command may succeed (None: it will not).
    """

    def __init__(self, code: str, detail: str, retry_after: float | None = None) -> None:
        super().__init__(code, detail, retry_after)
        self.code = code
        self.detail = detail
        self.retry_after = retry_after


class Gone(Refused):
    """The room is not there any more: it was empty for long. Whoever comes back to its address
    opens it again, or learns that this cannot be."""

    def __init__(self) -> None:
        detail = "This room was removed while it was empty and is being created again."
        super().__init__("unavailable", detail, 2.0)


class Rejected(Exception):
    """A connection that cannot be, or can no longer be: it is closed with `code`."""

    def __init__(self, code: Close, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


class Revocation(Enum):
    """Why somebody who was let in may no longer be here: the close code of their connections, and
    what the person is told.

    On COME_BACK a client comes back, with the session that its browser has by then, and is let in
    or not by what that is worth. It is told nothing: the room has not closed for it.
    """

    SIGNED_OUT = Close.SIGN_IN, "You are signed out."  # by oneself, or the session was over
    DEACTIVATED = Close.SIGN_IN, "This account is closed."
    # The session was replaced by a sign-in or a sign-up, or the password has changed; the room is
    # gone, or is a private one now.
    COME_BACK = Close.COME_BACK, ""
    BANNED = Close.FORBIDDEN, "You are banned."
    REMOVED = Close.FORBIDDEN, "You were removed from this room."

    def __init__(self, code: Close, detail: str) -> None:
        self.code = code
        self.detail = detail
