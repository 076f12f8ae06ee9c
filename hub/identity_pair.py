"""Judging a pair of records: one person for certain, perhaps, or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hub.db import Json
from hub.identity_compare import LEVELS, Levels, compare
from hub.identity_profile import Profile
from hub.identity_weight import SHIPPED, Weights

Verdict = Literal["link", "candidate"]

AUTOMATIC = 18.0
CANDIDATE = 5.0
"""Bits from which the hub links by itself, and from which it asks people."""


@dataclass(frozen=True)
class Rules:
    """What decides about pairs: the thresholds in bits, and the weights."""

    automatic: float = AUTOMATIC
    candidate: float = CANDIDATE
    weights: Weights = SHIPPED

    def contradict(self, one: Profile, other: Profile) -> bool:
        """Whether two records cannot be one person, whatever links them by way of others."""
        return bool(self.weights.vetoed(compare(one, other)))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a pair is. ``identifier``: the one that both have and that alone says who it is, as (type, value)."""

    verdict: Verdict
    score: float
    reasons: list[Json]
    identifier: tuple[str, str] | None = None


def judge(one: Profile, other: Profile, rules: Rules) -> Judgement | None:
    """What a pair is; null: two people."""
    return judge_levels(compare(one, other), sorted(one.proven & other.proven), rules)


def judge_levels(levels: Levels, shared: list[tuple[str, str]], rules: Rules) -> Judgement | None:
    """The same, of a comparison that was made and the identifiers that both have."""
    score = rules.weights.score(levels)
    against = rules.weights.vetoed(levels)
    reasons = rules.weights.reasons(levels)
    if shared:
        reasons.insert(0, {"comparison": "identifier", "level": "same", "type": shared[0][0]})
        # Families share an account: whose names and birth dates differ are looked at by people.
        return Judgement("candidate" if against else "link", score, reasons, shared[0])
    if score >= rules.automatic and not against and _is_told(levels):
        return Judgement("link", score, reasons)
    if score >= rules.candidate and _is_plausible(levels, against):
        return Judgement("candidate", score, reasons)
    return None


def _is_told(levels: Levels) -> bool:
    """Whether it is told who of a household it is: by the given name or, where one has none, the birth date."""
    given, _, born, *_ = levels
    return given is not None or born in {"same", "near"}


def _is_plausible(levels: Levels, against: list[str]) -> bool:
    """Whether people are to be asked: relatives agree in much, and are worth a question only where one thing differs."""
    if not against:
        return True
    named = dict(zip(LEVELS, levels, strict=True))
    rest = {"given_name": "birth_date", "birth_date": "given_name"}
    return all(named[rest[name]] in {"same", "near"} for name in against)
