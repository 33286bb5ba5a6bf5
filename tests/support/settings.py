"""The chat's settings for the servers of most tests, without what takes the processor's time: it
checks passwords at once, and has read the static files when it starts. A constant that a test needs
otherwise is set here too, from the environment."""

import os

from core.daphne import returns
from core.settings import *  # noqa: F403
from core.settings import MIDDLEWARE

PASSWORD_HASHERS = ["tests.support.hashers.Quick"]

# A page of a room asks for some forty, and with DEBUG each is looked for anew, twice.
MIDDLEWARE = [name for name in MIDDLEWARE if name != "core.static.MissingStaticFiles"]
SERVESTATIC_AUTOREFRESH = False
SERVESTATIC_MAX_AGE = 600

# How soon a socket that was turned away is forgotten: a test may be slower than the usual.
returns.A_SECOND = float(os.environ.get("FORGIVEN_A_SECOND", returns.A_SECOND))
