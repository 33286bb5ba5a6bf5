"""Names that people choose for themselves."""

import pytest

from core.accounts.names import can_be_seen


@pytest.mark.parametrize(
    "name",
    [
        *("Mo Rahimi", "O’Brien-Łuczak 3rd", "山田太郎", "김", "★"),
        "می\u200cخواهم",  # Persian, which needs the non-joiner
        "ශ්\u200dරී",  # Sinhala, which needs the joiner
        "क्\u200cष",
        *("👩🏽\u200d🚀", "🏳️\u200d🌈", "👨\u200d👩\u200d👧 at home"),
    ],
)
def test_a_name_of_any_script_is_a_name(name: str) -> None:
    assert can_be_seen(name)


@pytest.mark.parametrize(
    "name",
    [
        *("\u200d", "\u200d\u200c\u200d", "\u3164", "\u2800\u2800", "\u0301", "\ufe0f"),
        *("Mo Rahimi\u200c", "\u200dMo Rahimi", "Mo\u200c Rahimi", "M\u200co Rahimi"),
        *("Mo\u034f", "Mo\u3164Rahimi", "Mod\u202erotare", "Mo\u00ad", "Mo\u200b"),
        *("می\u200c", "م\u200c\u200cی", "क्\u200c", "🚀\u200d", "M\u200d🚀"),
    ],
)
def test_what_cannot_be_seen_is_in_no_name(name: str) -> None:
    assert not can_be_seen(name)
