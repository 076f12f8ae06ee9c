"""Sort keys: texts as bytes whose order is the order of the texts, without case and accents.

The same rule as the database's ``sort_key``. Cut after 21 bytes: the embedded engine sorts by three whole numbers, and
both engines shall give the same order.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

LENGTH = 21


@lru_cache(maxsize=10_000)
def sort_key(text: str) -> str:
    """The key in hexadecimal digits, all of the same length."""
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).lower())
    folded = parts if parts.isascii() else _bare(parts)
    return folded.encode()[:LENGTH].ljust(LENGTH, b"\0").hex()


def _bare(text: str) -> str:
    return "".join(letter for letter in text if not unicodedata.combining(letter))


def numbers(key: str) -> tuple[int, int, int]:
    """The key as three whole numbers of 56 bits."""
    third = len(key) // 3
    first, second, last = (int(key[start : start + third], 16) for start in range(0, len(key), third))
    return first, second, last
