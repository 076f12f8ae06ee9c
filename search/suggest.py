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
from weakref import WeakKeyDictionary

from hub.errors import Limit
from search import analysis, entry, fields, identifier, language
from search.clause import Both, Clause, Either, Every, Listed, Prefix, Term
from search.document import PARTS
from search.engine import Ask, Sort, TermsFacet
from search.highlight import CLOSE, OPEN
from search.kept import Kept
from search.spelling import LONG, SHORTEST, distance

if TYPE_CHECKING:
    from search.engine import Index, Reader

LONGEST_TEXT = 200
MOST_WORDS = 12
SHORTEST_NUMBER = 3
"""Letters and digits after which the beginning of a number is looked for."""

MOST_CLOSE = 2_000
"""Words of the catalogue that a word with a slip is compared with."""

MOST_CHECKED = 60
"""Names whose hits are counted for a moment that is not now."""

MOST_COUNTED = 10_000
"""Categories or makers whose hits are counted at once."""

BRIEF = Sort("brief")

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
    """The products that may be meant: by their number, by how their name begins, by any word of it, then by their labels.

    Of equals the one with the shortest name stands first. Labels are asked only where no name has the words.
    """
    found: list[int] = []
    for clause in _ways(asked, seen.tongue):
        ask = Ask(clause, filters=seen.filters, sort=BRIEF, size=size)
        found += [each.product_id for each in reader.ask(ask).places if each.product_id not in found]
        if len(found) >= size:
            return found[:size]
    if found or len(asked.last) < SHORTEST:
        return found
    ask = Ask(_labelled(asked, seen.tongue), filters=seen.filters, sort=BRIEF, size=size)
    return [each.product_id for each in reader.ask(ask).places]


_counts: WeakKeyDictionary[Index, Kept[dict[str, int]]] = WeakKeyDictionary()


def counted(
    index: Index, reader: Reader, seen: Seen, found: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, int]]:
    """Of the values of fields: how many products that may be seen have each; as of some seconds ago, but for a given moment."""
    if seen.moment is not None:
        return _counted(reader, seen, {name: tuple(keys)[:MOST_CHECKED] for name, keys in found.items()})
    kept = _counts.setdefault(index, Kept())
    names = {name: f"{seen.channel_id or 0}:{name}" for name in found}
    said = kept.recalled(names.values())
    missing = {name: None for name in found if found[name] and names[name] not in said}
    if missing:
        fresh = _counted(reader, seen, missing)
        said |= kept.kept({names[name]: counts for name, counts in fresh.items()})
    return {
        name: {key: said[names[name]][key] for key in keys if key in said[names[name]]}
        for name, keys in found.items()
        if keys
    }


def _counted(
    reader: Reader, seen: Seen, wanted: Mapping[str, tuple[str, ...] | None]
) -> dict[str, dict[str, int]]:
    """``wanted``: by field which values to count; null for all."""
    facets = {
        name: TermsFacet(name, None, MOST_COUNTED if keys is None else len(keys), keys)
        for name, keys in wanted.items()
        if keys is None or keys
    }
    if not facets:
        return {}
    ranked = reader.ask(Ask(Every(), filters=seen.filters, facets=facets, size=0))
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


def _ways(asked: Typed, tongue: str) -> Iterator[Clause]:
    """How products may be meant, the likeliest way first."""
    number = _numbered(asked)
    like_a_number = any(letter.isdigit() for letter in asked.whole)
    if number and like_a_number:
        yield number
    words = _named(asked, tongue)
    first = asked.sought[0][: entry.LONGEST_BEGINNING]
    yield Both((Term("begins", entry.beginning(tongue, first, first=True)), words))
    yield words
    if number and not like_a_number:
        yield number


def _numbered(asked: Typed) -> Clause | None:
    if len(asked.whole) < SHORTEST_NUMBER:
        return None
    return Either(tuple(Prefix("identifiers", each) for each in identifier.begun(asked.whole)))


def _named(asked: Typed, tongue: str) -> Clause:
    """Names with every word, the last one begun. Few letters begin many words: those are kept ready."""
    last = asked.last
    begun: list[Clause] = [
        Term("begins", entry.beginning(tongue, last[: entry.LONGEST_BEGINNING], first=False))
    ]
    if len(last) > entry.LONGEST_BEGINNING:
        begun.append(Prefix(fields.text("title", language.UNSTEMMED), last))
    return Both((*_before(asked, tongue), *begun))


def _before(asked: Typed, tongue: str) -> Iterator[Clause]:
    """The words before the last: whole, in another form, or begun; of a name or a label."""
    title, labels = (fields.text(part, language.UNSTEMMED) for part in PARTS[:2])
    for word in asked.sought[:-1]:
        stem = Term(fields.text("title", tongue), analysis.term(word, tongue))
        yield Either((stem, Prefix(title, word), Term(labels, word)))


def _labelled(asked: Typed, tongue: str) -> Clause:
    labels = Prefix(fields.text("labels", language.UNSTEMMED), asked.last)
    return Both((*_before(asked, tongue), labels))


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
