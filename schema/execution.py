"""Who executes what: a document is answered by the compiled executor where it can, otherwise by the ordinary one.

The compiled executor answers only success. Whatever it refuses, or bails out of, is the ordinary executor's, which alone
owns messages, paths and how nulls spread.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
import strawberry
from graphql import GraphQLError, OperationDefinitionNode, OperationType
from strawberry.types import ExecutionResult

from hub.db import Database, Json
from hub.viewer import Viewer
from schema.context import Context
from schema.cost import actual, requested
from schema.document import Document, Documents
from schema.errors import shown

LONGEST_SECONDS = 60.0
"""How long one request may take."""

Executor = Literal["compiled", "ordinary"]


@dataclass(frozen=True)
class Asked:
    """What a request asks for."""

    query: str
    variables: Json = field(default_factory=dict)
    operation: str | None = None
    accepts_graphql_json: bool = False


@dataclass(frozen=True)
class Operation:
    """An operation that may be executed, and the objects that it asks for at most."""

    document: Document
    node: OperationDefinitionNode
    requested: int

    @property
    def writes(self) -> bool:
        """Whether it is anything but a query."""
        return self.node.operation is not OperationType.QUERY


@dataclass(frozen=True)
class Answered:
    """An answer. ``text``: the JSON of ``data``. ``early``: execution never began, so there is no data at all.

    ``executor``: who answered. ``bailed``: why the compiled executor gave up on the way, null where it did not.
    """

    text: bytes
    errors: list[Json] = field(default_factory=list)
    early: bool = False
    actual: int = 0
    executor: Executor = "ordinary"
    bailed: str | None = None

    @property
    def data(self) -> Any:
        """The data, read from its text."""
        return orjson.loads(self.text)


@dataclass
class Execution:
    """Executes the documents of one schema on one database.

    ``compiled``: whether the compiled executor may answer; without it the ordinary one answers everything.
    """

    schema: strawberry.Schema
    database: Database
    extras: Json = field(default_factory=dict)
    compiled: bool = True
    documents: Documents = field(init=False)

    def __post_init__(self) -> None:
        self.documents = Documents(self.schema)

    async def run(self, asked: Asked, viewer: Viewer) -> Answered:
        """Answer a document from beginning to end, without a budget."""
        operation = self.read(asked)
        return operation if isinstance(operation, Answered) else await self.answer(asked, operation, viewer)

    def read(self, asked: Asked) -> Operation | Answered:
        """The operation that is asked for, or the answer that says why there is none."""
        document = self.documents.get(asked.query)
        if document.node is None or document.errors:
            return _refused(*document.errors)
        try:
            node = _operation(document, asked.operation)
        except GraphQLError as wrong:
            return _refused(wrong)
        return Operation(document, node, requested(document.node, asked.operation, asked.variables))

    async def answer(self, asked: Asked, operation: Operation, viewer: Viewer) -> Answered:
        """Answer an operation."""
        return await self._ordinary(asked, operation, viewer)

    async def _ordinary(self, asked: Asked, operation: Operation, viewer: Viewer) -> Answered:
        context = Context(self.database, viewer)
        context.extras |= self.extras | {"document": operation.document}
        result = await self._execute(asked, context)
        errors = result.errors or []
        return Answered(
            text=orjson.dumps(result.data, default=str),
            errors=[shown(error) for error in errors],
            early=result.data is None and all(error.path is None for error in errors),
            actual=actual(result.data),
        )

    async def _execute(self, asked: Asked, context: Context) -> ExecutionResult:
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                return await self.schema.execute(
                    asked.query,
                    variable_values=asked.variables,
                    context_value=context,
                    operation_name=asked.operation,
                )
        except TimeoutError as late:
            return ExecutionResult(None, [GraphQLError("Timeout", original_error=late)])


def _refused(*errors: GraphQLError) -> Answered:
    return Answered(b"null", [shown(error) for error in errors], early=True)


def _operation(document: Document, name: str | None) -> OperationDefinitionNode:
    """The operation that is asked for. Raises ``GraphQLError`` where that is not clear."""
    assert document.node is not None, "A document without a tree has errors."
    found = [each for each in document.node.definitions if isinstance(each, OperationDefinitionNode)]
    named = [each for each in found if name is None or (each.name is not None and each.name.value == name)]
    if not named:
        raise GraphQLError(
            f'The document has no operation called "{name}".' if name else "The document has no operation."
        )
    if len(named) > 1:
        raise GraphQLError("The document has several operations: say which one with operationName.")
    return named[0]
