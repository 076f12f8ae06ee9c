"""Asking: a text and a place in, ranked products out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from search.index import Index, Unavailable

__all__ = ["Found", "Hit", "Unavailable", "find"]


@dataclass(frozen=True)
class Hit:
    """A product that answers the question; ``cursor`` goes on after it."""

    product_id: int
    score: float
    cursor: str


@dataclass(frozen=True)
class Found:
    """One page of hits, best first. ``total`` counts all products that match at least one term.

    ``sequence``: the index shows every change up to this one of the feed.
    """

    hits: tuple[Hit, ...]
    total: int
    has_next: bool
    sequence: int


def find(
    index: Index,
    text: str,
    *,
    channel_id: int | None,
    locale: str | None,
    first: int,
    after: str | None = None,
    moment: datetime | None = None,
    within: Collection[int] | None = None,
) -> Found:
    """The products that answer ``text``: identifiers first, then all terms, then some of them.

    ``channel_id``: search what is listed there at ``moment`` (null: now). Null searches everything, for staff.
    ``locale``: the locale whose texts are searched, one of the channel's; null searches all texts, unstemmed.
    ``within``: only these products, for filters that the database answers.
    ``after``: the ``cursor`` of a hit of the same question.
    Raises ``hub.errors.Invalid`` for a cursor of another question, ``Limit`` for a text or page that is too long, and
    ``Unavailable`` while there is no index.
    """
    raise index.unavailable()
