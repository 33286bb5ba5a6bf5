"""Stands for the socket of a protocol."""


class Transport:
    """Tells whether it would be read from."""

    is_read = True

    def pauseProducing(self) -> None:
        self.is_read = False

    def resumeProducing(self) -> None:
        self.is_read = True
