"""Which signs are an emoji, and how each is spelled."""

from functools import cache

# They ask for a colourful or a plain look. Some spellings of an emoji have one, and some have not.
_SELECTORS = str.maketrans("", "", "\ufe0e\ufe0f")


def spelled(text: str) -> str:
    """One spelling for all of an emoji: ❤ is ❤️. Other text as it is."""
    return _spellings().get(text.translate(_SELECTORS), text)


def is_emoji(text: str) -> bool:
    """Whether it is one emoji, and nothing else."""
    return text.translate(_SELECTORS) in _spellings()


@cache
def _spellings() -> dict[str, str]:
    """The fully-qualified spelling by what is left without selectors. Not parts, as a skin tone."""
    import emoji  # a tenth of a second, which most commands need not spend

    full = emoji.STATUS["fully_qualified"]
    listed = (sign for sign, about in emoji.EMOJI_DATA.items() if about["status"] == full)
    return {sign.translate(_SELECTORS): sign for sign in listed}
