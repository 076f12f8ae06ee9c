"""Compounds: words made of words, taken apart and put together by the words that the channel's own products have.

Nothing of it is in the index but each word's stem backwards (``endings``): which words make up another is asked anew with
each question, so that it stays right as the shop grows, and needs no dictionary and no rebuild.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise, permutations
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from search import analysis, entry
from search.kept import Kept
from search.wanted import Text, Wanted

if TYPE_CHECKING:
    from search.engine import Index, Reader

LINKS = {
    "da": ("", "s", "e"),
    "de": ("", "s", "es", "n", "en", "e", "er"),
    "fi": ("", "n"),
    "hu": ("",),
    "nl": ("", "s", "en", "e"),
    "no": ("", "s", "e"),
    "sv": ("", "s", "e", "o", "a", "u"),
}
"""Languages that write compounds as one word → what may stand between the words."""

SHORTEST_PART = 3
LONGEST_PARTED = 32
"""Letters of the longest word that is taken apart."""

CLEAR = 5
"""Letters of a word and of what stands before it from which on the two are taken for a compound, whether or not the rest is known."""

MOST_COMPOUNDS = 100
"""Compounds that end in a word: those that most products have."""

MOST_JOINED = 6
"""Words of a question that are put together in pairs."""


class Lexicon:
    """The words of one channel and language, as the index knows them."""

    def __init__(self, index: Index, reader: Reader, channel_id: int | None, tongue: str) -> None:
        self._reader = reader
        self._prefix = entry.ending(channel_id, tongue, "")
        self._memory = _memories.setdefault(index, _Memory())
        self.tongue = tongue

    @property
    def links(self) -> tuple[str, ...]:
        """What may stand between the words of a compound."""
        return LINKS.get(self.tongue, ("",))

    def term(self, word: str) -> str:
        """A word as the index has it."""
        return analysis.term(word, self.tongue)

    def known(self, terms: Iterable[str]) -> set[str]:
        """Those of the terms that names and labels of the channel's products have."""
        sought = {self._prefix + term[::-1]: term for term in terms}
        said = self._memory.known.recalled(sought)
        missing = [name for name in sought if name not in said]
        if missing:
            held = self._reader.held("endings", missing)
            said |= self._memory.known.kept({name: name in held for name in missing})
        return {term for name, term in sought.items() if said[name]}

    def ending(self, term: str) -> list[str]:
        """The longer terms that end so, those of most products first."""
        name = self._prefix + term[::-1]
        said = self._memory.endings.recalled([name])
        if name not in said:
            found = self._reader.words(name, MOST_COMPOUNDS + 1, "endings")
            longer = [each.removeprefix(self._prefix)[::-1] for each, _ in found]
            said = self._memory.endings.kept({name: longer})
        return [each for each in said[name] if each != term][:MOST_COMPOUNDS]


@dataclass(frozen=True)
class _Memory:
    """What one index said of words."""

    known: Kept[bool] = field(default_factory=Kept)
    endings: Kept[list[str]] = field(default_factory=Kept)


_memories: WeakKeyDictionary[Index, _Memory] = WeakKeyDictionary()


def widened(text: Text, lexicon: Lexicon) -> Text:
    """The same with the compounds that end in each word, and those that two of the words make.

    In languages that write no compounds as one word it is the same.
    """
    if lexicon.tongue not in LINKS:
        return text
    joined = _joined(text.plain, lexicon)
    words = []
    for wanted in text.words:
        more = joined.get(wanted.word, ())
        compounds = dict.fromkeys([*more, *_ending(wanted.word, lexicon)])
        words.append(replace(wanted, compounds=tuple(compounds)))
    return replace(text, words=tuple(words))


def parted(text: Text, lexicon: Lexicon) -> Text:
    """The same with the parts of each compound, as far as they are known.

    ``unknown``: no name or label has the word itself, so that its parts count as the word. In languages that write no
    compounds as one word only such words are taken apart: a keyboard is no board with keys.
    """
    known = lexicon.known(lexicon.term(wanted.word) for wanted in text.words)
    words = []
    for wanted in text.words:
        unknown = lexicon.term(wanted.word) not in known
        made_of = parts_of(wanted.word, lexicon) if unknown or lexicon.tongue in LINKS else ()
        parts = tuple(_part(part, lexicon) for part in made_of)
        words.append(replace(wanted, parts=parts, unknown=unknown and bool(parts)))
    return replace(text, words=tuple(words))


def _part(word: str, lexicon: Lexicon) -> Wanted:
    compounds = _ending(word, lexicon) if lexicon.tongue in LINKS else []
    return Wanted(word, compounds=tuple(compounds))


