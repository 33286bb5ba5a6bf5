"""Tests against real programs of Debian: `make peers` runs them, `make test` does not.

Where the packages can't be had they fail; nothing is skipped.
"""

from tests.support.pages import sign_in
from tests.support.sockets import cast, chat_database, enter

__all__ = ["cast", "chat_database", "enter", "sign_in"]
