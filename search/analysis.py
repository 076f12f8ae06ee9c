"""Text analysis: how texts and questions become terms, the same for every engine.

Both engines are given terms, not texts: so they rank alike, a changed rule is one fingerprint, and no engine needs an
analyser that the other lacks. Words are runs of letters, digits and their marks; runs of Chinese, Japanese and Korean
are cut into overlapping pairs, because nothing parts their words (as Lucene's CJKBigramFilter does).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import groupby
from typing import NamedTuple

from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from search import language

LONGEST_WORD = 60
"""Characters of the longest word that is indexed; a longer one is no word that people type."""

LONGEST_REMEMBERED = 1_000
"""Characters of the longest text whose words are remembered for a while."""

LAST_LETTER = 0x20000
"""Beyond it Unicode has no marks that are part of words."""

RULES = 4
"""Raised by hand when terms are made in another way."""


def _marks() -> str:
    """The combining marks, as ranges of a character class: they belong to the letter before them."""
    points = [point for point in range(LAST_LETTER) if unicodedata.category(chr(point)) in ("Mn", "Mc")]
    runs = [
        [point for _, point in run] for _, run in groupby(enumerate(points), lambda pair: pair[1] - pair[0])
    ]
    return "".join(f"{re.escape(chr(run[0]))}-{re.escape(chr(run[-1]))}" for run in runs)


CJK = "\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
_RUN = re.compile(rf"(?P<cjk>[{CJK}]+)|(?:(?![{CJK}])[^\W_])(?:(?![{CJK}])[^\W_]|[{_marks()}])*")
_ASCII = re.compile(r"[a-z0-9]+")
"""The same for a text in lower case without any other letters: most texts are such, and found several times as fast."""

_POSSESSIVE = re.compile(r"(?<=\w)['\u2019]s\b", re.IGNORECASE)


class Word(NamedTuple):
    """A word of a text: in lower case and without accents, and where it stands in the text."""

    text: str
    start: int
    end: int


def words(text: str) -> Iterator[Word]:
    """The words of a text in order."""
    return iter(_remembered(text)) if len(text) <= LONGEST_REMEMBERED else _words(text)


@lru_cache(maxsize=2_000)
def _remembered(text: str) -> tuple[Word, ...]:
    """Each text of a product is read once for each language, document and kind of field, one soon after the other."""
    return tuple(_words(text))


def _words(text: str) -> Iterator[Word]:
    said = (
        _POSSESSIVE.sub(lambda match: " " * len(match[0]), text) if "'" in text or "\u2019" in text else text
    )
    if said.isascii():
        for found in _ASCII.finditer(said.lower()):
            if found.end() - found.start() <= LONGEST_WORD:
                yield Word(found[0], found.start(), found.end())
        return
    for found in _RUN.finditer(said):
        if found["cjk"]:
            yield from _pairs(found[0], found.start())
        elif len(found[0]) <= LONGEST_WORD:
            yield Word(_lower(found[0]), found.start(), found.end())


def _pairs(run: str, start: int) -> Iterator[Word]:
    if len(run) == 1:
        yield Word(run, start, start + 1)
    for place in range(len(run) - 1):
        yield Word(unicodedata.normalize("NFKC", run[place : place + 2]), start + place, start + place + 2)


@lru_cache(maxsize=200_000)
def _lower(word: str) -> str:
    return unicodedata.normalize("NFKC", word).lower()


def terms(text: str, tongue: str) -> list[str]:
    """The terms of a text in a language, in order; stop words too, since a phrase may need them."""
    if len(text) > LONGEST_REMEMBERED:
        return [term(word.text, tongue) for word in words(text)]
    return list(_remembered_terms(text, tongue))


@lru_cache(maxsize=2_000)
def _remembered_terms(text: str, tongue: str) -> tuple[str, ...]:
    return tuple([term(word.text, tongue) for word in words(text)])


SKIPPED = "_"
"""Ends the term of a word that readers skip. No word has it, so that no stem meets such a term: "Kanne" is no "kann"."""


@lru_cache(maxsize=400_000)
def term(word: str, tongue: str) -> str:
    """A word as a term of a language: its stem without accents; one that readers skip stays whole, and apart."""
    if is_stop_word(word, tongue):
        return plain(word) + SKIPPED
    return _stem(word, tongue)


def _stem(word: str, tongue: str) -> str:
    stem = _stemmer(tongue).analyze(word)
    return stem[0] if stem else word


@cache
def _stemmer(tongue: str) -> TextAnalyzer:
    """Accents are folded after stemming, which needs them."""
    built = TextAnalyzerBuilder(Tokenizer.raw())
    if tongue in language.STEMMED:
        built = built.filter(Filter.stemmer(language.STEMMED[tongue]))
    return built.filter(Filter.ascii_fold()).build()


def plain(word: str) -> str:
    """A word as it is written, without accents: the form that an exact match compares."""
    return _stem(word, language.UNSTEMMED)


@lru_cache(maxsize=50_000)
def is_stop_word(word: str, tongue: str) -> bool:
    """Whether a language's readers skip the word; those of languages without a list skip none."""
    if tongue not in language.STEMMED or tongue in language.WITHOUT_STOP_WORDS:
        return False
    return not _skipper(tongue).analyze(word)


@cache
def _skipper(tongue: str) -> TextAnalyzer:
    name = language.STEMMED[tongue]
    return TextAnalyzerBuilder(Tokenizer.raw()).filter(Filter.stopword(name)).build()
