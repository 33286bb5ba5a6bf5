"""The address of a room for what somebody typed."""

import re
import unicodedata

from chat.models.slugs import SLUG_MAX, made_address, stands_in_slug


def slug_for(name: str) -> str:
    """A room's address for what somebody typed: "Öl & Gas" → "öl-gas"; empty if nothing is left.

    Signs go, so "C++" and "C#" are at "c": the page says which address a name opens. What is made
    of an address is that address, and so is any spelling of one that we made for a private or a
    direct room. js/model/slug.js does the same.
    """
    plain = unicodedata.normalize("NFKC", name).lower()
    kept = "".join(each for each in plain if each.isspace() or stands_in_slug(each))
    kept = re.sub("i\u0307+", "i", kept)  # "İ" in lower case has two dots
    slug = re.sub(r"[-\s]+", "-", unicodedata.normalize("NFKC", kept)).strip("-_")
    slug = slug[:SLUG_MAX].strip("-_")
    if made := made_address(name) or made_address(slug):  # the latter where the rest was cut off
        return made
    return slug if any(each.isalnum() for each in slug) else ""


def address_for(name: str) -> str:
    """Where somebody who types `name` is led: there as it stands, if it can be an address, since a
    room of before may have such a one. Where there is none the page leads on to `slug_for`."""
    slug = slug_for(name)
    stands = len(name) <= SLUG_MAX and all(map(stands_in_slug, name))
    return name if slug and stands and not made_address(slug) else slug
