"""The events that an endpoint can ask for, read from the registry: nothing lists them a second time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from hub.errors import Invalid
from hub.registry import parts, roots
from hub.viewer import Viewer

KINDS = ("created", "updated", "deleted")
NAMED = re.compile(r"'([a-z]+\.[a-z_]*)'")
"""The names in an event's SQL; one that ends in its dot is completed from the row (``order.placed``)."""

TEST = "webhook.test"
"""What a test sends; nobody needs to ask for it."""


def types() -> list[str]:
    """Every event by name; ``order.<state>`` stands as ``order.``."""
    plain = {f"{_noun(root.name)}.{kind}" for root in roots() for kind in KINDS}
    said = {name for part in parts() for event in part.kept.events for name in NAMED.findall(event.when)}
    return sorted(plain | said)


def check(asked: Iterable[str]) -> list[str]:
    """The events as they are kept, each once. Raises ``hub.errors.Invalid`` for one that never happens."""
    known = types()
    nouns = {name.partition(".")[0] for name in known}
    open_ended = tuple(name for name in known if name.endswith("."))
    found = dict.fromkeys(asked)
    for place, name in enumerate(found):
        noun, _, rest = name.partition(".")
        every = rest == "*" and noun in nouns
        completed = name.startswith(open_ended) and re.fullmatch(r"[a-z_]+", rest) is not None
        if not (every or completed or (name in known and not name.endswith("."))):
            raise Invalid(f'Event type "{name}" does not exist: {_right(noun, known)}', (place,))
    if not found:
        raise Invalid("An empty list of event types asks for nothing: leave it out to ask for all.")
    return list(found)


def seen_by(viewer: Viewer) -> list[str]:
    """The types of aggregates whose changes the viewer may read."""
    return [name for name, scope in _scopes() if viewer.may(scope, "read")]


@cache
def _scopes() -> tuple[tuple[str, str], ...]:
    return tuple((root.name, root.kept.scope) for root in roots())


def _right(noun: str, known: list[str]) -> str:
    near = [name for name in known if name.startswith(f"{noun}.")]
    return (
        f"take one of {', '.join(near)}."
        if near
        else "take one like product.updated, or product.* for all of a noun."
    )


def _noun(aggregate: str) -> str:
    return aggregate.replace("_", "")
