import re
from typing import Any
from urllib.parse import unquote

from django import forms
from django.core.exceptions import ValidationError

from chat.rooms.slugs import address_for

# As a browser copies it, and its path alone; js/model/slug.js reads the same.
LINK = re.compile(r"(?:(?:https?://)?([^/]+))?/chat/([^/?#]+)/?(?:[?#].*)?", re.I | re.S)


class RoomNameForm(forms.Form):
    """The name of a room to enter, or a link to it; cleaned, it is the room's address.

    `host` is this site's; `named` is the name, also where it stood in a link.
    """

    named = ""

    name = forms.CharField(
        label="Room name",
        max_length=1_200,  # an address of 80 characters may be 960 in a link
        widget=forms.TextInput(
            attrs={
                "id": "room-name-input",
                "autocomplete": "off",
                "autocapitalize": "none",
                "spellcheck": "false",
                "placeholder": "lobby",
                "aria-describedby": "room-name-help",
            }
        ),
        error_messages={"required": "Enter the name of a room."},
    )

    def __init__(self, *args: Any, host: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.host = host

    def clean_name(self) -> str:
        self.named = name_in(self.cleaned_data["name"], self.host)
        slug = address_for(self.named)
        if not slug:
            raise ValidationError("A room name needs at least one letter or digit.")
        return slug


def name_in(text: str, host: str) -> str:
    """What a link to a room of this site, or its path, names; other text as it is."""
    link = LINK.fullmatch(text)
    if link is None or (link[1] or host).lower() != host.lower():
        return text
    return unquote(link[2]).replace("\0", "")  # PostgreSQL takes none
