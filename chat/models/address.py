from django.db import models

from chat.models.slugs import SLUG_MAX


class Address(models.Model):
    """Every address that leads to a room: the one that it has, and those that it had.

    The database keeps these rows, by triggers on the rooms (migration 0008), so that pages, the
    admin, a shell, older code and SQL obey alike. One row an address, whatever room has or had it:
    nobody takes one that was another's, however two are at it in the same moment. An address is
    free again only where nobody can miss it: the room was open, and nothing was said in it.

    `room` is empty where the room is gone. Who deletes such a row by hand frees the address.
    """

    slug = models.CharField(max_length=SLUG_MAX, primary_key=True)
    room = models.ForeignKey(
        "chat.Room", on_delete=models.DO_NOTHING, null=True, related_name="addresses"
    )

    class Meta:
        verbose_name_plural = "addresses"

    def __str__(self) -> str:
        return self.slug
