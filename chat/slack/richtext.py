"""What somebody wrote in Slack's composer (`rich_text`), in the marks that its plain form has.

The texts in here are as they were typed: no entity, no bracket and no colon in them means anything.
"""

from collections.abc import Callable
from typing import Any

from chat.slack.emoji import emoji
from chat.slack.markup import Names, apart, link
from chat.slack.tally import LeftOut
from chat.slack.values import clean, objects_of, text_of, time_of, word

_MARKS = (("code", "`"), ("strike", "~"), ("italic", "_"), ("bold", "*"))  # the innermost first
_BULLETS = "•◦▪"
_INDENT_MAX = 8


def rich_text(block: dict[str, Any], names: Names, left: LeftOut) -> str:
    """The text of one block; what cannot be told in text is counted in `left`."""
    parts = (_part(part, names, left) for part in objects_of(block, "elements"))
    return "\n".join(part for part in parts if part)


def _part(part: dict[str, Any], names: Names, left: LeftOut) -> str:
    kind = part.get("type")
    if kind == "rich_text_list":
        return _list(part, names, left)
    text = _line(part, names, left).removesuffix("\n")
    if kind == "rich_text_preformatted":
        return f"```{text}```" if text else ""
    if kind == "rich_text_quote":
        return "\n".join(f"> {line}" for line in text.split("\n")) if text else ""
    if kind != "rich_text_section":
        left[f"formatting of the unknown kind {word(kind)}"] += 1
    return text


def _list(part: dict[str, Any], names: Names, left: LeftOut) -> str:
    indent = min(_number(part, "indent"), _INDENT_MAX)
    first = _number(part, "offset") + 1
    lines = []
    for number, item in enumerate(objects_of(part, "elements"), first):
        sign = f"{number}." if part.get("style") == "ordered" else _BULLETS[min(indent, 2)]
        lines.append(f"{'    ' * indent}{sign} {_line(item, names, left)}")
    return "\n".join(lines)


def _number(part: dict[str, Any], key: str) -> int:
    value = part.get(key)
    return value if isinstance(value, int) and 0 < value < 1_000_000 else 0


def _line(part: dict[str, Any], names: Names, left: LeftOut) -> str:
    plain = part.get("type") == "rich_text_preformatted"
    line, address = "", False
    for element in objects_of(part, "elements"):
        if text := _element(element, names, left):
            shown = text if plain else _marked(text, element.get("style"))
            line = (apart(line, shown) if address else line) + shown
            address = element.get("type") == "link" and not plain
    return line


def _marked(text: str, style: object) -> str:
    """`*bold*`, with the space at its ends outside, as the marks must touch what they mark."""
    inner = text.strip()
    if not isinstance(style, dict) or not inner:
        return text
    start = text.index(inner)
    before, after = text[:start], text[start + len(inner) :]
    for name, mark in _MARKS:
        if style.get(name) is True:
            inner = f"{mark}{inner}{mark}"
    return before + inner + after


def _element(element: dict[str, Any], names: Names, left: LeftOut) -> str:
    text = element.get("text")
    typed = clean(text) if isinstance(text, str) else ""
    kind = element.get("type")
    if kind == "link":
        return link(text_of(element, "url"), typed)
    if isinstance(kind, str) and (shown := _SHOWN.get(kind)):
        return shown(element, names)
    if kind != "text" and not typed:
        left[f"text of the unknown kind {word(kind)}"] += 1
    return typed


def _emoji(element: dict[str, Any]) -> str:
    """By its name; one outside our table by its code points, where Slack gives them."""
    name, tone = text_of(element, "name"), element.get("skin_tone")
    if "::" not in name and isinstance(tone, int) and 2 <= tone <= 6:
        name = f"{name}::skin-tone-{tone}"
    shown = emoji(name)
    if shown.startswith(":"):
        try:
            return clean(
                "".join(chr(int(one, 16)) for one in text_of(element, "unicode").split("-"))
            )
        except (ValueError, OverflowError):
            pass
    return shown


def _date(element: dict[str, Any]) -> str:
    if fallback := text_of(element, "fallback"):
        return fallback
    when = element.get("timestamp")
    if isinstance(when, int) and 0 < when < 2**33:
        return f"{time_of(when * 1_000_000):%Y-%m-%d %H:%M} UTC"
    return "a date"


_SHOWN: dict[str, Callable[[dict[str, Any], Names], str]] = {
    "emoji": lambda element, names: _emoji(element),
    "user": lambda element, names: "@" + names.user(text_of(element, "user_id")),
    "channel": lambda element, names: "#" + names.room(text_of(element, "channel_id")),
    "usergroup": lambda element, names: "@group",  # exports do not tell their names
    "team": lambda element, names: "@team",
    "broadcast": lambda element, names: "@" + (text_of(element, "range") or "channel"),
    "color": lambda element, names: text_of(element, "value"),
    "date": lambda element, names: _date(element),
}
