"""Weights: what an agreement is worth, after Fellegi and Sunter (1969), and how it is learned without labels.

A level weighs ``log2(m / u)`` bits: ``m`` is how often records of one person agree that well, ``u`` how often those of
two people do. ``u`` is counted among pairs drawn at random; ``m`` is found by expectation maximisation over the pairs
that blocking brings together (Winkler 1988), with conditional independence of the comparisons. What the hub ships with
holds its place in both as so many pairs seen before: a level that a shop never met still weighs something.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import log2

from hub.db import Json
from hub.identity_compare import LEVELS, Levels

Shares = dict[str, dict[str, float]]
"""By comparison and level: how often."""

SAME_PERSON: Shares = {
    "given_name": {"same": 0.80, "near": 0.15, "other": 0.05},
    "family_name": {"same": 0.80, "near": 0.15, "other": 0.05},
    "birth_date": {"same": 0.86, "near": 0.10, "partly": 0.03, "other": 0.01},
    "address": {"same": 0.60, "near": 0.16, "partly": 0.06, "place": 0.06, "other": 0.12},
    "email": {"same": 0.70, "near": 0.05, "other": 0.25},
    "phone": {"same": 0.70, "near": 0.05, "other": 0.25},
}
TWO_PEOPLE: Shares = {
    "given_name": {"same": 0.008, "near": 0.012, "other": 0.98},
    "family_name": {"same": 0.003, "near": 0.007, "other": 0.99},
    "birth_date": {"same": 0.00005, "near": 0.0012, "partly": 0.0035, "other": 0.99525},
    "address": {"same": 0.00001, "near": 0.00003, "partly": 0.0003, "place": 0.009, "other": 0.99066},
    "email": {"same": 0.00001, "near": 0.00001, "other": 0.99998},
    "phone": {"same": 0.00001, "near": 0.00004, "other": 0.99995},
}

HELD_M = 100.0
"""Pairs of one person for which the shipped shares stand."""
HELD_U = 20_000.0
"""Pairs of two people for which they stand: rare agreements show among many pairs only."""

VETOES = frozenset({"given_name", "birth_date"})
"""What tells the members of a family apart who share all the rest."""

SLIPS = 0.02
"""Of pairs that agree in everything else, the share with a wholly different family name or birth date from which a shop's
data is so careless that whole values are often wrong."""
EXCESS = 3.0
"""Times as many given names may differ as other things do: where there are more, these are twins and not slips."""
FEWEST = 100
"""Pairs that must agree in everything else before that is judged."""

ROUNDS = 100
SETTLED = 1e-6


@dataclass(frozen=True)
class Weights:
    """Bits by comparison and level. ``vetoes``: comparisons that must not end in "other" where the hub links by itself."""

    bits: Mapping[str, Mapping[str, float]]
    vetoes: frozenset[str]

    @classmethod
    def of(cls, same: Shares, two: Shares, vetoes: frozenset[str]) -> Weights:
        """The weights of two sets of shares."""
        bits = {
            name: {level: round(log2(same[name][level] / two[name][level]), 4) for level in levels}
            for name, levels in LEVELS.items()
        }
        return cls(bits, vetoes)

    def vetoed(self, levels: Levels) -> list[str]:
        """The comparisons that contradict: twins have two given names, father and son two birth dates."""
        named = zip(LEVELS, levels, strict=True)
        return [name for name, level in named if level == "other" and name in self.vetoes]

    def score(self, levels: Levels) -> float:
        """What two records' agreement is worth in all."""
        pairs = zip(LEVELS, levels, strict=True)
        return round(sum(self.bits[name][level] for name, level in pairs if level is not None), 4)

    def reasons(self, levels: Levels) -> list[Json]:
        """The score in its parts. It holds no value of either record."""
        return [
            {"comparison": name, "level": level, "weight": self.bits[name][level]}
            for name, level in zip(LEVELS, levels, strict=True)
            if level is not None
        ]


SHIPPED = Weights.of(SAME_PERSON, TWO_PEOPLE, VETOES)


def estimate(blocked: Counter[Levels], random: Counter[Levels]) -> Weights:
    """The weights that fit a shop's own records. Both count how often each pattern of levels was met."""
    two = _smoothed(_counted(random), TWO_PEOPLE, HELD_U)
    same, rest, share = SAME_PERSON, TWO_PEOPLE, 0.5
    total = sum(blocked.values())
    for _ in range(ROUNDS if total else 0):
        ours: dict[Levels, float] = {}
        theirs: dict[Levels, float] = {}
        for levels, count in blocked.items():
            likely = _likelihood(levels, same) * share
            unlikely = _likelihood(levels, rest) * (1 - share)
            ours[levels] = count * likely / (likely + unlikely)
            theirs[levels] = count - ours[levels]
        same, rest = (
            _smoothed(_counted(ours), SAME_PERSON, HELD_M),
            _smoothed(_counted(theirs), TWO_PEOPLE, HELD_M),
        )
        before, share = share, min(max(sum(ours.values()) / total, 1e-6), 1 - 1e-6)
        if abs(share - before) < SETTLED:
            break
    return Weights.of(same, two, frozenset() if _is_careless(blocked) else VETOES)


def _is_careless(blocked: Counter[Levels]) -> bool:
    """Whether whole values are so often wrong that a different given name means little.

    A slip strikes any field, a twin only the given name. So the family names and birth dates that differ where all
    else agrees tell how many of the given names that do are slips.
    """
    given, family, born = (_differing(blocked, place) for place in range(3))
    if given is None or family is None or born is None:
        return False
    slips = min(family, born)
    return slips >= SLIPS and given <= EXCESS * slips


def _differing(blocked: Counter[Levels], place: int) -> float | None:
    """How often one comparison ends in "other" while names, birth date and address agree otherwise; null: too few."""
    rest = [each for each in range(4) if each != place]
    agreeing = {
        levels: count
        for levels, count in blocked.items()
        if levels[place] is not None and all(levels[each] in {"same", "near"} for each in rest)
    }
    total = sum(agreeing.values())
    if total < FEWEST:
        return None
    return sum(count for levels, count in agreeing.items() if levels[place] == "other") / total


def _likelihood(levels: Levels, shares: Shares) -> float:
    found = 1.0
    for name, level in zip(LEVELS, levels, strict=True):
        if level is not None:
            found *= shares[name][level]
    return found


def _counted(patterns: Mapping[Levels, float]) -> Shares:
    found: Shares = {name: dict.fromkeys(levels, 0.0) for name, levels in LEVELS.items()}
    for levels, count in patterns.items():
        for name, level in zip(LEVELS, levels, strict=True):
            if level is not None:
                found[name][level] += count
    return found


def _smoothed(counted: Shares, held: Shares, strength: float) -> Shares:
    return {
        name: {
            level: (counted[name][level] + strength * share) / (sum(counted[name].values()) + strength)
            for level, share in held[name].items()
        }
        for name in LEVELS
    }
