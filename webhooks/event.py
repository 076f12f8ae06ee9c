"""The events that an endpoint can ask for, read from the registry: nothing lists them a second time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from hub.errors import Invalid
from hub.registry import Event, parts, roots
from hub.viewer import Viewer

KINDS = {"created": "was made", "updated": "changed, or what is part of it", "deleted": "was removed"}
NAMED = re.compile(r"'([a-z]+\.[a-z_]*)'")
"""The names in an event's SQL; one that ends in its dot is completed from the row (``order.placed``)."""

TEST = "webhook.test"
"""What a test sends; nobody needs to ask for it."""

VERIFICATION = "webhook.verification"
"""What carries the challenge that an endpoint has to echo."""


@dataclass(frozen=True)
class EventType:
    """One event. ``aggregate``: the noun that it is about. ``kind``: set where it is the noun and what befell it."""

    name: str
    aggregate: str
    says: str
    kind: str | None = None


@cache
def types() -> dict[str, EventType]:
    """Every event by name, in the order of the nouns."""
    return {each.name: each for each in _all()}


def of(aggregate: str, kind: str) -> str:
    """The event that every change of this kind means: ``pricelist.updated`` for a price list."""
    return f"{_noun(aggregate)}.{kind}"


def check(asked: Iterable[str]) -> list[str]:
    """The events as they are kept, each once. Raises ``hub.errors.Invalid`` for one that never happens."""
    nouns = {name.partition(".")[0] for name in types()}
    found = dict.fromkeys(asked)
    for place, name in enumerate(found):
        noun, _, rest = name.partition(".")
        if not (name in types() or (rest == "*" and noun in nouns)):
            raise Invalid(f'Event type "{name}" does not exist: {_right(name)}', (place,))
    if not found:
        raise Invalid("An empty list of event types asks for nothing: leave it out to ask for all.")
    return list(found)


def one(name: str) -> EventType:
    """The event of that name. Raises ``hub.errors.Invalid`` for one that never happens."""
    if name not in types():
        raise Invalid(f'Event type "{name}" does not exist: {_right(name)}')
    return types()[name]


def asked(event_types: Iterable[str] | None) -> list[EventType]:
    """The events that an endpoint's list means; null: all."""
    if event_types is None:
        return list(types().values())
    given = set(event_types)
    return [each for each in types().values() if given & {each.name, f"{_noun(each.aggregate)}.*"}]


def seen_by(viewer: Viewer) -> list[str]:
    """The types of aggregates whose changes the viewer may read."""
    return [name for name, scope in _scopes() if viewer.may(scope, "read")]


def _all() -> Iterator[EventType]:
    for root in roots():
        says = root.name.replace("_", " ")
        for kind, befell in KINDS.items():
            yield EventType(of(root.name, kind), root.name, f"The {says} {befell}.", kind)
        for part in parts():
            if part.kept.aggregate == root.name:
                yield from _of_table(root.name, part.kept.events)


def _of_table(aggregate: str, events: Iterable[Event]) -> Iterator[EventType]:
    for event in events:
        for name in NAMED.findall(event.when):
            endings = event.endings if name.endswith(".") else ("",)
            yield from (EventType(name + ending, aggregate, event.says) for ending in endings)


@cache
def _scopes() -> tuple[tuple[str, str], ...]:
    return tuple((root.name, root.kept.scope) for root in roots())


def _right(name: str) -> str:
    near = get_close_matches(name, types(), 1, 0.6)
    if near:
        return f"the nearest is {near[0]}."
    same = [each for each in types() if each.startswith(f"{name.partition('.')[0]}.")]
    return (
        f"take one of {', '.join(same)}."
        if same
        else "take one like product.updated, or product.* for all of a noun."
    )


def _noun(aggregate: str) -> str:
    return aggregate.replace("_", "")
