"""Slack's blocks, in which apps lay out a message, as lines of text."""

from collections.abc import Iterator
from typing import Any

from chat.slack.emoji import with_emoji
from chat.slack.markup import Names, link
from chat.slack.richtext import rich_text
from chat.slack.tally import LeftOut
from chat.slack.values import clean, objects_of, text_of, word

# What is looked at or pressed cannot be told in text: it is counted by these names.
_LEFT_OUT = {
    "images": "image user_image",
    "buttons": "button workflow_button icon_button feedback_buttons overflow",
    "inputs": """
        input checkboxes radio_buttons datepicker timepicker datetimepicker plain_text_input
        number_input email_text_input url_text_input rich_text_input file_input
    """,
    "remote files": "file",
    "videos": "video",
}
_NAMES_LEFT_OUT = {kind: name for name, kinds in _LEFT_OUT.items() for kind in kinds.split()}


def blocks_text(blocks: object, names: Names, left: LeftOut) -> str:
    """The lines of a list of blocks. What cannot be told in text is counted in `left`."""
    lines = (
        line
        for block in objects_of({"blocks": blocks}, "blocks")
        for line in _lines(block, names, left)
    )
    return "\n".join(line for line in lines if line.strip())


def _lines(block: dict[str, Any], names: Names, left: LeftOut) -> Iterator[str]:
    match block.get("type"):
        case "rich_text":
            yield rich_text(block, names, left)
        case "section" | "header":
            yield text_object(block.get("text"), names)
            yield from (text_object(field, names) for field in objects_of(block, "fields"))
            _leave_out(block.get("accessory"), left)
        case "context":
            yield " ".join(filter(None, _context(block, names, left)))
        case "markdown":
            yield text_object(block.get("text"), names, parse=False)
        case "table":
            yield from _rows(block, names, left)
        case "image" | "video" as kind:
            url = text_of(block, "title_url") if kind == "video" else ""
            yield link(url, text_object(block.get("title"), names))
            yield text_object(block.get("description"), names)
            left[f"{kind}s"] += 1
        case "input":
            yield text_object(block.get("label"), names)
            _leave_out(block.get("element"), left)
        case "call":
            yield text_of(block, "call", "v1", "name") or "a call"
        case "actions" | "context_actions":
            for element in objects_of(block, "elements"):
                _leave_out(element, left)
        case "divider":
            pass
        case _:
            _leave_out(block, left)


def text_object(value: object, names: Names, *, parse: bool = True) -> str:
    """A text with its kind: `mrkdwn` has Slack's markup, `plain_text` at most :emoji:."""
    if isinstance(value, str):
        text, kind = value, None
    elif isinstance(value, dict) and isinstance(value.get("text"), str):
        text, kind = value["text"], text_of(value, "type")
    else:
        return ""
    text = clean(text).strip()
    if not parse or kind == "raw_text":
        return text
    if kind == "plain_text":
        return text if isinstance(value, dict) and value.get("emoji") is False else with_emoji(text)
    return names.readable(text)


def _context(block: dict[str, Any], names: Names, left: LeftOut) -> Iterator[str]:
    for element in objects_of(block, "elements"):
        if element.get("type") in ("mrkdwn", "plain_text"):
            yield text_object(element, names)
        else:
            _leave_out(element, left)


def _rows(block: dict[str, Any], names: Names, left: LeftOut) -> Iterator[str]:
    rows = block.get("rows")
    for row in rows if isinstance(rows, list) else ():
        cells = objects_of({"cells": row}, "cells")
        yield " | ".join(
            rich_text(cell, names, left)
            if cell.get("type") == "rich_text"
            else text_object(cell, names)
            for cell in cells
        )


def _leave_out(part: object, left: LeftOut) -> None:
    if not isinstance(part, dict):
        return
    kind = part.get("type")
    name = _NAMES_LEFT_OUT.get(kind) if isinstance(kind, str) else None
    if name is None and isinstance(kind, str) and kind.endswith("_select"):
        name = "menus"
    left[name or f"blocks of the unknown kind {word(kind)}"] += 1
