"""Head nouns: the word of a title that says what the thing is. "Case for a phone" is a case, not a phone.

A title's head is its last word before what only describes: a preposition, a number, a comma or bracket, and what an
attribute of the product says by itself, such as its colour. Numbers of models count for nothing. Where adjectives follow
the noun, as in Romance languages, it is the first word that is no article, no maker and none of the few adjectives that
go before.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

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
    "fr": frozenset(
        [
            "pour",
            "avec",
            "sans",
            "de",
            "du",
            "des",
            "d",
            "en",
            "à",
            "a",
            "au",
            "aux",
            "par",
            "sur",
            "dans",
            "et",
            "ou",
        ]
    ),
    "es": frozenset(["para", "con", "sin", "de", "del", "en", "a", "al", "por", "sobre", "y", "e", "o", "u"]),
    "it": frozenset(
        [
            "per",
            "con",
            "senza",
            "di",
            "d",
            "del",
            "dello",
            "della",
            "dell",
            "dei",
            "degli",
            "delle",
            "da",
            "dal",
            "dalla",
            "in",
            "a",
            "ad",
            "al",
            "alla",
            "all",
            "su",
            "e",
            "ed",
            "o",
        ]
    ),
    "pt": frozenset(
        [
            "para",
            "com",
            "sem",
            "de",
            "do",
            "da",
            "dos",
            "das",
            "em",
            "no",
            "na",
            "nos",
            "nas",
            "a",
            "à",
            "ao",
            "por",
            "e",
            "ou",
        ]
    ),
    "ro": frozenset(["pentru", "cu", "fără", "fara", "de", "din", "în", "in", "la", "pe", "și", "si", "sau"]),
}
"""Language → words after which a title goes on to describe."""

JOINING = frozenset(
    [
        "and",
        "or",
        "und",
        "oder",
        "en",
        "of",
        "og",
        "eller",
        "och",
        "et",
        "ou",
        "y",
        "e",
        "u",
        "o",
        "ed",
        "și",
        "si",
        "sau",
    ]
)
"""Those of them that put another thing beside the first instead of saying what it is for. English "of" is one of both."""

LEADING = {
    "fr": frozenset(
        [
            "le",
            "la",
            "les",
            "l",
            "un",
            "une",
            "des",
            "petit",
            "petite",
            "petits",
            "petites",
            "grand",
            "grande",
            "grands",
            "grandes",
            "beau",
            "belle",
        ]
    ),
    "es": frozenset(["el", "la", "los", "las", "un", "una", "unos", "unas", "gran", "nuevo", "nueva"]),
    "it": frozenset(
        [
            "il",
            "lo",
            "la",
            "i",
            "gli",
            "le",
            "l",
            "un",
            "uno",
            "una",
            "grande",
            "piccolo",
            "piccola",
            "nuovo",
            "nuova",
        ]
    ),
    "pt": frozenset(["o", "a", "os", "as", "um", "uma", "uns", "umas", "grande", "novo", "nova"]),
    "ro": frozenset(["un", "o", "niște"]),
}
"""Languages whose adjectives follow the noun → the words that may stand before it."""

LONGEST_VALUE = 6
"""Words of the longest attribute value that is looked for at the end of a title."""

_BREAK = re.compile(r"[,;:(\[|–—]|\s[-/]\s")
_SUSPENDED = re.compile(r"\w+-\s+(?:and|or|und|oder|en|of|og|eller|och)\s+", re.IGNORECASE)
"""As in "notebook- or tablet holder": the noun of both comes last."""

_LISTED = re.compile(
    r"[&/+,;|–—]|\s-\s|\s(?:and|or|und|oder|en|of|og|eller|och|et|ou|y|e|o|și|si|sau)\s", re.IGNORECASE
)

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
    return (_term(_noun(kept, tongue, named), tongue),) if kept else ()


def _noun(words: Sequence[str], tongue: str, named: Collection[str] = ()) -> str:
    """Which of the words that stand before a description is the thing."""
    if tongue not in LEADING:
        return words[-1]
    return next((word for word in words if word not in LEADING[tongue] and word not in named), words[-1])


@lru_cache(maxsize=10_000)
def kinds(name: str, tongue: str) -> tuple[str, ...]:
    """What a category or product type is of: "Cups & saucers" are cups, and saucers."""
    if tongue not in STOPS:
        return ()
    return tuple(distinct(each for part in _LISTED.split(name) for each in heads(part, tongue)))


@dataclass(frozen=True)
class Asked:
    """What a question is for. ``said``: a preposition says so, as in "cups for espresso"."""

    word: str
    said: bool


def asked(words: Sequence[str], tongue: str) -> Asked | None:
    """What a question is for, by the rule for titles; null where the language has none, or nothing stands before "for"."""
    if tongue not in STOPS:
        return None
    text = " ".join(words)
    before = list(_before(text, tongue, ()))
    if not before:
        return None
    stop = next((word for word in words if word in STOPS[tongue]), None)
    joins = stop in JOINING and (tongue, stop) != ("en", "of")
    return Asked(_noun(before, tongue), stop is not None and not joins)


def _term(word: str, tongue: str) -> str:
    return f"{tongue}:{analysis.term(word, tongue)}"


def _words(text: str) -> list[str]:
    return [word.text for word in analysis.words(text)]


def _before(title: str, tongue: str, named: Collection[str]) -> Iterator[str]:
    """The title's words before it goes on to describe. A number before the first of them is a model's."""
    begun = False
    for word in _cut(_BREAK.split(title, maxsplit=1)[0], tongue):
        if word in STOPS[tongue] or (begun and word.isnumeric()):
            return
        if not any(letter.isdigit() for letter in word):
            begun = begun or word not in named
            yield word


def _cut(text: str, tongue: str) -> list[str]:
    """The words of a text. German writes nouns with a capital: a small word behind one, as in "Tasse weiß", is none."""
    found = list(analysis.words(text))
    if tongue != "de":
        return [word.text for word in found]
    stop = next((at for at, word in enumerate(found) if word.text in STOPS[tongue]), len(found))
    nouns = [at for at, word in enumerate(found[:stop]) if text[word.start].isupper()]
    return [word.text for word in (*found[: nouns[-1] + 1 if nouns else stop], *found[stop:])]


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
