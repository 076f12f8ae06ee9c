"""Suggestions while somebody types: names that have every typed word, the last of them only begun.

Products are found by the index. Categories, makers and past queries are few: their names are held in memory, and the
index says which of them have something that may be seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from hub.errors import Limit
from search import analysis, entry, fields, identifier, language
from search.clause import Always, Both, Clause, Either, Every, Listed, Named, OneOf, Prefix, Term, Times
from search.engine import SCORE, Ask, Sort, TermsFacet
from search.highlight import CLOSE, OPEN
from search.spelling import LONG, SHORTEST, distance
from search.weights import SHIPPED

if TYPE_CHECKING:
    from search.engine import Reader

LONGEST_TEXT = 200
MOST_WORDS = 12
SHORTEST_NUMBER = 4
"""Letters and digits after which the beginning of a number is looked for."""

MOST_CLOSE = 2_000
"""Words of the catalogue that a word with a slip is compared with."""

MOST_CHECKED = 60
"""Names whose hits are counted."""

SAYS_MUCH = 4
"""Letters of the last word from which on hits are ranked."""

RIGHT = 2
"""First letters that are taken to be right where the rest has a slip."""


@dataclass(frozen=True)
class Typed:
    """What was typed. ``words``: in lower case without accents, the last one only begun; ``whole``: all of it as a number.

    ``corrected``: what the last word was taken for; null where it was taken as it is.
    """

    words: tuple[str, ...]
    whole: str
    corrected: str | None = None

    @property
    def last(self) -> str:
        """The word that is being typed."""
        return self.corrected or self.words[-1]

    @property
    def sought(self) -> tuple[str, ...]:
        """The words as they are looked for."""
        return (*self.words[:-1], self.last)


@dataclass(frozen=True)
class Name:
    """Something with a name: a category, maker or query. ``key``: what it is; ``weight``: more important ones first."""

    key: str
    text: str
    words: tuple[str, ...]
    weight: int = 0


@dataclass
class Names:
    """Names, found by how their words begin."""

    names: Sequence[Name]
    _by_letter: dict[str, list[Name]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.names:
            for letter in dict.fromkeys(word[0] for word in name.words):
                self._by_letter.setdefault(letter, []).append(name)

    def beginning(self, words: Sequence[str]) -> list[Name]:
        """Those in which every word begins one of the name's: names that begin so first, then by weight and length."""
        found = (
            name
            for name in self._by_letter.get(words[-1][0], ())
            if all(any(own.startswith(word) for own in name.words) for word in words)
        )
        return sorted(
            found,
            key=lambda name: (
                not name.words[0].startswith(words[0]),
                -name.weight,
                len(name.text),
                name.text,
            ),
        )

    def close(self, word: str) -> str | None:
        """The closest beginning of a name's word with a slip in it."""
        own = (each for name in self._by_letter.get(word[0], ()) for each in name.words)
        return closest_beginning(word, own)


def named(key: str, text: str, weight: int = 0) -> Name | None:
    """A name ready to be found; null for one without a word."""
    words = tuple(analysis.plain(word.text) for word in analysis.words(text))
    return Name(key, text, words, weight) if words else None


def typed(text: str) -> Typed | None:
    """A text as it is looked for; null where it holds no word. Raises ``Limit`` for one that is too long."""
    if len(text) > LONGEST_TEXT:
        raise Limit(f"The text has {len(text)} characters: type {LONGEST_TEXT} at most.", ("text",))
    words = tuple(analysis.plain(word.text) for word in analysis.words(text))
    if len(words) > MOST_WORDS:
        raise Limit(f"The text has {len(words)} words: type {MOST_WORDS} at most.", ("text",))
    return Typed(words, identifier.normal(text)) if words else None


@dataclass(frozen=True)
class Seen:
    """Where suggestions are for. ``channel_id``: null for staff, who see everything."""

    channel_id: int | None
    tongue: str
    locale: str | None = None
    moment: datetime | None = None

    @property
    def filters(self) -> tuple[Clause, ...]:
        """What hits must be like to be seen."""
        channel = Term("channel", self.channel_id or fields.STAFF)
        if self.channel_id is None:
            return (channel,)
        return (channel, Listed(self.moment or datetime.now(UTC)))


