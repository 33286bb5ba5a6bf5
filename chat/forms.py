from django import forms
from django.core.exceptions import ValidationError

from chat.entry import slug_for


class RoomNameForm(forms.Form):
    """The name of a room to enter; cleaned, it is the room's address."""

    name = forms.CharField(
        label="Which room?",
        max_length=200,
        widget=forms.TextInput(
            attrs={
                "id": "room-name-input",
                "autofocus": True,
                "autocomplete": "off",
                "autocapitalize": "none",
                "spellcheck": "false",
                "placeholder": "lobby",
                "aria-describedby": "room-name-help",
            }
        ),
        error_messages={"required": "Type the name of a room."},
    )

    def clean_name(self) -> str:
        slug = slug_for(self.cleaned_data["name"])
        if not slug:
            raise ValidationError("A room's name needs at least one letter or digit.")
        return slug
