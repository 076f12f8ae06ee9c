"""Asking: a question in, ranked products out, a page at a time.

A cursor names the product after which to go on, so that a page neither repeats nor skips what an index that changed
meanwhile ranks elsewhere; its rank counts only where that product is no longer among the answers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from hub.errors import Invalid, Limit
from search import identifier, language, tantivy_engine, tantivy_schema
from search.index import Index, UnavailableError

__all__ = ["Found", "Hit", "Question", "UnavailableError", "find"]

LONGEST_TEXT = 1_000
MOST_WORDS = 32
DEEPEST = 10_000
"""How many hits of one question can be paged through."""


@dataclass(frozen=True)
class Question:
    """What is asked.

    ``channel_id``: search what is listed there at ``moment`` (null: now). Null searches everything, for staff.
    ``locale``: the locale whose texts are searched, of a channel one that it has: what is shown by fallback is found
    under the locale that it is shown for. Null searches all texts, unstemmed.
    ``within``: only these products, for filters that the database answers.
    """

    text: str
    channel_id: int | None
    locale: str | None
    moment: datetime | None = None
    within: Collection[int] | None = None


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


@dataclass(frozen=True)
class _Place:
    """Where a hit stands, the first one at rank 1."""

    rank: int
    product_id: int
    score: float = 0


def find(index: Index, question: Question, *, first: int, after: str | None = None) -> Found:
    """The products that answer a question: identifiers first, then all terms, then some of them.

    ``after``: the ``cursor`` of a hit of the same question. It takes a millisecond or two and reads no database.
    Raises ``hub.errors.Invalid`` for a cursor of another question, ``Limit`` for a text that is too long or a page that
    lies too deep, and ``UnavailableError`` while there is no index.
    """
    tag = _tag(question)
    start = _decode(after, tag) if after else None
    if (start.rank if start else 0) + first > DEEPEST:
        raise Limit(f"A search shows its first {DEEPEST} hits: ask for more precise words.", ("after",))
    with index.reading() as reader:
        places, total = _page(reader, _plan(question), start, first)
        sequence = reader.state().sequence
    hits = tuple(Hit(place.product_id, place.score, _encode(place, tag)) for place in places[:first])
    return Found(hits, total, has_next=len(places) > first, sequence=sequence)


def _plan(question: Question) -> tantivy_engine.Plan:
    if len(question.text) > LONGEST_TEXT:
        raise Limit(
            f"The text has {len(question.text)} characters: search for {LONGEST_TEXT} at most.", ("search",)
        )
    words = tantivy_schema.words(question.text)
    if len(words) > MOST_WORDS:
        raise Limit(
            f"The text has {len(words)} different words: search for {MOST_WORDS} at most.", ("search",)
        )
    tongue = language.of(question.locale)
    staff = question.channel_id is None and tongue != language.UNSTEMMED
    return tantivy_engine.Plan(
        words=words,
        identifiers=identifier.asked(question.text),
        channel_id=question.channel_id,
        languages=(tongue, language.UNSTEMMED) if staff else (tongue,),
        moment=question.moment or datetime.now(UTC),
        within=question.within,
    )


def _page(
    reader: tantivy_engine.Reader, plan: tantivy_engine.Plan, start: _Place | None, first: int
) -> tuple[list[_Place], int]:
    """The places after ``start``, one more than wanted where there is one.

    The engine breaks ties as it likes, so hits are taken until no tie is cut in two.
    """
    limit = (start.rank if start else 0) + first + 1
    while True:
        ranked = reader.ask(plan, limit)
        whole = len(ranked.products) < limit
        rest = _after(start, _ordered(ranked, whole=whole))
        if len(rest) > first or whole:
            return rest[: first + 1], ranked.total
        limit *= 2


def _ordered(ranked: tantivy_engine.Ranked, *, whole: bool) -> list[_Place]:
    """Better scores first, then lower ids. What ties with the last hit is left out, unless these are all."""
    hits = sorted((-round(score, 4), product) for score, product in ranked.products)
    complete = [hit for hit in hits if whole or hit[0] < hits[-1][0]]
    return [_Place(rank, product, -falling) for rank, (falling, product) in enumerate(complete, start=1)]


def _after(start: _Place | None, places: list[_Place]) -> list[_Place]:
    if start is None:
        return places
    named = (place.rank for place in places if place.product_id == start.product_id)
    # Where the product is gone, the one behind it has taken its rank.
    return places[next(named, start.rank - 1) :]


def _tag(question: Question) -> str:
    """What tells a question's cursors from another's. The moment is left out: pages are asked for one after another."""
    said = [question.text, question.channel_id, question.locale]
    return hashlib.blake2b(orjson.dumps(said), digest_size=6).hexdigest()


def _encode(place: _Place, tag: str) -> str:
    said = orjson.dumps([tag, place.rank, place.product_id])
    return base64.urlsafe_b64encode(said).decode().rstrip("=")


def _decode(cursor: str, tag: str) -> _Place:
    try:
        said = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        given, rank, product = said
        place = _Place(int(rank), int(product))
    except (binascii.Error, ValueError, TypeError) as wrong:
        raise Invalid(
            f'"{cursor}" is not a cursor of a search: take one from its answer.', ("after",)
        ) from wrong
    if given != tag or place.rank < 1:
        raise Invalid(f'Cursor "{cursor}" belongs to another search: start at its first page.', ("after",))
    return place
