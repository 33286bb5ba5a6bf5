"""What of a text can be seen, in messages, names, addresses and reactions."""

import pytest

from core.visible import can_be_seen, hides_nothing, without_unseen

# Nothing to the eye, of every kind: spaces, controls, letters, marks, signs, selectors, tags.
UNSEEN = [
    *(" ", "\n\t", "\u00a0", "\u3000", "\u2028", "\u1680"),
    *("\x1b", "\x00", "\x7f", "\u0085", "\u00ad", "\u034f", "\u061c"),
    *("\u115f", "\u1160", "\u17b4", "\u17b5", "\u180e", "\u2800", "\u3164", "\uffa0"),
    *("\u200b", "\u200d", "\u202e", "\u2060", "\u2066", "\ufe0f", "\ufeff", "\ufff0"),
    *("\U0001d173", "\U000e0001", "\U000e0041", "\U000e0100", "\u2065"),
    *(
        "\U0001d159",
        "\U00013441",
        "\U00013442",
        "\U00016fe4",
        "\ufffc",
        "\ufffe",
        "\ufdd0",
        "\U0010ffff",
    ),
    "\u2800 \u3164\u200b\n\x1b",
]


@pytest.mark.parametrize("text", UNSEEN)
def test_what_cannot_be_seen_is_no_text_and_no_name(text: str) -> None:
    assert not can_be_seen(text)
    assert not hides_nothing(text)
    assert not hides_nothing(f"Mo{text}") or text == " "
    assert without_unseen(text) == ""
    assert without_unseen(f"{text}Mo{text}Ra{text}").replace(" ", "") == "MoRa"


@pytest.mark.parametrize(
    "text", ["x", ".", "\u0301", "김", "\u200bx", "🫨", "\U0001fae9", "\ue000", "⠁", "👨\u200d👩"]
)
def test_everything_else_can(text: str) -> None:
    """Signs that are younger than Python's tables, too."""
    assert can_be_seen(text)


@pytest.mark.parametrize(
    "name",
    [
        *("Mo Rahimi", "O’Brien-Łuczak 3rd", "山田太郎", "김", "★", "葛\U000e0100城"),
        "می\u200cخواهم",  # Persian, which needs the non-joiner
        "ශ්\u200dරී",  # Sinhala, which needs the joiner
        "क्\u200cष",
        *(
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
            "🙂\u200d↔️ Bo",
            "ᠮᠣᠩᠭᠣᠯ\u180b",
        ),
        *("👩🏽\u200d🚀", "🏳️\u200d🌈", "👨\u200d👩\u200d👧 at home", "I ❤️ Mo", "1️⃣"),
    ],
)
def test_a_name_of_any_script_is_a_name(name: str) -> None:
    assert hides_nothing(name)


@pytest.mark.parametrize(
    "name",
    [
        *("\u200d", "\u200d\u200c\u200d", "\u3164", "\u2800\u2800", "\u0301", "\ufe0f"),
        *("Mo Rahimi\u200c", "\u200dMo Rahimi", "Mo\u200c Rahimi", "M\u200co Rahimi"),
        *("Mo\u034f", "Mo\u3164Rahimi", "Mod\u202erotare", "Mo\u00ad", "Mo\u200b", "M\ufe0fo"),
        *("می\u200c", "م\u200c\u200cی", "क्\u200c", "🚀\u200d", "M\u200d🚀", "❤\ufe0f\ufe0f"),
        *("Mo\nRahimi", "Mo\u00a0Rahimi"),
    ],
)
def test_what_cannot_be_seen_is_in_no_name(name: str) -> None:
    assert not hides_nothing(name)
