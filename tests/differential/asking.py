"""Asks either executor in this process; what is compared is what a client gets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import orjson
from strawberry.utils.str_converters import to_camel_case

from hub.db import Database, Json
from hub.token import EVERY_SCOPE, REACH
from hub.viewer import Viewer
from schema.app import schema
from schema.attribute_value import TYPES
from schema.declare import NOUNS, Noun
from schema.execution import Answered, Asked, Execution
from schema.rule import FIELD_RULES
from tests.differential.documents import Question, Reach
from tests.reading import PREVIEWING, STAFF, STOREFRONT, customer_viewer, scoped
from tests.shop import all_rows


def viewers(database: Database) -> dict[str, Viewer]:
    """Viewers of all kinds, by what they are called here."""
    channels = {code: int(number) for number, code in all_rows(database, "SELECT id, code FROM channel")}
    people = dict(all_rows(database, "SELECT company_id IS NOT NULL, max(id) FROM customer GROUP BY 1"))
    web, us, paris = (channels[code] for code in ("web", "us", "paris"))
    return {
        "staff": STAFF,
        "staff of web": replace(STAFF, channel_ids=frozenset({web})),
        "catalogue app": scoped(STAFF, "catalogue:read", kind="app"),
        "order app": replace(
            scoped(STAFF, "orders:read", "settings:read", kind="app"), channel_ids=frozenset({us, web})
        ),
        "stock app": scoped(STAFF, "stock:read", "feed:read", "webhooks:read", kind="app"),
        "customer app": replace(
            scoped(STAFF, *(each for each in EVERY_SCOPE if each.startswith("customers")), kind="app"),
            default_locale="fr",
        ),
        "storefront": STOREFRONT,
        "storefront of web": replace(
            STOREFRONT, channel_ids=frozenset({web}), default_channel_id=web, default_locale="en"
        ),
        "previewing storefront": replace(
            PREVIEWING, channel_ids=frozenset({web, paris}), default_channel_id=paris
        ),
        "customer": replace(customer_viewer(people[False]), default_channel_id=web),
        "customer of a company": replace(
            customer_viewer(people[True]),
            scopes=frozenset(REACH["customer"]),
            channel_ids=frozenset({web, us}),
        ),
    }


def reach(viewer: Viewer, channels: dict[int, str]) -> Reach:
    """What a viewer sees without being refused."""
    shut = set()
    for noun in NOUNS.values():
        closed = _closed(viewer, noun)
        shut |= {f"Query.{name}" for name in (noun.single, noun.plural) if name and closed}
        for name, spec in noun.specs.items():
            to = getattr(spec, "to", None)
            if not _passes(viewer, spec.requires) or (to is not None and _closed(viewer, NOUNS[to])):
                shut.add(f"{noun.title}.{to_camel_case(name)}")
    if not viewer.sees_unlisted:
        shut |= {f"{type_}.{name}" for type_ in VALUE_TYPES for name in ("source", "actor", "writtenAt")}
    shut |= {f"Query.{name}" for name, scope in OTHERS.items() if not viewer.may(scope, "read")}
    codes = tuple(code for number, code in channels.items() if viewer.reaches(number))
    bound = not viewer.sees_unlisted and viewer.default_channel_id is None
    return Reach(frozenset(shut), codes, bound)


VALUE_TYPES = ("AttributeValue", *(each.__name__ for each in TYPES.values()))
OTHERS = {
    "changes": "feed",
    "webhookEndpoint": "webhooks",
    "webhookEndpoints": "webhooks",
    "webhookDeliveries": "webhooks",
}


def _passes(viewer: Viewer, requires: str | None) -> bool:
    return requires is None or FIELD_RULES[requires][0](viewer)


def _closed(viewer: Viewer, noun: Noun) -> bool:
    return not _passes(viewer, noun.requires) or not (noun.scope is None or viewer.may(noun.scope, "read"))


WEIGHTS = {"staff": 9, "staff of web": 3, "storefront of web": 2, "customer of a company": 2}
"""How often each viewer asks; once where it is not named. Staff see most, so that most is read through them."""


@dataclass(frozen=True)
class Answer:
    """What came back. ``data``: its bytes, so that the order of keys and the form of numbers count."""

    data: bytes
    errors: tuple[Json, ...]
    early: bool
    actual: int
    executor: str
    bailed: str | None

    @property
    def codes(self) -> set[str]:
        """The codes of its errors."""
        return {each["extensions"]["code"] for each in self.errors}

    @property
    def shown(self) -> Any:
        """What must be the same whoever answers."""
        return self.data, self.errors, self.early, self.actual

    def agrees(self, other: Answer) -> bool:
        """Whether both say the same.

        Fields beside each other are resolved at the same time. Where the first one that fails empties what they are in,
        nobody waits for the others: what they say of their own failures is told or not, as it happens.
        """
        if self.shown == other.shown:
            return True
        if (self.data, self.early) != (other.data, other.early):
            return False
        both = [each for each in self.errors if each in other.errors]
        alone = [each for each in (*self.errors, *other.errors) if each not in both]
        emptied = {self._emptied(each) for each in both} - {None}
        return bool(alone) and all(self._emptied(each) in emptied for each in alone)

    def _emptied(self, error: Json) -> tuple[str | int, ...] | None:
        """What an error emptied beyond its own field; null where that alone is null."""
        path = error.get("path") or []
        found = orjson.loads(self.data)
        for depth, step in enumerate(path):
            if found is None:
                return tuple(path[:depth])
            found = found[step]
        return None


def _plain(answered: Answered) -> Answer:
    # Fields are resolved side by side: the order in which their errors come in says nothing.
    errors = sorted(answered.errors, key=lambda each: (str(each.get("path")), each["message"]))
    return Answer(
        answered.text, tuple(errors), answered.early, answered.actual, answered.executor, answered.bailed
    )


class Client:
    """Asks one executor."""

    def __init__(self, database: Database, runner: asyncio.Runner, extras: Json, *, compiled: bool) -> None:
        self.execution = Execution(schema(), database, extras, compiled=compiled)
        self._runner = runner

    def anew(self) -> Client:
        """The same without all that was learned: no plan is made already."""
        known = self.execution
        return Client(known.database, self._runner, known.extras, compiled=known.compiled)

    def ask(self, question: Question, viewer: Viewer) -> Answer:
        """The answer to a question."""
        asked = Asked(question.query, question.variables, question.operation)
        return _plain(self._runner.run(self.execution.run(asked, viewer)))
