"""Identifiers as people type them: with spaces, hyphens and capitals, or with the zeros of a longer GTIN."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

GTIN_LENGTH = 14


@lru_cache(maxsize=10_000)
def normal(text: str) -> str:
    """Letters and digits alone, in one case: how identifiers are compared."""
    return "".join(
        character for character in unicodedata.normalize("NFKC", text).casefold() if character.isalnum()
    )


def normals(texts: Iterable[str]) -> tuple[str, ...]:
    """The distinct normal forms, sorted; a text without letters or digits has none."""
    return tuple(sorted({normal(text) for text in texts} - {""}))


def asked(text: str) -> tuple[str, ...]:
    """What a whole question may be as an identifier. A GTIN is kept with 14 digits, however many were typed."""
    whole = normal(text)
    padded = whole.zfill(GTIN_LENGTH) if whole.isascii() and whole.isdigit() else whole
    return tuple(dict.fromkeys(form for form in (whole, padded) if form))


def begun(text: str) -> tuple[str, ...]:
    """How an identifier may begin of which the beginning was typed. A GTIN of 8, 12 or 13 digits is kept with zeros before it."""
    start = normal(text)
    if not (start.isascii() and start.isdigit()):
        return (start,)
    return tuple("0" * zeros + start for zeros in (0, 1, 2, 6))
