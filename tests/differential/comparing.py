"""Compares both executors over questions made by chance, and keeps count of what they were like."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema

from hub.app import create_app
from hub.db import Database, Json
from hub.viewer import Viewer
from schema.app import schema
from schema.router import Endpoint
from search.rebuild import rebuild
from tests.differential.asking import WEIGHTS, Answer, Client, reach, viewers
from tests.differential.documents import Question, Reach, question
from tests.differential.pools import Pools, gather
from tests.differential.shop import build
from tests.reading import Asking
from tests.running import make_settings
from tests.shop import all_rows


class DifferenceError(AssertionError):
    """The executors do not agree, or one of them failed."""


@dataclass
class Pair:
    """Both executors on one shop. ``counts``: how the answers were; ``bails``: by cause; ``reached``: fields asked for."""

    pools: Pools
    viewers: dict[str, Viewer]
    reaches: dict[str, Reach]
    ordinary: Client
    compiled: Client
    counts: Counter[str] = field(default_factory=Counter)
    bails: Counter[str] = field(default_factory=Counter)
    reached: set[str] = field(default_factory=set)

    def draw(self, chance: Random, known: Collection[str] = frozenset()) -> tuple[Question, str]:
        """A question, and who asks it. ``known``: fields that it need not ask for."""
        names = sorted(self.viewers)
        (viewer,) = chance.choices(names, [WEIGHTS.get(name, 1) for name in names])
        return question(chance, graphql_schema(), self.pools, self.reaches[viewer], known), viewer

    def check(self, asked: Question, viewer: str, expected: Answer | None = None) -> None:
        """Ask both. Raises ``DifferenceError`` where they differ, or the compiled one gave up for no reason.

        ``expected``: what the ordinary one is known to answer.
        """
        expected = expected or self.ordinary.ask(asked, self.viewers[viewer])
        got = self.compiled.ask(asked, self.viewers[viewer])
        self._count(asked, expected, got)
        if "INTERNAL" in expected.codes | got.codes:
            raise DifferenceError(told("An executor failed", asked, viewer, expected, got))
        if not expected.agrees(got):
            raise DifferenceError(told("The executors differ", asked, viewer, expected, got))
        if got.bailed and not expected.errors:
            raise DifferenceError(
                told(f"It gave up ({got.bailed}) on what is right", asked, viewer, expected, got)
            )

    def _count(self, asked: Question, expected: Answer, got: Answer) -> None:
        self.reached |= asked.reached
        self.counts["asked"] += 1
        self.counts["never begun"] += expected.early
        self.counts["with errors"] += bool(expected.errors) and not expected.early
        self.counts["compiled"] += got.executor == "compiled"
        self.counts["right, but not compiled"] += not expected.errors and got.executor != "compiled"
        if got.bailed:
            self.bails[got.bailed] += 1

    def summary(self) -> str:
        """What was asked, in one line for each count."""
        return "\n".join(f"{name}: {count}" for name, count in {**self.counts, **self.bails}.items())


def told(what: str, asked: Question, viewer: str, expected: Answer, got: Answer) -> str:
    """All that is needed to see it again."""
    return (
        f"{what}. Asked by {viewer}:\n{asked.query}\nvariables: {asked.variables}\noperation: {asked.operation}\n"
        f"ordinary: {expected.data.decode()} {list(expected.errors)}\n"
        f"{got.executor}: {got.data.decode()} {list(got.errors)}"
    )


def graphql_schema() -> GraphQLSchema:
    """The built schema."""
    return schema()._schema


def readable() -> set[str]:
    """Every field that a query can reach, as ``Type.field``."""
    built = graphql_schema()
    assert built.query_type is not None
    found: set[str] = set()
    waiting: list[str] = [built.query_type.name]
    seen = set(waiting)
    while waiting:
        type_ = built.type_map[waiting.pop()]
        below: list[Any] = []
        if isinstance(type_, GraphQLInterfaceType):
            below += built.get_possible_types(type_)
        for name, each in getattr(type_, "fields", {}).items():
            if isinstance(type_, GraphQLObjectType):
                found.add(f"{type_.name}.{name}")
            plain = each.type
            while hasattr(plain, "of_type"):
                plain = plain.of_type
            below.append(plain)
        for each in below:
            if each.name not in seen:
                seen.add(each.name)
                waiting.append(each.name)
    return found


def _extras(database: Database, folder: Path) -> Json:
    """What the app hands to every request, with an index to search in."""
    app = create_app(make_settings(database.url, folder), relay=False)
    owners = [getattr(getattr(route, "endpoint", None), "__self__", None) for route in app.routes]
    extras = next(each.execution.extras for each in owners if isinstance(each, Endpoint))
    rebuild(database, extras["search"])
    return extras


@contextmanager
def pair(database: Database) -> Iterator[Pair]:
    """Both executors on a shop that this fills."""
    build(database)
    channels = {int(number): code for number, code in all_rows(database, "SELECT id, code FROM channel")}
    asking = viewers(database)
    with TemporaryDirectory() as folder, asyncio.Runner() as runner:
        extras = _extras(database, Path(folder))
        try:
            yield Pair(
                gather(database, Asking(database, runner)),
                asking,
                {name: reach(viewer, channels) for name, viewer in asking.items()},
                Client(database, runner, extras, compiled=False),
                Client(database, runner, extras, compiled=True),
            )
        finally:
            runner.run(database.async_engine.dispose())
