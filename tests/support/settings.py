"""The chat's settings for the servers of most tests: passwords take no time to check."""

from core.settings import *  # noqa: F403

PASSWORD_HASHERS = ["tests.support.hashers.Quick"]
