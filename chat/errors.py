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
        super().__init__(
            "unavailable",
            "This room was removed while it was empty and is being created again.",
            2.0,
        )


class Turned(Exception):
    """A connection that can't be, or no longer be: closed with `code`, one of the protocol's."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
