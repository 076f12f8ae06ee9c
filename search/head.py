"""Head nouns: the word of a title that says what the thing is. "Case for a phone" is a case, not a phone.

A title's head is its last word before what only describes: a preposition, a number, a comma or bracket. Languages
whose adjectives follow the noun have no rule here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from search import analysis

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

_BREAK = re.compile(r"[,;:(\[|/–—]|\s-\s")


def heads(title: str, tongue: str) -> tuple[str, ...]:
    """The head of a title as a term of the language; none where the language has no rule or the title no word."""
    if tongue not in STOPS:
        return ()
    before: list[str] = []
    for word in analysis.words(_BREAK.split(title, maxsplit=1)[0]):
        if word.text in STOPS[tongue] or (before and any(letter.isdigit() for letter in word.text)):
            break
        before.append(word.text)
    return (f"{tongue}:{analysis.term(before[-1], tongue)}",) if before else ()


def asked(words: Sequence[str], tongue: str) -> str | None:
    """What a question is for, as ``heads`` says it; null where the language has no rule."""
    found = heads(" ".join(words), tongue)
    return found[0] if found else None