def _ending(word: str, lexicon: Lexicon) -> list[str]:
    """The compounds whose last part is a word: "preis" ends in "eis" and is none, for "pr" is no word."""
    term = lexicon.term(word)
    if len(term) < SHORTEST_PART or not word.isalpha():
        return []
    before = {each: each.removesuffix(term) for each in lexicon.ending(term)}
    before = {each: rest for each, rest in before.items() if len(rest) >= SHORTEST_PART}
    unclear = {rest for rest in before.values() if min(len(word), len(rest)) < CLEAR}
    known = lexicon.known(term for rest in unclear for _, term in _first_parts(rest, lexicon))
    return [each for each, rest in before.items() if rest not in unclear or _is_first(rest, known, lexicon)]


def _first_parts(text: str, lexicon: Lexicon) -> Iterator[tuple[str, str]]:
    """What the first part of a compound may be as a word, with its term: without what links it, or as it is."""
    for link in lexicon.links:
        word = text.removesuffix(link)
        if (not link or text.endswith(link)) and _may_be_part(word, lexicon):
            yield word, lexicon.term(word)


def _may_be_part(word: str, lexicon: Lexicon) -> bool:
    return len(word) >= SHORTEST_PART and not analysis.is_stop_word(word, lexicon.tongue)


def _is_first(text: str, known: set[str], lexicon: Lexicon) -> bool:
    return any(term in known for _, term in _first_parts(text, lexicon))


def _joined(words: Sequence[str], lexicon: Lexicon) -> dict[str, list[str]]:
    """For each word the compounds that it makes with another, in either order: "Tassen für Espresso" are "Espressotassen"."""
    if len(words) > MOST_JOINED:
        return {}
    made = {
        (first, second): [lexicon.term(first + link + second) for link in lexicon.links]
        for first, second in permutations([word for word in words if word.isalpha()], 2)
    }
    known = lexicon.known(term for terms in made.values() for term in terms)
    found: dict[str, list[str]] = {}
    for pair, terms in made.items():
        for word in pair:
            found.setdefault(word, []).extend(term for term in terms if term in known)
    return found


@dataclass(frozen=True, order=True)
class _Cut:
    """A way to take a word apart; the least is the best: few parts, none of them short, few links."""

    count: int
    shortest: int
    links: int
    words: tuple[str, ...]


def parts_of(word: str, lexicon: Lexicon) -> tuple[str, ...]:
    """The two or three known words that make up another; none where nothing is known of it."""
    if not word.isalpha() or not 2 * SHORTEST_PART <= len(word) <= LONGEST_PARTED:
        return ()
    cuts = [[0, *at, len(word)] for count in (1, 2) for at in combinations(range(len(word)), count)]
    cuts = [cut for cut in cuts if all(b - a >= SHORTEST_PART for a, b in pairwise(cut))]
    firsts = {word[a:b] for cut in cuts for a, b in pairwise(cut[:-1])}
    lasts = {text for cut in cuts if _may_be_part(text := word[cut[-2] :], lexicon)}
    terms = {term for text in firsts for _, term in _first_parts(text, lexicon)}
    known = lexicon.known(terms | {lexicon.term(text) for text in lasts})
    found = [made for cut in cuts if (made := _cut(word, cut, known, lexicon))]
    return min(found).words if found else _by_ending(word, known, lexicon)


def _by_ending(word: str, known: set[str], lexicon: Lexicon) -> tuple[str, ...]:
    """A known word and one that only other compounds end in."""
    if lexicon.tongue not in LINKS:
        return ()
    for at in range(SHORTEST_PART, len(word) - SHORTEST_PART + 1):
        first, end = _first(word[:at], known, lexicon), word[at:]
        if first is not None and _may_be_part(end, lexicon) and _ending(end, lexicon):
            return first, end
    return ()


def _cut(word: str, cut: Sequence[int], known: set[str], lexicon: Lexicon) -> _Cut | None:
    *starts, end = [word[a:b] for a, b in pairwise(cut)]
    if lexicon.term(end) not in known:
        return None
    firsts = [_first(text, known, lexicon) for text in starts]
    words = [each for each in firsts if each is not None]
    if len(words) < len(firsts):
        return None
    links = sum(len(text) - len(each) for text, each in zip(starts, words, strict=True))
    return _Cut(len(cut) - 1, -min(map(len, (*words, end))), links, (*words, end))


def _first(text: str, known: set[str], lexicon: Lexicon) -> str | None:
    return next((word for word, term in _first_parts(text, lexicon) if term in known), None)
