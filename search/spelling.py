"""Spelling: words of the catalogue that are close to one that is not in it.

Only words that the channel's documents do not have are corrected, so that no correction competes with an exact hit. The
first letter is taken to be right, as people mostly type it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from search import analysis, entry

if TYPE_CHECKING:
    from search.engine import Reader

SHORTEST = 4
"""Letters of the shortest word that is corrected."""

LONG = 8
"""Letters from which on two slips are allowed instead of one."""

MOST_WORDS = 20_000
"""Words of the catalogue that are compared with one that is not in it."""

OFFERED = 3


def close_words(
    reader: Reader, words: Iterable[str], channel_id: int | None, tongue: str
) -> dict[str, list[str]]:
    """For each word that the catalogue does not have: the closest that it has."""
    prefix = entry.spelling(channel_id, tongue, "")
    written = {word: analysis.plain(word) for word in words}
    sought = {
        prefix + plain: 2 if len(plain) >= LONG else 1
        for plain in written.values()
        if len(plain) >= SHORTEST and plain.isalpha()
    }
    found = reader.similar(sought, len(prefix) + 1) if sought else {}
    return {
        word: [term.removeprefix(prefix) for term in found[prefix + plain]]
        for word, plain in written.items()
        if prefix + plain in found
    }


def closest(term: str, known: Sequence[tuple[str, int]], most: int) -> list[str]:
    """The known terms that differ in at most ``most`` letters, the most frequent of equals first; none for a known one."""
    rated = []
    for other, count in known:
        if other == term:
            return []
        if abs(len(other) - len(term)) <= most:
            slips = distance(term, other, most)
            if slips <= most:
                rated.append((slips, -count, other))
    return [other for _, _, other in sorted(rated)[:OFFERED]]


def distance(first: str, second: str, most: int) -> int:
    """Insertions, deletions, replacements and swaps of neighbours between two words; ``most`` + 1 where more.

    Optimal string alignment, after Damerau (1964), cut off early.
    """
    two_before, before = list[int](), list(range(len(second) + 1))
    for place, letter in enumerate(first, start=1):
        row = [place]
        for at, other in enumerate(second, start=1):
            cost = min(before[at] + 1, row[-1] + 1, before[at - 1] + (letter != other))
            if place > 1 and at > 1 and letter == second[at - 2] and first[place - 2] == other:
                cost = min(cost, two_before[at - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        two_before, before = before, row
    return before[-1]
