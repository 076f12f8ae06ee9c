"""Ranking: what a question's words are worth, as one clause for every engine.

In tiers: the product whose number was typed; those that have all words; those that have some. Within a tier a word
counts by its best field (BM25, weighted by the part of the text it stands in), and small extras tell near equals apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from search import analysis, fields, head, identifier, language
from search.clause import (
    Always,
    Best,
    Both,
    Clause,
    Either,
    Every,
    Named,
    OneOf,
    Phrase,
    Prefix,
    Term,
    Times,
    bare,
    names,
)
from search.document import PARTS
from search.head import Asked
from search.wanted import Text, Wanted
from search.weights import SHIPPED, Weights

ALL_WORDS = "all words"
"""The named clause that what has all words matches."""

STRICT = (ALL_WORDS, "identifier", "beginning of an identifier", "identifier among the words")
"""The named clauses that what is shown in another order than by rank must match one of."""

LONGEST_BRAND = 3
"""Words of the longest maker's name that is looked for in a question."""

SHORTEST_BEGINNING = 5
"""Letters and digits after which the beginning of an identifier says something."""


def clause(text: Text, weights: Weights = SHIPPED) -> Clause | None:
    """What finds and ranks products for a text; null where it holds nothing that can be found."""
    joined = _joined_pairs(text, weights)
    each = [
        _with(_word(wanted, text, weights), joined.get(place, ()), weights)
        for place, wanted in enumerate(text.words)
    ]
    found = [*each, *_numbers(text, weights)]
    if not found:
        return None
    return Both((Either(tuple(found)),), tuple(_tiers(text, joined, weights)))


def every(text: Text) -> Clause:
    """What has all words of a text, or is named by its number."""
    named = [each.clause for each in names(clause(text) or Every()) if each.name in STRICT]
    return Either(tuple(named))


def beginnings(text: Text) -> Clause | None:
    """What finds products with words that begin as those of the text do, all of them."""
    words = [
        Either(
            tuple(Prefix(fields.text(part, language.UNSTEMMED), analysis.plain(word)) for part in PARTS[:2])
        )
        for word in text.plain
    ]
    return Both(tuple(words)) if words else None


def _with(word: Clause, others: Sequence[Clause], weights: Weights) -> Clause:
    return Best((word, *others), weights.tie) if others else word


def _word(wanted: Wanted, text: Text, weights: Weights) -> Clause:
    """A word in its best field, or what stands for it."""
    clauses = [*_fields(wanted.word, text.tongues, weights), *_standing_for(wanted, text, weights)]
    if wanted.parts:
        parts = tuple(_word(part, text, weights) for part in wanted.parts)
        # Of a word that nothing has, some parts are better than nothing.
        some = Either(parts) if wanted.unknown else Both(parts)
        clauses.append(Named(_parts_name(wanted), Times(some, weights.parted)))
    return Best(tuple(clauses), weights.tie)


def _having(wanted: Wanted, text: Text, weights: Weights, parts: Sequence[str] = PARTS) -> Clause:
    """What has a word in one of the parts of its texts, for those of whom nothing else is asked."""
    clauses = [
        *_fields(wanted.word, text.tongues, weights, parts),
        *_standing_for(wanted, text, weights, parts),
    ]
    if wanted.parts and wanted.unknown:
        *first, last = wanted.parts
        # The last part is the thing: a text that only speaks of cups makes no coffee cup.
        named = _having(last, text, weights, PARTS[:2])
        clauses.append(Both((*(_having(part, text, weights, parts) for part in first), named)))
    return Best(tuple(clauses))


def _parts_name(wanted: Wanted) -> str:
    return f"parts: {' '.join(part.word for part in wanted.parts)}"


def _standing_for(
    wanted: Wanted, text: Text, weights: Weights, parts: Sequence[str] = PARTS
) -> Iterator[Clause]:
    for other in wanted.others:
        said = [Best(tuple(_fields(word, text.tongues, weights, parts)), weights.tie) for word in other]
        yield Named(f"synonym: {' '.join(other)}", Both(tuple(said)))
    for word in wanted.respelled:
        close = Best(tuple(_fields(word, text.tongues, weights, parts)), weights.tie)
        yield Named(f"spelling: {word}", Times(close, weights.respelled))
    tongue = text.tongues[0]
    one = Term("joined", f"{tongue}:{analysis.term(wanted.word, tongue)}")
    yield Named(f"joined: {wanted.word}", Always(one, weights.joined))
    if wanted.compounds:
        # One score for all: the rarest compound is not the best.
        named = (
            Always(
                OneOf(fields.text(part, tongue), wanted.compounds),
                weights.compound * getattr(weights, part) / weights.title,
            )
            for part in PARTS[:2]
        )
        yield Named(f"compound: {wanted.word}", Best(tuple(named)))


