"""What is wanted: a question's text as words, with what stands for each of them.

Synonyms, stop words and corrected spellings are put in here, when a question is asked and not when documents are
indexed: so that a rule that staff save holds at once, in every engine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hub.errors import Limit
from search import analysis, identifier

LONGEST_TEXT = 1_000
MOST_WORDS = 32
SHORTEST_NUMBER = 4
"""Letters and digits of the shortest part of a question that is tried as an identifier."""


LONGEST_PHRASE = 6
"""Words of the longest phrase that has synonyms."""


@dataclass(frozen=True)
class Wanted:
    """One word of a question. ``others``: what may stand for it, each one or more words.

    ``respelled``: close words of the catalogue, for one that is not in it. ``compounds``: terms of words whose last part it
    is, or which it makes with another of the question. ``parts``: the words that it is made of; where it is ``unknown``, they
    count as the word.
    """

    word: str
    others: tuple[tuple[str, ...], ...] = ()
    respelled: tuple[str, ...] = ()
    compounds: tuple[str, ...] = ()
    parts: tuple[Wanted, ...] = ()
    unknown: bool = False


@dataclass(frozen=True)
class Steering:
    """What staff decided for a channel and locale, as far as words go.

    ``synonyms``: word or phrase, in lower case or as terms of the language with a space between → what also counts as
    it. ``stop_words``: words to skip, in lower case or as terms, beside the language's own.
    """

    synonyms: Mapping[str, Sequence[str]] = field(default_factory=dict)
    stop_words: Collection[str] = ()


@dataclass(frozen=True)
class Text:
    """A question's text. ``words``: those that have to match. ``tongues``: languages, the first one decides.

    ``said``: all words that were typed, also those that are skipped: they tell what the question is for.
    ``identifiers``: what the whole may be as an identifier; ``numbers``: what its parts may be.
    """

    words: tuple[Wanted, ...]
    tongues: tuple[str, ...]
    identifiers: tuple[str, ...]
    numbers: tuple[str, ...]
    said: tuple[str, ...] = ()

    @property
    def plain(self) -> list[str]:
        """The words as they were typed."""
        return [wanted.word for wanted in self.words]

    @property
    def taken_apart(self) -> dict[str, list[str]]:
        """The words that no product has in its name or labels, with the parts that were searched in their place."""
        return {wanted.word: [part.word for part in wanted.parts] for wanted in self.words if wanted.unknown}

    def respelled(self, spellings: Mapping[str, Sequence[str]]) -> Text:
        """The same with close words for those that are named."""
        words = (replace(each, respelled=tuple(spellings.get(each.word, ()))) for each in self.words)
        return replace(self, words=tuple(words))


def read(text: str, tongues: tuple[str, ...], steering: Steering | None = None) -> Text:
    """A text as it is searched. Raises ``Limit`` for one that is too long."""
    if len(text) > LONGEST_TEXT:
        raise Limit(f"The text has {len(text)} characters: search for {LONGEST_TEXT} at most.", ("search",))
    said = list(dict.fromkeys(word.text for word in analysis.words(text)))
    if len(said) > MOST_WORDS:
        raise Limit(
            f"The text has {len(said)} different words: search for {MOST_WORDS} at most.", ("search",)
        )
    steering = steering or Steering()
    meant = [word for word in said if not _skipped(word, tongues[0], steering)]
    others = _others([word.text for word in analysis.words(text)], tongues[0], steering)
    words = [Wanted(word, others.get(word, ())) for word in meant or said]
    return Text(tuple(words), tongues, identifier.asked(text), _numbers(text), tuple(said))


def _skipped(word: str, tongue: str, steering: Steering) -> bool:
    ruled = word in steering.stop_words or analysis.term(word, tongue) in steering.stop_words
    return ruled or analysis.is_stop_word(word, tongue)


def _others(said: list[str], tongue: str, steering: Steering) -> dict[str, tuple[tuple[str, ...], ...]]:
    """What may stand for words. What stands for a phrase stands for each word of it: who has it, has all of them."""
    found: dict[str, list[tuple[str, ...]]] = {}
    if not steering.synonyms:
        return {}
    for length in range(1, LONGEST_PHRASE + 1):
        for start in range(len(said) - length + 1):
            phrase = said[start : start + length]
            for other in _named(phrase, tongue, steering):
                for word in phrase:
                    known = found.setdefault(word, [])
                    if other not in known:
                        known.append(other)
    return {word: tuple(others) for word, others in found.items()}


def _named(phrase: list[str], tongue: str, steering: Steering) -> list[tuple[str, ...]]:
    ways = {" ".join(phrase), " ".join(analysis.term(word, tongue) for word in phrase)}
    named = (other for way in sorted(ways) for other in steering.synonyms.get(way, ()))
    others = (tuple(each.text for each in analysis.words(other)) for other in named)
    return [other for other in others if other]


def _numbers(text: str) -> tuple[str, ...]:
    """Parts of the text between spaces that may be numbers by themselves."""
    parts = (identifier.normal(part) for part in text.split())
    return tuple(
        dict.fromkeys(
            part
            for part in parts
            if len(part) >= SHORTEST_NUMBER and any(letter.isdigit() for letter in part)
        )
    )
