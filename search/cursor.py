"""Cursors: a hit to go on after, in a text that only its own question takes.

It names the product, so that a page neither repeats nor skips what an index that changed meanwhile ranks elsewhere; its
rank and value count only where that product is no longer among the hits.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

import orjson

from hub.errors import Invalid
from search.engine import Anchor


def tag(*said: Any) -> str:
    """What tells a question's cursors from another's. ``said``: all that decides which hits there are, and their order."""
    text = orjson.dumps(said, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
    return hashlib.blake2b(text, digest_size=6).hexdigest()


def encode(anchor: Anchor, of: str, spellings: dict[str, list[str]]) -> str:
    """The cursor after a hit. ``spellings``: corrections that the question was answered with."""
    said = orjson.dumps([of, anchor.rank, anchor.product_id, anchor.value, spellings])
    return base64.urlsafe_b64encode(said).decode().rstrip("=")


def decode(cursor: str, of: str) -> tuple[Anchor, dict[str, list[str]]]:
    """The hit, and the corrections. Raises ``Invalid`` for a cursor of another question, or none at all."""
    try:
        said = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        given, rank, product, value, spellings = said
        anchor = Anchor(int(rank), int(product), value)
        read = {str(word): [str(each) for each in close] for word, close in spellings.items()}
        wrong = not isinstance(value, float | int | str | None)
    except (binascii.Error, ValueError, TypeError, AttributeError) as broken:
        raise Invalid(
            f'"{cursor[:60]}" is not a cursor of a search: take one from its answer.', ("after",)
        ) from broken
    if given != of or anchor.rank < 1 or wrong:
        raise Invalid(
            f'Cursor "{cursor[:60]}" belongs to another search: start at its first page.', ("after",)
        )
    return anchor, read