def products(reader: Reader, asked: Typed, seen: Seen, size: int) -> list[int]:
    """The products whose names have the words: the best first, or by name while the last word says little yet.

    So many begin with a letter or two, all alike, that ranking them would cost much and tell nothing.
    """
    sort = SCORE if len(asked.last) >= SAYS_MUCH else Sort("order", entry.by_name(seen.locale or "*"))
    ask = Ask(_clause(asked, seen.tongue), filters=seen.filters, sort=sort, size=size)
    return [place.product_id for place in reader.ask(ask).places]


def counted(reader: Reader, seen: Seen, found: Mapping[str, Sequence[str]]) -> dict[str, dict[str, int]]:
    """Of the values of fields: how many products that may be seen have each."""
    wanted = {name: tuple(keys)[:MOST_CHECKED] for name, keys in found.items() if keys}
    if not wanted:
        return {}
    either = Either(tuple(OneOf(name, keys) for name, keys in wanted.items()))
    facets = {name: TermsFacet(name, None, len(keys), keys) for name, keys in wanted.items()}
    ranked = reader.ask(Ask(Every(), filters=(*seen.filters, either), facets=facets, size=0))
    return {
        name: {bucket.value: bucket.count for bucket in counts.buckets if bucket.value and bucket.count}
        for name, counts in ranked.facets.items()
    }


def corrected(reader: Reader, asked: Typed, seen: Seen, names: Sequence[Names]) -> Typed | None:
    """The same with the last word taken for a close one; null where none is close."""
    word = asked.words[-1]
    if len(word) < SHORTEST or not word.isalpha():
        return None
    prefix = entry.spelling(seen.channel_id, seen.tongue, "")
    terms = reader.words(prefix + word[:RIGHT], MOST_CLOSE)
    known = [term.removeprefix(prefix) for term, _ in terms]
    found = closest_beginning(word, known) or next(
        (close for each in names if (close := each.close(word)) is not None), None
    )
    return None if found is None else Typed(asked.words, asked.whole, found)


def closest_beginning(word: str, known: Iterator[str] | Sequence[str]) -> str | None:
    """The beginning of a known word that is closest to a word with a slip or two in it; the first of equals."""
    most = 2 if len(word) >= LONG else 1
    best: tuple[int, str] | None = None
    for other in known:
        if other[:RIGHT] != word[:RIGHT]:
            continue
        for length in (len(word), len(word) + 1, len(word) - 1):
            slips = distance(word, other[:length], most)
            if slips <= most and (best is None or slips < best[0]):
                best = (slips, other[:length])
    return best[1] if best else None


def _clause(asked: Typed, tongue: str) -> Clause:
    title = fields.text("title", language.UNSTEMMED)
    labels = fields.text("labels", language.UNSTEMMED)
    words: list[Clause] = []
    for word in asked.sought[:-1]:
        stem = Term(fields.text("title", tongue), analysis.term(word, tongue))
        words.append(
            Either((Times(Term(title, word), SHIPPED.title), stem, Prefix(title, word), Term(labels, word)))
        )
    last = asked.last
    words.append(Either((Always(Prefix(title, last), 2.0), Prefix(labels, last), Term(title, last))))
    whole = Both(tuple(words))
    if len(asked.whole) < SHORTEST_NUMBER or not any(letter.isdigit() for letter in asked.whole):
        return whole
    return Either(
        (whole, Named("identifier", Always(Prefix("identifiers", asked.whole), SHIPPED.identified)))
    )


def marked(text: str, asked: Typed) -> str:
    """The text with what was typed in <mark>, everything else escaped: HTML that is safe to show."""
    parts, at = list[str](), 0
    for word in analysis.words(text):
        plain = analysis.plain(word.text)
        begun = max((each for each in asked.sought if plain.startswith(each)), key=len, default=None)
        if begun is None or word.start < at:
            continue
        # What was folded into other letters is marked whole: its beginning has another length.
        same = len(plain) == word.end - word.start
        end = word.start + len(begun) if same else word.end
        parts += [escape(text[at : word.start]), OPEN, escape(text[word.start : end]), CLOSE]
        at = end
    return "".join([*parts, escape(text[at:])])