def _fields(
    word: str, tongues: tuple[str, ...], weights: Weights, parts: Sequence[str] = PARTS
) -> Iterator[Clause]:
    for tongue in tongues:
        for part in parts:
            term = Term(fields.text(part, tongue), analysis.term(word, tongue))
            yield Named(f"{part}: {word}", Times(term, getattr(weights, part)))
    if parts is not PARTS:
        return
    code = Term(fields.CODES, analysis.term(word, language.UNSTEMMED))
    yield Named(f"codes: {word}", Times(code, weights.codes))


def _joined_pairs(text: Text, weights: Weights) -> dict[int, list[Clause]]:
    """For two words that a product may write as one: that one, in the place of either."""
    found: dict[int, list[Clause]] = {}
    tongue = text.tongues[0]
    for place, (first, second) in enumerate(pairwise(text.plain)):
        term = analysis.term(first + second, tongue)
        one = Named(
            f"joined: {first + second}", Times(Term(fields.text("title", tongue), term), weights.title)
        )
        found.setdefault(place, []).append(one)
        found.setdefault(place + 1, []).append(one)
    return found


def _numbers(text: Text, weights: Weights) -> Iterator[Clause]:
    if text.identifiers:
        whole = Always(OneOf("identifiers", text.identifiers), weights.identified)
        yield Named("identifier", whole)
        start = text.identifiers[0]
        if len(start) >= SHORTEST_BEGINNING and any(letter.isdigit() for letter in start):
            begun = Either(tuple(Prefix("identifiers", each) for each in identifier.begun(start)))
            yield Named("beginning of an identifier", Always(begun, weights.begun))
    if text.numbers:
        part = Always(OneOf("identifiers", text.numbers), weights.numbered)
        yield Named("identifier among the words", part)


def _tiers(text: Text, joined: Mapping[int, Sequence[Clause]], weights: Weights) -> Iterator[Clause]:
    if not text.words:
        return
    tongue = text.tongues[0]
    purpose = head.asked(text.said, tongue)
    wanted = _heads(text, purpose)
    having = [
        _with(_needed(each, text, purpose, weights), joined.get(place, ()), weights)
        for place, each in enumerate(text.words)
    ]
    yield Named(ALL_WORDS, Always(Both(tuple(map(bare, having))), weights.every))
    if wanted:
        yield Named("head noun", Always(OneOf("heads", wanted), weights.head))
        yield Named("kind", Always(OneOf("kinds", wanted), weights.kind))
    yield Named("brand", Always(OneOf("brands", tuple(_brands(text.plain))), weights.brand))
    if len(text.words) > 1:
        terms = tuple(analysis.term(word, tongue) for word in text.plain)
        yield Named("phrase", Always(Phrase(fields.text("title", tongue), terms), weights.phrase))
    yield Named("exact form", Always(Both(tuple(_exact(text.plain))), weights.exact))


def _needed(wanted: Wanted, text: Text, purpose: Asked | None, weights: Weights) -> Clause:
    """What has a word. Who asks for cups for espresso is not served by coffee whose description speaks of cups."""
    if purpose is None or not purpose.said or wanted.word != purpose.word:
        return _having(wanted, text, weights)
    terms = _heads(text, purpose)
    named = _having(wanted, text, weights, PARTS[:2])
    return Best((named, OneOf("heads", terms), OneOf("kinds", terms)))


def _heads(text: Text, purpose: Asked | None) -> tuple[str, ...]:
    """What a question is for, as heads are kept: the noun, what it was corrected to, and compounds that end in it."""
    if purpose is None:
        return ()
    tongue = text.tongues[0]
    wanted = next((each for each in text.words if each.word == purpose.word), Wanted(purpose.word))
    nouns = [wanted, *wanted.parts[-1:]]
    words = [wanted.word, *wanted.respelled, *(part.word for part in wanted.parts[-1:])]
    terms = [analysis.term(word, tongue) for word in words]
    terms += [term for noun in nouns for term in noun.compounds]
    return tuple(dict.fromkeys(f"{tongue}:{term}" for term in terms))


def _brands(words: list[str]) -> Iterator[str]:
    for length in range(1, LONGEST_BRAND + 1):
        for start in range(len(words) - length + 1):
            yield identifier.normal("".join(words[start : start + length]))


def _exact(words: list[str]) -> Iterator[Clause]:
    """Words as they were typed: what has their form stands before what only has their stems."""
    for word in words:
        forms = (Term(fields.text(part, language.UNSTEMMED), analysis.plain(word)) for part in PARTS[:2])
        yield Either(tuple(forms))
