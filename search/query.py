"""Asking: a question in, ranked products out, a page at a time."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from hub.errors import Invalid, Limit
from search import compound, condition, cursor, facet, language, ranking, spelling, wanted
from search.clause import Both, Clause, Either, Every, Listed, OneOf, Term, names
from search.compound import Lexicon
from search.condition import Condition, Ground
from search.engine import SCORE, Anchor, Ask, Counts, Index, Place, Ranked, Reader, Sort, UnavailableError
from search.entry import by_name
from search.facet import FacetAsked
from search.fields import STAFF
from search.operand import NUMBERS, UNCOMPARABLE, Definition
from search.rule import NONE, Applied, Redirect, Rules
from search.wanted import Steering, Text
from search.weights import SHIPPED, Weights

__all__ = ["Found", "Hit", "Question", "Step", "UnavailableError", "find", "having_all_words"]

DEEPEST = 10_000
"""How many hits of one question can be paged through."""


class Step(StrEnum):
    """How a question was answered: the first of these that found something.

    ``ALL_WORDS``: some product has all words (or no words were asked): these stand first, then those that have some.
    ``TAKEN_APART``: so it is once a word that no name or label has is taken for the words that it is made of.
    ``RESPELLED``: a word that no product has was replaced by close ones. ``SOME_WORDS``: no product has all words, these have some. ``BEGINNINGS``: none has any, in
    these words begin so. ``NOTHING``: nothing was found.
    """

    ALL_WORDS = "ALL_WORDS"
    TAKEN_APART = "TAKEN_APART"
    RESPELLED = "RESPELLED"
    SOME_WORDS = "SOME_WORDS"
    BEGINNINGS = "BEGINNINGS"
    NOTHING = "NOTHING"


@dataclass(frozen=True)
class Question:
    """What is asked.

    ``text``: empty to browse. ``channel_id``: search what is listed there at ``moment`` (null: now); null searches
    everything, for staff. ``locale``: the locale whose texts are searched, of a channel one that it has: what is shown by
    fallback is found under the locale that it is shown for. Null searches all texts, unstemmed.
    ``within``: only these products, for filters that the database answers. ``definitions``: the attributes that
    ``filter``, ``facets`` and ``order`` name.
    ``order``: ``relevance``, ``name``, ``price``, ``newest``, ``created``, ``changed``, or ``attribute:<code>``. In any
    order but relevance only those with all words are shown, where there are any: a cheap product that has but one of them
    would come first. ``rules``: what staff decided; ``steering``: words in place of theirs.
    """

    text: str
    channel_id: int | None
    locale: str | None
    moment: datetime | None = None
    within: Collection[int] | None = None
    filter: Condition | None = None
    facets: tuple[FacetAsked, ...] = ()
    order: str = "relevance"
    descending: bool = False
    explain: bool = False
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    steering: Steering | None = None
    rules: Rules = NONE
    weights: Weights = SHIPPED

    @property
    def ground(self) -> Ground:
        """What its conditions stand on."""
        return Ground(self.definitions, self.channel_id, self.locale)


@dataclass(frozen=True)
class Hit:
    """A product that answers the question; ``cursor`` goes on after it. ``shares``: what its score is made of."""

    product_id: int
    score: float
    cursor: str
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """One page of hits, best first.

    ``total`` counts all hits; where it is not ``exact``, there are more. ``facets`` by subject. ``text``: the question's
    words as they were searched, for highlights. ``spellings``: what was corrected. ``notice``: a sentence where the
    question holds nothing that can be searched. ``engine_seconds``: what of the time was the engine's,
    ``transport_seconds`` the way to it. ``redirect``: where staff lead the question; null: nowhere else. ``applied``: the rules that held.
    """

    hits: tuple[Hit, ...]
    total: int
    has_next: bool
    exact: bool = True
    step: Step = Step.ALL_WORDS
    facets: Mapping[str, Counts] = field(default_factory=dict)
    text: Text | None = None
    spellings: Mapping[str, list[str]] = field(default_factory=dict)
    notice: str | None = None
    engine_seconds: float | None = None
    transport_seconds: float = 0.0
    redirect: Redirect | None = None
    applied: tuple[Applied, ...] = ()

    @property
    def ids(self) -> list[int]:
        """The products of the page."""
        return [hit.product_id for hit in self.hits]


def find(index: Index, question: Question, *, first: int, after: str | None = None) -> Found:
    """The products that answer a question.

    ``after``: the ``cursor`` of a hit of the same question. It reads no database.
    Raises ``hub.errors.Invalid`` and ``NotFound`` for what cannot be asked so, ``Limit`` for too much of it, and
    ``UnavailableError`` while the index does not answer.
    """
    return _Finding(question, first, after).answer(index)


def having_all_words(index: Index, question: Question, found: Found) -> int:
    """How many of the hits that were found have all words, or the number that was typed; all of them without words.

    Where totals are lower bounds, so is this. Raises as ``find``.
    """
    if found.text is None:
        return found.total
    if found.step in (Step.SOME_WORDS, Step.BEGINNINGS, Step.NOTHING):
        return 0
    return _Finding(question, 0, None).having_all_words(index, found.text)


def rank_of(question: Question, after: str | None) -> int:
    """How many hits stand before and at a cursor of a question; 0 without one. Raises ``Invalid`` for another's cursor."""
    anchor = None if after is None else cursor.decode(after, _tag(question)).anchor
    return anchor.rank if anchor else 0


