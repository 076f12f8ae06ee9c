"""Head nouns: the word of a title that says what the thing is. "Case for a phone" is a case, not a phone.

A title's head is its last word before what only describes: a preposition, a number, a comma or bracket, and what an
attribute of the product says by itself, such as its colour. Numbers of models count for nothing. Languages whose
adjectives follow the noun have no rule here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from search import analysis
from search.document import distinct

STOPS = {
    "en": frozenset(
        [
            "for",
            "with",
            "without",
            "in",
            "of",
            "from",
            "to",
            "by",
            "at",
            "on",
            "and",
            "or",
            "w",
            "incl",
            "including",
        ]
    ),
    "de": frozenset(
        [
            "für",
            "mit",
            "ohne",
            "in",
            "von",
            "aus",
            "zu",
            "zum",
            "zur",
            "am",
            "an",
            "auf",
            "und",
            "oder",
            "inkl",
        ]
    ),
    "nl": frozenset(["voor", "met", "zonder", "in", "van", "uit", "op", "aan", "en", "of", "incl"]),
    "da": frozenset(["til", "med", "uden", "i", "af", "fra", "på", "og", "eller", "inkl"]),
    "sv": frozenset(["för", "med", "utan", "i", "av", "från", "till", "på", "och", "eller", "inkl"]),
    "no": frozenset(["for", "med", "uten", "i", "av", "fra", "til", "på", "og", "eller", "inkl"]),
}
"""Language → words after which a title goes on to describe."""

LONGEST_VALUE = 6
"""Words of the longest attribute value that is looked for at the end of a title."""

_BREAK = re.compile(r"[,;:(\[|–—]|\s[-/]\s")
_SUSPENDED = re.compile(r"\w+-\s+(?:and|or|und|oder|en|of|og|eller|och)\s+", re.IGNORECASE)
"""As in "notebook- or tablet holder": the noun of both comes last."""

_LISTED = re.compile(r"[&/+,;|–—]|\s-\s|\s(?:and|or|und|oder|en|of|og|eller|och)\s", re.IGNORECASE)

Value = tuple[str, ...]


def heads(title: str, tongue: str, said: Iterable[str] = (), makers: Iterable[str] = ()) -> tuple[str, ...]:
    """The head of a title as a term of the language; none where the language has no rule or the title no word.

    ``said``: what the product's attributes say. ``makers``: who made it.
    """
    if tongue not in STOPS:
        return ()
    named = frozenset(word for maker in makers for word in _words(maker))
    before = list(_before(_SUSPENDED.sub("", title), tongue, named))
    kept = _without(before, _values(said, title), named) or before
    return (_term(kept[-1], tongue),) if kept else ()


def kinds(name: str, tongue: str) -> tuple[str, ...]:
    """What a category or product type is of: "Cups & saucers" are cups, and saucers."""
    if tongue not in STOPS:
        return ()
    return tuple(distinct(each for part in _LISTED.split(name) for each in heads(part, tongue)))


def asked(words: Sequence[str], tongue: str) -> str | None:
    """What a question is for, as ``heads`` says it; null where the language has no rule."""
    found = heads(" ".join(words), tongue)
    return found[0] if found else None


def _term(word: str, tongue: str) -> str:
    return f"{tongue}:{analysis.term(word, tongue)}"


def _words(text: str) -> list[str]:
    return [word.text for word in analysis.words(text)]


def _before(title: str, tongue: str, named: Collection[str]) -> Iterator[str]:
    """The title's words before it goes on to describe. A number before the first of them is a model's."""
    begun = False
    for word in _words(_BREAK.split(title, maxsplit=1)[0]):
        if word in STOPS[tongue] or (begun and word.isnumeric()):
            return
        if not any(letter.isdigit() for letter in word):
            begun = begun or word not in named
            yield word


def _values(said: Iterable[str], title: str) -> set[Value]:
    """Those attribute values that the title may end in, whole or part of a list."""
    low = title.lower()
    parts = {part.strip() for text in said for part in (text, *text.split(","))}
    return {tuple(_words(part)) for part in parts if part and part.lower() in low}


def _without(words: list[str], values: Collection[Value], named: Collection[str]) -> list[str]:
    """The words without values and makers at their end; none where there is nothing else."""
    kept = list(words)
    while kept:
        longest = min(LONGEST_VALUE, len(kept))
        length = next((n for n in range(longest, 0, -1) if tuple(kept[-n:]) in values), 0)
        length = length or int(kept[-1] in named)
        if not length:
            break
        del kept[-length:]
    return kept
