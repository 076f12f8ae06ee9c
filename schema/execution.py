"""Who executes what: a document is answered by the compiled executor where it can, otherwise by the ordinary one.

The compiled executor answers only success. Whatever it refuses, or bails out of, is the ordinary executor's, which alone
owns messages, paths and how nulls spread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import orjson
import strawberry
from graphql import GraphQLError, OperationDefinitionNode, OperationType
from strawberry.types import ExecutionResult

from hub.db import Database, Json
from hub.viewer import Viewer
from schema.compiled_value import Bail
from schema.context import Context, Ground
from schema.cost import actual
from schema.document import Document, Documents
from schema.errors import shown
from schema.figures import Figures
from schema.opening import Check, Opening, Stale
from schema.plan import Request
from schema.planner import Planner, Refusal

log = logging.getLogger("hub.schema")

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
    gone: Callable[[], Awaitable[bool]] | None = None
    """Says whether the client has gone meanwhile; null where nobody can say."""


@dataclass(frozen=True)
class Operation:
    """An operation that may be executed, and the objects that it asks for at most."""

    document: Document
    node: OperationDefinitionNode
    requested: int

    @property
    def mutates(self) -> bool:
        """Whether it may change something."""
        return self.node.operation is OperationType.MUTATION

    @property
    def subscribes(self) -> bool:
        """Whether it has many answers."""
        return self.node.operation is OperationType.SUBSCRIPTION


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
    def needless(self) -> bool:
        """Whether the compiled executor gave up on what the ordinary one answers without error: a fault of ours."""
        return self.bailed is not None and not self.errors

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
    figures: Figures = field(default_factory=Figures)
    documents: Documents = field(init=False)
    _planner: Planner = field(init=False)

    def __post_init__(self) -> None:
        self.documents = Documents(self.schema)
        self._planner = Planner(self.schema)

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
        return Operation(document, node, document.requested(asked.operation, asked.variables))

    async def answer(
        self, asked: Asked, operation: Operation, viewer: Viewer, ground: Ground | None = None
    ) -> Answered:
        """Answer an operation. ``ground``: what was read together with the token."""
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                return await self._answer(asked, operation, self.context(asked, operation, viewer, ground))
        except TimeoutError as late:
            return _answered(ExecutionResult(None, [GraphQLError("Timeout", original_error=late)]))

    async def quick(self, asked: Asked, operation: Operation, opening: Opening) -> Answered:
        """Answer for someone who is taken to be who they were before.

        Raises ``Stale``, or anything else, where that cannot be done: then nothing was done, and nobody got anything.
        """
        if not self.compiled or operation.node.operation is not OperationType.QUERY:
            raise Stale
        async with asyncio.timeout(LONGEST_SECONDS):
            context = self.context(asked, operation, opening.viewer, opening.ground)
            answered = await self._compiled(asked, operation, context, Check(opening))
        if answered is None:
            raise Stale
        self.figures.note(answered.executor)
        return answered

    async def _answer(self, asked: Asked, operation: Operation, context: Context) -> Answered:
        if not self.compiled or operation.node.operation is not OperationType.QUERY:
            return await self._ordinary(asked, context)
        try:
            text = await self._compiled(asked, operation, context)
        except Exception as wrong:
            cause = wrong.cause if isinstance(wrong, Bail) else type(wrong).__name__
            answered = replace(await self._ordinary(asked, context), bailed=cause)
            if answered.needless:
                log.exception("The compiled executor gave up needlessly: %s", asked.query, exc_info=wrong)
        else:
            answered = text or await self._ordinary(asked, context)
        self.figures.note(answered.executor, answered.bailed, needless=answered.needless)
        return answered

    async def _compiled(
        self, asked: Asked, operation: Operation, context: Context, check: Check | None = None
    ) -> Answered | None:
        """The answer; null where there is no plan. Raises whatever goes wrong."""
        variables = self._planner.variables(operation.node, asked.variables, operation.document)
        plan = self._planner.plan(operation.document, operation.node, context.viewer, variables)
        if isinstance(plan, Refusal) or (check is not None and plan.searches):
            return None
        data, objects = await plan.run(Request(context, variables, self.database, check))
        return Answered(orjson.dumps(data), actual=objects, executor="compiled")

    async def _ordinary(self, asked: Asked, context: Context) -> Answered:
        return _answered(
            await self.schema.execute(
                asked.query,
                variable_values=asked.variables,
                context_value=context,
                operation_name=asked.operation,
            )
        )

    def context(
        self, asked: Asked, operation: Operation, viewer: Viewer, ground: Ground | None = None
    ) -> Context:
        """What the resolvers of one operation share."""
        context = Context(self.database, viewer, ground=ground)
        context.extras |= self.extras | {"document": operation.document, "gone": asked.gone}
        return context


def _answered(result: ExecutionResult) -> Answered:
    """The answer that a result of the ordinary executor is."""
    errors = result.errors or []
    return Answered(
        text=orjson.dumps(result.data, default=str),
        errors=[shown(error) for error in errors],
        early=result.data is None and all(error.path is None for error in errors),
        actual=actual(result.data),
    )


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