def check(question: Question) -> None:
    """Raises what ``find`` would for a question that cannot be asked so; the index is not asked."""
    _Finding(question, 0, None)


class _Finding:
    """One question being answered."""

    def __init__(self, question: Question, first: int, after: str | None) -> None:
        self._question = question
        self._size = first
        self._tag = _tag(question)
        self._anchor: Anchor | None = None
        self._spellings: dict[str, list[str]] = {}
        self._step: Step | None = None
        self._full = False
        if after is not None:
            said = cursor.decode(after, self._tag)
            self._anchor, self._spellings, self._step = said.anchor, said.spellings, Step(said.step)
        if (self._anchor.rank if self._anchor else 0) + first > DEEPEST:
            raise Limit(f"A search shows its first {DEEPEST} hits: ask for more precise words.", ("after",))
        self._text = wanted.read(
            question.text, _tongues(question), question.steering or question.rules.steering
        )
        self._ruling = question.rules.at(question.text, question.moment or datetime.now(UTC))
        self._facets = facet.checked(question.facets, question.ground)
        self._sort = _sort(question)
        self._filters, self._chosen = _filters(question, set(self._facets))
        self._seconds: float | None = None
        self._transport = 0.0

    def answer(self, index: Index) -> Found:
        self._index = index
        with index.reading() as reader:
            if not self._question.text.strip():
                return self._found(self._ask(reader, Every()), Step.ALL_WORDS)
            if not self._text.words and not self._text.identifiers:
                notice = "The text holds no letter and no digit: there is nothing to search for."
                return Found((), 0, has_next=False, step=Step.NOTHING, text=self._text, notice=notice)
            return self._by_words(reader)

    def having_all_words(self, index: Index, text: Text) -> int:
        """How many hits have all words of a text that was searched."""
        filters = (*self._filters, *self._chosen.values())
        with index.reading() as reader:
            return reader.ask(Ask(ranking.every(text), filters=filters, size=0)).total

    def _by_words(self, reader: Reader) -> Found:
        text = compound.widened(self._text.respelled(self._spellings), self._lexicon(reader))
        if self._step is Step.BEGINNINGS:
            return self._found(self._ask(reader, ranking.beginnings(text)), self._step, text)
        if self._step not in (None, Step.ALL_WORDS) or text.tongues[0] in compound.LINKS:
            text = compound.parted(text, self._lexicon(reader))
        ranked = self._ranked(reader, ranking.clause(text, self._question.weights))
        if self._step or self._full:
            apart = Step.TAKEN_APART if text.taken_apart else Step.ALL_WORDS
            return self._found(ranked, self._step or apart, text)
        return self._otherwise(reader, text, ranked)

    def _otherwise(self, reader: Reader, text: Text, ranked: Ranked) -> Found:
        """What is nearest where no product has all words, and what was tried."""
        apart = compound.parted(text, self._lexicon(reader))
        if apart != text:
            text, ranked = apart, self._ranked(reader, ranking.clause(apart, self._question.weights))
            if self._full:
                return self._found(ranked, Step.TAKEN_APART, text)
        better = self._respelled(reader, text)
        if better:
            return better
        if ranked.places:
            return self._found(ranked, Step.SOME_WORDS, text)
        ranked = self._ask(reader, ranking.beginnings(text))
        return self._found(ranked, Step.BEGINNINGS if ranked.places else Step.NOTHING, text)

    def _lexicon(self, reader: Reader) -> Lexicon:
        return Lexicon(self._index, reader, self._question.channel_id, self._text.tongues[0])

    def _ranked(self, reader: Reader, query: Clause | None) -> Ranked:
        """The hits, and whether the best one has all words; in another order than by score a question of its own says so."""
        if query is None or self._sort.field == "score":
            ranked = self._ask(reader, query)
            self._full = self._step is not None or self._answers(reader, query, ranked)
            return ranked
        self._full = self._ruling.pins or self._is_full(self._best(reader, query))
        return self._ask(reader, _strict(query) if self._full else query)

    def _answers(self, reader: Reader, query: Clause | None, ranked: Ranked) -> bool:
        """Whether the hits are what was asked for: they have all words, or staff named them. Rules change scores."""
        if not self._ruling.scores:
            return self._is_full(ranked)
        return self._ruling.pins or (query is not None and self._is_full(self._best(reader, query)))

    def _best(self, reader: Reader, query: Clause) -> Ranked:
        filters = (*self._filters, *self._chosen.values())
        return self._timed(reader, Ask(query, filters=filters, size=1))

    def _is_full(self, ranked: Ranked) -> bool:
        return bool(ranked.places) and ranked.places[0].score >= self._question.weights.every

    def _respelled(self, reader: Reader, text: Text) -> Found | None:
        tongue, channel = self._text.tongues[0], self._question.channel_id
        spellings = spelling.close_words(reader, self._text.plain, channel, tongue)
        if not spellings:
            return None
        text = text.respelled(spellings)
        ranked = self._ranked(reader, ranking.clause(text, self._question.weights))
        if not ranked.places:
            return None
        self._spellings = spellings
        return self._found(ranked, Step.RESPELLED, text)

    def _ask(self, reader: Reader, said: Clause | None) -> Ranked:
        query = self._ruling.over(said)
        if query is None:
            return Ranked((), 0)
        asked = Ask(
            query,
            filters=self._filters,
            chosen=self._chosen,
            facets={name: each for name, (_, each) in self._facets.items()},
            sort=self._sort,
            # One at least: the best hit says how the question was answered.
            size=max(self._size, 1),
            after=self._anchor,
            explain=self._question.explain,
        )
        ranked = self._timed(reader, asked)
        histograms = facet.narrowed(self._facets, ranked.facets)
        if not histograms:
            return ranked
        more = self._timed(reader, replace(asked, facets=histograms, size=0, after=None))
        counted = {
            name: replace(more.facets[name], low=ranked.facets[name].low, high=ranked.facets[name].high)
            for name in histograms
        }
        return replace(ranked, facets={**ranked.facets, **counted})

    def _timed(self, reader: Reader, asked: Ask) -> Ranked:
        began = time.perf_counter()
        ranked = reader.ask(asked)
        took = time.perf_counter() - began if ranked.engine_seconds is None else ranked.engine_seconds
        self._seconds = (self._seconds or 0.0) + took
        self._transport += ranked.transport_seconds
        return ranked

    def _found(self, ranked: Ranked, step: Step, text: Text | None = None) -> Found:
        rank = self._anchor.rank if self._anchor else 0
        shown = ranked.places[: self._size]
        hits = tuple(self._hit(place, rank + at, step) for at, place in enumerate(shown, start=1))
        return Found(
            hits,
            ranked.total,
            has_next=ranked.more or len(shown) < len(ranked.places),
            exact=ranked.exact,
            step=step,
            facets=ranked.facets,
            text=text,
            spellings=self._spellings,
            engine_seconds=self._seconds,
            transport_seconds=self._transport,
            redirect=self._ruling.redirect,
            applied=self._ruling.applied,
        )

    def _hit(self, place: Place, rank: int, step: Step) -> Hit:
        said = cursor.Cursor(Anchor(rank, place.product_id, place.value), self._spellings, step.value)
        return Hit(place.product_id, place.score, cursor.encode(said, self._tag), place.shares)


