"""Which signs are an emoji, and how each is spelled."""

from functools import cache

import emoji

_COLOURFUL = "\ufe0f"  # the selector that some spellings of an emoji have, and some have not


def spelled(text: str) -> str:
    """One spelling for all of an emoji: ❤ is ❤️. Other text as it is."""
    return _spellings().get(text.replace(_COLOURFUL, ""), text)


def is_emoji(text: str) -> bool:
    """Whether it is one emoji, and nothing else."""
    return text.replace(_COLOURFUL, "") in _spellings()


@cache
def _spellings() -> dict[str, str]:
    """The fully-qualified spelling by what is left without selectors. Not parts, as a skin tone."""
    full = emoji.STATUS["fully_qualified"]
    listed = (sign for sign, about in emoji.EMOJI_DATA.items() if about["status"] == full)
    return {sign.replace(_COLOURFUL, ""): sign for sign in listed}
