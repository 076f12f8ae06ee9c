"""Clustering: which records are one customer, from the links between them.

Links are taken in one fixed order: what people decided, then identifiers that alone say who it is, by their priority,
then scores, the highest first. A link that would bring together what must stay apart is dropped, and says why. So the
outcome depends on records, rules and decisions, and not on who came first: the order of two links is that of what the
records are called where they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from hub.identity_profile import Profile

Name = str
"""What a record is called: its system and its id there. It is the same wherever and whenever the record comes in."""

Drop = Literal["excluded", "limit", "contradiction"]

DECIDED, PROVEN, SCORED = 0, 1, 2
"""The ranks of links."""


@dataclass(frozen=True, slots=True)
class Link:
    """Two records that are taken for one person. ``priority``: of the identifier, the lowest first; ``score`` in bits."""

    one: Name
    other: Name
    rank: int
    priority: int = 0
    score: float = 0.0

    @property
    def order(self) -> tuple[int, int, float, Name, Name]:
        """Where it stands among others."""
        first, second = sorted((self.one, self.other))
        return self.rank, self.priority, -self.score, first, second


@dataclass
class Clusters:
    """The outcome. ``groups``: every record's name stands in one, sorted; ``dropped``: links not taken, and why."""

    groups: list[list[Name]] = field(default_factory=list)
    dropped: list[tuple[Link, Drop, str | None]] = field(default_factory=list)


def cluster(
    records: Mapping[Name, Profile],
    links: Iterable[Link],
    *,
    apart: Iterable[tuple[Name, Name]] = (),
    limits: Mapping[str, int] | None = None,
    contradict: Callable[[Profile, Profile], bool] = lambda *_: False,
) -> Clusters:
    """Group records. ``apart``: pairs that people keep apart; ``limits``: identifiers of a type that a customer may have.

    ``contradict``: whether two records cannot be one person, whatever joins them by way of others.
    """
    joining = _Joining(records, apart, limits or {}, contradict)
    found = Clusters()
    for link in sorted(links, key=lambda each: each.order):
        refused = joining.join(link)
        if refused is not None:
            found.dropped.append((link, *refused))
    found.groups = sorted({id(group): sorted(group) for group in joining.groups.values()}.values())
    return found


class _Joining:
    """Groups on their way."""

    def __init__(
        self,
        records: Mapping[Name, Profile],
        apart: Iterable[tuple[Name, Name]],
        limits: Mapping[str, int],
        contradict: Callable[[Profile, Profile], bool],
    ) -> None:
        self.groups = {name: [name] for name in records}
        self._records = records
        self._limits = limits
        self._contradict = contradict
        self._apart: dict[Name, set[Name]] = {}
        for one, other in apart:
            self._apart.setdefault(one, set()).add(other)
            self._apart.setdefault(other, set()).add(one)

    def join(self, link: Link) -> tuple[Drop, str | None] | None:
        """Join two groups; null when that is done, otherwise what is against it, and for a limit its type."""
        ours, theirs = self.groups[link.one], self.groups[link.other]
        if ours is theirs:
            return None
        if any(not self._apart.get(name, set()).isdisjoint(theirs) for name in ours):
            return "excluded", None
        if (type_ := self._beyond(ours + theirs)) is not None:
            return "limit", type_
        # A person who says that they are one knows better than the comparison.
        if link.rank != DECIDED and self._contradictory(ours, theirs):
            return "contradiction", None
        small, large = sorted((ours, theirs), key=len)
        large.extend(small)
        for name in small:
            self.groups[name] = large
        return None

    def _beyond(self, group: list[Name]) -> str | None:
        """The type of which a group would have more identifiers than it may."""
        held = set().union(*(self._records[name].identifiers for name in group))
        for type_, most in sorted(self._limits.items()):
            if sum(kind == type_ for kind, _ in held) > most:
                return type_
        return None

    def _contradictory(self, ours: list[Name], theirs: list[Name]) -> bool:
        return any(
            self._contradict(self._records[one], self._records[other]) for one in ours for other in theirs
        )
