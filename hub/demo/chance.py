"""Chance that comes out the same every time: the shop looks made by life, and is the same shop on every machine."""

from __future__ import annotations

from random import Random

SEED = "corner shop"


def of(*subject: object) -> Random:
    """The chance of one thing (``of("product", 7)``): no other thing's draws move it, so any of them can be made alone."""
    return Random("/".join(map(str, (SEED, *subject))))  # noqa: S311 - repeatable on purpose, and nothing secret


def happens(draw: Random, share: float) -> bool:
    """Whether something comes to pass that does so in ``share`` of all cases."""
    return draw.random() < share


def each(nth: int, number: int, *, at: int) -> bool:
    """Whether ``number`` is one of those that come every ``nth`` time, from ``at`` on."""
    return number % nth == at