def _strict(query: Clause) -> Clause:
    """Only what has all words, or is named by its number; the query as it is where it says neither."""
    found = [each.clause for each in names(query) if each.name in ranking.STRICT]
    return Either(tuple(found)) if found else query


def _tongues(question: Question) -> tuple[str, ...]:
    """Staff find texts of every language, as they are written."""
    tongue = language.of(question.locale)
    staff = question.channel_id is None and tongue != language.UNSTEMMED
    return (tongue, language.UNSTEMMED) if staff else (tongue,)


def _filters(question: Question, facets: set[str]) -> tuple[tuple[Clause, ...], dict[str, Clause]]:
    """What hits must be like; apart from it, by facet, what was chosen there."""
    filters: list[Clause] = [Term("channel", question.channel_id or STAFF)]
    if question.channel_id is not None:
        filters.append(Listed(question.moment or datetime.now(UTC)))
    if question.within is not None:
        filters.append(OneOf("product", tuple(question.within)))
    chosen: dict[str, Clause] = {}
    for each in _parts(question.filter):
        made, subject = condition.clause(each, question.ground), condition.subject(each)
        if subject in facets:
            chosen[subject] = Both((chosen[subject], made)) if subject in chosen else made
        else:
            filters.append(made)
    return tuple(filters), chosen


