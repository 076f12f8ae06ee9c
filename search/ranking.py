"""Ranking: what a question's words are worth, as one clause for every engine.

In tiers: the product whose number was typed; those that have all words; those that have some. Within a tier a word
counts by its best field (BM25, weighted by the part of the text it stands in), and small extras tell near equals apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from search import analysis, fields, head, identifier, language
from search.clause import (
    Always,
    Best,
    Both,
    Clause,
    Either,
    Named,
    OneOf,
    Phrase,
    Prefix,
    Term,
    Times,
    bare,
)
from search.document import PARTS
from search.wanted import Text, Wanted
from search.weights import SHIPPED, Weights

LONGEST_BRAND = 3
"""Words of the longest maker's name that is looked for in a question."""

SHORTEST_BEGINNING = 5
"""Letters and digits after which the beginning of an identifier says something."""


def clause(text: Text, weights: Weights = SHIPPED) -> Clause | None:
    """What finds and ranks products for a text; null where it holds nothing that can be found."""
    words = [_word(wanted, text, weights) for wanted in text.words]
    joined = _joined_pairs(text, weights)
    each = [
        Best((word, *joined[place]), weights.tie) if place in joined else word
        for place, word in enumerate(words)
    ]
    found = [*each, *_numbers(text, weights)]
    if not found:
        return None
    return Both((Either(tuple(found)),), tuple(_tiers(text, each, weights)))


def beginnings(text: Text) -> Clause | None:
    """What finds products with words that begin as those of the text do, all of them."""
    words = [
        Either(
            tuple(Prefix(fields.text(part, language.UNSTEMMED), analysis.plain(word)) for part in PARTS[:2])
        )
        for word in text.plain
    ]
    return Both(tuple(words)) if words else None


def _word(wanted: Wanted, text: Text, weights: Weights) -> Clause:
    """A word in its best field, or what stands for it."""
    clauses = list(_fields(wanted.word, text.tongues, weights))
    for other in wanted.others:
        parts = [Best(tuple(_fields(word, text.tongues, weights)), weights.tie) for word in other]
        clauses.append(Named(f"synonym: {' '.join(other)}", Both(tuple(parts))))
    for word in wanted.respelled:
        close = Best(tuple(_fields(word, text.tongues, weights)), weights.tie)
        clauses.append(Named(f"spelling: {word}", Times(close, weights.respelled)))
    tongue = text.tongues[0]
    one = Term("joined", f"{tongue}:{analysis.term(wanted.word, tongue)}")
    clauses.append(Named(f"joined: {wanted.word}", Always(one, weights.joined)))
    return Best(tuple(clauses), weights.tie)


def _fields(word: str, tongues: tuple[str, ...], weights: Weights) -> Iterator[Clause]:
    for tongue in tongues:
        for part in PARTS:
            term = Term(fields.text(part, tongue), analysis.term(word, tongue))
            yield Named(f"{part}: {word}", Times(term, getattr(weights, part)))
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
            yield Named("beginning of an identifier", Always(Prefix("identifiers", start), weights.begun))
    if text.numbers:
        part = Always(OneOf("identifiers", text.numbers), weights.numbered)
        yield Named("identifier among the words", part)


def _tiers(text: Text, words: list[Clause], weights: Weights) -> Iterator[Clause]:
    if not words:
        return
    yield Named("all words", Always(Both(tuple(map(bare, words))), weights.every))
    tongue = text.tongues[0]
    wanted = head.asked(text.said, tongue)
    if wanted:
        yield Named("head noun", Always(Term("heads", wanted), weights.head))
        yield Named("kind", Always(Term("kinds", wanted), weights.kind))
    yield Named("brand", Always(OneOf("brands", tuple(_brands(text.plain))), weights.brand))
    if len(words) > 1:
        terms = tuple(analysis.term(word, tongue) for word in text.plain)
        yield Named("phrase", Always(Phrase(fields.text("title", tongue), terms), weights.phrase))
    yield Named("exact form", Always(Both(tuple(_exact(text.plain))), weights.exact))


def _brands(words: list[str]) -> Iterator[str]:
    for length in range(1, LONGEST_BRAND + 1):
        for start in range(len(words) - length + 1):
            yield identifier.normal("".join(words[start : start + length]))


def _exact(words: list[str]) -> Iterator[Clause]:
    for word in words:
        forms = (Term(fields.text(part, language.UNSTEMMED), analysis.plain(word)) for part in PARTS[:2])
        yield Either(tuple(forms))
