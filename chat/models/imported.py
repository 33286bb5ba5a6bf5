from django.conf import settings
from django.db import models
from django.db.models import Q


class Imported(models.Model):
    """Which user or room stands for one of another chat, by that chat's id.

    Names do not tell: a local account or room that merely bears the same name must never receive
    what was said elsewhere. To give an imported account to its person, change that account (its
    name, its password); this row keeps pointing to it.
    """

    source = models.CharField(max_length=20, help_text="The other chat, as “slack”.")
    key = models.CharField(max_length=120, help_text="Its id over there.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="imported"
    )
    room = models.ForeignKey(
        "chat.Room", on_delete=models.CASCADE, null=True, related_name="imported"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "key"], name="imported_once"),
            models.CheckConstraint(
                name="imported_is_user_or_room",
                condition=Q(user=None, room__isnull=False) | Q(user__isnull=False, room=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} of {self.source}"
