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


@dataclass(frozen=True)
class Wanted:
    """One word of a question. ``others``: what may stand for it, each one or more words.

    ``respelled``: close words of the catalogue, for one that is not in it.
    """

    word: str
    others: tuple[tuple[str, ...], ...] = ()
    respelled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Steering:
    """What staff decided for a channel and locale, as far as words go.

    ``synonyms``: word or phrase, in lower case → what also counts as it. ``stop_words``: words to skip, beside the
    language's own.
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
    words = [Wanted(word, _others(word, steering)) for word in meant or said]
    return Text(tuple(words), tongues, identifier.asked(text), _numbers(text), tuple(said))


def _skipped(word: str, tongue: str, steering: Steering) -> bool:
    return word in steering.stop_words or analysis.is_stop_word(word, tongue)


def _others(word: str, steering: Steering) -> tuple[tuple[str, ...], ...]:
    named = (steering.synonyms.get(word, ()),)
    return tuple(tuple(each.text for each in analysis.words(other)) for others in named for other in others)


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
