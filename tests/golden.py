"""Questions whose right answers people wrote down. Both executors are asked, and must give the same one.

The two share the SQL, so comparing them with each other proves nothing about it: these tests do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hub.db import Database
from hub.errors import Code
from hub.ids import encode
from hub.viewer import Viewer
from schema.app import schema
from schema.execution import Answered, Asked, Execution
from tests.reading import STAFF
from tests.shop import all_rows


@dataclass
class Both:
    """Asks both executors the same."""

    database: Database
    ordinary: Execution
    compiled: Execution
    runner: asyncio.Runner

    def __call__(self, query: str, viewer: Viewer = STAFF, **variables: Any) -> Any:
        """The data that both give, without an error."""
        answered = self.answer(query, viewer, **variables)
        assert not answered.errors, answered.errors
        return answered.data

    def answer(self, query: str, viewer: Viewer = STAFF, **variables: Any) -> Answered:
        """The answer that both give."""
        asked = Asked(query, variables)
        one, other = (self.runner.run(each.run(asked, viewer)) for each in (self.ordinary, self.compiled))
        assert (one.text, _errors(one)) == (other.text, _errors(other)), (one, other)
        assert other.errors or other.executor == "compiled", f"It was not compiled: {other.bailed}"
        return one

    def refused(self, query: str, viewer: Viewer = STAFF, **variables: Any) -> tuple[Code, str]:
        """Code and message of the one refusal that both give."""
        errors = self.answer(query, viewer, **variables).errors
        assert len(errors) == 1, errors
        return Code(errors[0]["extensions"]["code"]), errors[0]["message"]

    def id(self, noun: str, column: str, value: str) -> str:
        """The global id of the row whose column holds a value."""
        return encode(noun, self.number(noun, column, value))

    def number(self, noun: str, column: str, value: str) -> int:
        """The id of the row whose column holds a value."""
        rows = all_rows(self.database, f'SELECT id FROM "{noun}" WHERE {column} = :value', value=value)
        return int(rows[0][0])

    def column(self, query: str, viewer: Viewer = STAFF, **variables: Any) -> list[Any]:
        """The one value of each row of the one list that is asked for."""
        (page,) = self(query, viewer, **variables).values()
        return [next(iter(node.values())) for node in page["nodes"]]


def _errors(answered: Answered) -> list[str]:
    return sorted(str((each.get("path"), each["message"], each["extensions"])) for each in answered.errors)


@contextmanager
def both(database: Database) -> Iterator[Both]:
    """A way to ask both executors, closed at the end."""
    with asyncio.Runner() as runner:
        yield Both(
            database,
            Execution(schema(), database, compiled=False),
            Execution(schema(), database, compiled=True),
            runner,
        )
        runner.run(database.async_engine.dispose())
