"""Cursors: a hit to go on after, in a text that only its own question takes.

It names the product, so that a page neither repeats nor skips what an index that changed meanwhile ranks elsewhere; its
rank and value count only where that product is no longer among the hits.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from hub.errors import Invalid
from search.engine import Anchor

LARGEST = 2**63 - 1
STEPS = ("ALL_WORDS", "TAKEN_APART", "RESPELLED", "SOME_WORDS", "BEGINNINGS")
"""How what has a cursor may have been found: ``search.query.Step`` without nothing."""


def tag(*said: Any) -> str:
    """What tells a question's cursors from another's. ``said``: all that decides which hits there are, and their order."""
    text = orjson.dumps(said, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
    return hashlib.blake2b(text, digest_size=6).hexdigest()


@dataclass(frozen=True)
class Cursor:
    """Where a page goes on. ``spellings``: corrections that the question was answered with; ``step``: how it was."""

    anchor: Anchor
    spellings: dict[str, list[str]]
    step: str


def encode(said: Cursor, of: str) -> str:
    """The cursor as a text, for the question of that tag."""
    anchor = said.anchor
    content = [of, anchor.rank, anchor.product_id, anchor.value, said.spellings, said.step]
    return base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")


def decode(cursor: str, of: str) -> Cursor:
    """The cursor of a text. Raises ``Invalid`` for one of another question, or none at all."""
    try:
        given, *content = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        read = _read(*content)
    except (binascii.Error, ValueError, TypeError, AttributeError) as broken:
        raise Invalid(
            f'"{cursor[:60]}" is not a cursor of a search: take one from its answer.', ("after",)
        ) from broken
    if given != of:
        raise Invalid(
            f'Cursor "{cursor[:60]}" belongs to another search: start at its first page.', ("after",)
        )
    return read


def _read(rank: Any, product: Any, value: Any, spellings: Any, step: Any) -> Cursor:
    """Raises ``TypeError`` or ``ValueError`` for what no cursor holds."""
    if (
        type(rank) is not int
        or type(product) is not int
        or not 0 < rank <= LARGEST
        or not 0 <= product <= LARGEST
    ):
        raise ValueError("A hit has a rank and a product.")
    if isinstance(value, bool) or not isinstance(value, float | int | str | None) or step not in STEPS:
        raise TypeError("A hit was sorted by a number or a text, and found in some way.")
    read = {str(word): [str(each) for each in close] for word, close in spellings.items()}
    return Cursor(Anchor(rank, product, value), read, step)
