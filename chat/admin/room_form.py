"""The form of a room: what its address may be."""

from typing import Any

from django import forms

from chat.models import Address, Room
from chat.models.slugs import made_address, unguessable_slug
from chat.rooms.slugs import slug_for
from core.visible import hides_nothing


class RoomForm(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if slug := self.fields.get("slug"):  # who may only look has none
            slug.required = False
            slug.help_text = (
                "For open rooms only; a private room gets a generated, unguessable address. Former "
                "addresses keep leading to the room and are never given to another one."
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        title = cleaned.get("title")
        if "title" in self.changed_data and title and not hides_nothing(title):
            self.add_error("title", "A title cannot contain invisible characters.")
        if "slug" not in self.fields or "slug" in self.errors:
            return cleaned
        slug, before = cleaned.get("slug"), self.instance.slug
        if cleaned.get("kind", self.instance.kind) != Room.Kind.PRIVATE:
            if not slug:
                self.add_error("slug", "An open room needs an address.")
            elif slug != before and (problem := what_is_wrong_with(slug)):
                self.add_error("slug", problem)
        elif slug and slug != before:
            self.add_error("slug", "Leave this empty: a private room gets a generated address.")
        else:  # the model sees that it is one that nobody guesses
            cleaned["slug"] = before or unguessable_slug(Room.Kind.PRIVATE)
        taken = Address.objects.filter(slug=slug)  # also of a room that is gone
        if self.instance.pk is not None:
            taken = taken.exclude(room=self.instance.pk)
        if slug and taken.exists() and "slug" not in self.errors:
            self.add_error("slug", "This address is used, or was used, by another room.")
        return cleaned


def what_is_wrong_with(slug: str) -> str:
    """Why no open room may be given this address: nobody could come there by a name, and who tried
    would make another room. Empty where nothing is wrong."""
    if made_address(slug):
        return "Addresses like this are reserved for private rooms. Choose another."
    plain = slug_for(slug)
    if not plain:
        return "An address needs at least one letter or digit."
    return "" if slug == plain else f"Write it as “{plain}”."