def _parts(said: Condition | None) -> tuple[Condition, ...]:
    """The conditions that must all hold, however they are put into each other."""
    if said is None:
        return ()
    if not isinstance(said, condition.AllOf):
        return (said,)
    return tuple(part for each in said.conditions for part in _parts(each))


def _sort(question: Question) -> Sort:
    match question.order.partition(":"):
        case ("relevance", "", ""):
            return SCORE
        case ("name", "", ""):
            return Sort("order", by_name(question.locale or "*"), question.descending)
        case ("price", "", ""):
            if question.channel_id is None:
                raise Invalid(f"{condition.PRICELESS} to sort by them.", ("sort",))
            return Sort("price", None, question.descending)
        case ("newest", "", ""):
            return Sort("created", None, descending=True)
        case ("created", "", ""):
            return Sort("created", None, question.descending)
        case ("changed", "", ""):
            if question.channel_id is not None:
                raise Invalid("When a product changed last is for staff, who search everything.", ("sort",))
            return Sort("updated", None, question.descending)
        case ("attribute", ":", code):
            return _attribute_sort(question, code)
    raise Invalid(
        f'"{question.order}" is no order: there are relevance, name, price, newest, changed, and attributes.',
        ("sort",),
    )


def _attribute_sort(question: Question, code: str) -> Sort:
    try:
        definition = question.ground.definition(code)
    except Invalid as wrong:
        wrong.path = ("sort",)
        raise
    if definition.type in UNCOMPARABLE:
        raise Invalid(
            f'Attribute "{code}" ({definition.type}) gives no order: its values cannot be compared.',
            ("sort",),
        )
    numeric = definition.type in NUMBERS
    field_ = "numbers" if numeric else "order"
    return Sort(field_, question.ground.key(definition), question.descending)


def _tag(question: Question) -> str:
    """What tells a question's cursors from another's. The moment is left out: pages are asked for one after another."""
    said: list[Any] = [question.text, question.channel_id, question.locale, repr(question.filter)]
    return cursor.tag(*said, question.order, question.descending)
