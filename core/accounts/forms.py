from typing import Any

from django import forms
from django.contrib.auth.forms import UserCreationForm

from core.accounts.names import problem_with, problem_with_username
from core.models import User


class WithNames(forms.ModelForm):
    """Says what is wrong with the names that are chosen. Those from before stay; but a name that
    somebody had for their power goes with it."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        rules = {"username": problem_with_username, "display_name": problem_with}
        user = self.instance
        power = (cleaned.get(each, getattr(user, each)) for each in ("is_staff", "is_superuser"))
        has_power = any(power)
        loses_it = user.has_power and not has_power
        for field in rules if loses_it else rules.keys() & set(self.changed_data):
            name = cleaned.get(field)
            if name and (problem := rules[field](name, has_power=has_power)):
                self.add_error(field, problem)
        return cleaned


class SignUpForm(WithNames, UserCreationForm):
    """A new account; or, given a guest, that guest's own row made into an account."""

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username", "display_name")
        help_texts = {
            "username": "Letters, digits and @ . + - _",
            "display_name": "Shown to others. If you leave it empty, your username is shown.",
        }
        widgets = {"display_name": forms.TextInput(attrs={"autocomplete": "name"})}
        error_messages = {
            "username": {"invalid": "Use only letters, digits and @ . + - _, without spaces."}
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password1"].help_text = "At least 8 characters, and not easy to guess."
        self.fields["password2"].label = "Confirm password"
        self.fields["password2"].help_text = ""

    def clean_display_name(self) -> str:
        return " ".join(self.cleaned_data["display_name"].split())

    def validate_password_for_user(self, user: User, *_: str) -> None:
        """What is wrong with a password is said where it was chosen, not where it was repeated."""
        super().validate_password_for_user(user, "password1")  # type: ignore[misc]  # no stub

    def save(self, commit: bool = True) -> User:
        self.instance.is_guest = False
        if self.instance.pk is None or not commit:
            return super().save(commit)
        # Only what signing up changes: a guest who is closed at this moment stays closed.
        user = super().save(commit=False)
        user.save(update_fields=[*self.Meta.fields, "password", "is_guest"])
        return user
