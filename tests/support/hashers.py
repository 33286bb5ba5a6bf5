"""How passwords are kept in tests."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class Quick(PBKDF2PasswordHasher):
    """The usual one, which also others can check, without what makes it slow: a third of a second
    of the processor each time."""

    iterations = 1
