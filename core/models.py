from typing import ClassVar, Literal

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils.crypto import get_random_string

Mark = Literal["staff", "guest"]


class ChatUserManager(UserManager["User"]):
    def create_guest(self) -> "User":
        """A visitor without an account: a name, no password, nothing to sign in with."""
        tag = get_random_string(8, "abcdefghjkmnpqrstuvwxyz23456789")
        guest = self.model(username=f"guest-{tag}", display_name=f"Guest {tag[:4]}", is_guest=True)
        guest.set_unusable_password()
        guest.save(using=self._db)
        return guest


class User(AbstractUser):
    """A person, a guest or a bot. `display_name` is what others see."""

    display_name = models.CharField(max_length=80, blank=True)
    is_guest = models.BooleanField(default=False)
    last_seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_invisible = models.BooleanField(
        default=False,
        db_default=False,  # for the old code that runs beside the migration
        help_text="Others never see this person online, typing or last seen.",
    )

    objects: ClassVar[ChatUserManager] = ChatUserManager()

    @property
    def name(self) -> str:
        return self.display_name or self.username

    @staticmethod
    def person_sql(user: str) -> str:
        """What chat.protocol.persons.person takes after the pk, of a row that is called so."""
        has_power = f"{user}.is_staff OR {user}.is_superuser"
        return f"{user}.username, {user}.display_name, {has_power}, {user}.is_guest"

    @property
    def has_power(self) -> bool:
        """In the admin only a superuser may touch them."""
        return self.is_staff or self.is_superuser

    @property
    def mark(self) -> Mark | None:
        """What stands beside their name, and no name can say; None for most."""
        return "staff" if self.has_power else "guest" if self.is_guest else None

    def __str__(self) -> str:
        """For the admin: two people may call themselves the same."""
        return self.name if self.name == self.username else f"{self.name} ({self.username})"
