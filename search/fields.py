"""Fields: what a document is found, filtered, counted and sorted by. The list is closed.

However many attributes, channels and locales there are, they add values to these fields and no field: attributes are
keys inside ``values`` and ``numbers``, locales share the text fields of their language.
"""

from __future__ import annotations

from search import language
from search.document import PARTS

CODES = "codes"
"""Parts of identifiers, as written."""

TEXTS = (CODES, *(f"{part}_{tongue}" for part in PARTS for tongue in language.TONGUES))
"""Terms in order; scored by BM25."""

KEYWORDS = (
    "identifiers",
    "types",
    "brands",
    "categories",
    "collections",
    "listed",
    "actors",
    "heads",
    "kinds",
    "joined",
    "vocabulary",
    "endings",
    "begins",
)
"""Exact terms; any number of them."""

WORDS = ("vocabulary", "endings", "begins")
"""Those of them that are looked up and never counted."""

KEYED = ("values",)
"""Exact terms under keys: attribute values, see ``search.values``."""

NUMBERED = ("numbers",)
"""Numbers under keys."""

ORDERED = ("order",)
"""One sort key under each key: ``search.sort_key``."""

INTEGERS = ("product", "channel", "sequence", "hash", "created", "updated", "available", "brief")
"""One whole number each. Moments are milliseconds since 1970; ``available`` is 1 or 0. ``brief`` orders
documents by the length of their name; no two are alike."""

DECIMALS = ("price", "price_high")
"""One number each, or none."""

STAFF, GONE, STATE = 0, -1, -2
"""What stands in ``channel`` instead of a channel's id: the document of staff, one that is gone, the index's state."""


def text(part: str, tongue: str) -> str:
    """The field of a part's texts in a language."""
    return f"{part}_{tongue}"
