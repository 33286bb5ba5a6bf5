"""What our cookies are called.

Browsers keep cookies by host and do not look at the port: with Django's own names this chat and
another program on the same host, or two copies of the chat, overwrite each other's and sign each
other out. So the names are ours, and differ by the port that people see. Under HTTPS they have the
prefix by which a browser takes them from this host alone, over TLS, and for no other host.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit


def named(kind: str, *, https: bool, port: str) -> str:
    """The name of the cookie for `kind` ("session", "csrf"); `port` is empty where none is seen."""
    name = f"chat_{kind}_{port}" if port else f"chat_{kind}"
    return f"__Host-{name}" if https else name


def seen_port(*, debug: bool, own: str, origins: Sequence[str]) -> str:
    """The port in the address that people type.

    Behind a proxy it is that of ORIGINS: several processes with ports of their own are one chat
    there, and must read each other's cookies. A developer's server is seen on its `own`.
    """
    if debug:
        return own
    try:
        return str(urlsplit(origins[0]).port or "") if origins else ""
    except ValueError:  # a check says what is wrong with it
        return ""
