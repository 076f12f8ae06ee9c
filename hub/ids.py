"""Global ids: one opaque text for every object, in the API, the feed and webhooks."""

from __future__ import annotations

import base64
import binascii

LIMIT = 2**63
"""Numbers are smaller: PostgreSQL counts with 64 bits."""


def encode(noun: str, number: int) -> str:
    """The global id of object ``number`` of ``noun``."""
    return base64.urlsafe_b64encode(f"{noun}:{number}".encode()).decode().rstrip("=")


def decode(text: str) -> tuple[str, int]:
    """Noun and number of a global id. Raises ``ValueError`` for a text that no hub ever gave out."""
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        noun, _, number = plain.partition(":")
        decoded = noun, int(number)
    except (binascii.Error, UnicodeError, ValueError) as wrong:
        raise ValueError(f'"{text}" is not an id of this hub.') from wrong
    if encode(*decoded) != text or decoded[1] >= LIMIT:
        raise ValueError(f'"{text}" is not an id of this hub.')
    return decoded
