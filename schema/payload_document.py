"""Payload documents: the GraphQL document whose answer is a webhook's ``data``.

It is one query with one root field that is found by ``$id``: ``query ($id: ID!) { product(id: $id) { slug } }``, or
``node(id: $id)`` with a fragment for each noun. ``version`` is always selected too, so that the answer says what it
shows. It runs with the endpoint's own permissions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import strawberry
from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    InlineFragmentNode,
    NamedTypeNode,
    NameNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    specified_rules,
)
from graphql.execution.values import VariableValues
from strawberry.schema.schema import validate_document

from hub import ids
from hub.db import Database, Json
from hub.errors import HubError, Invalid
from hub.recent import Recent
from hub.viewer import Viewer
from schema import nouns, payload_default, payload_permission, rule
from schema.context import Context
from schema.cost import DEAREST, requested
from schema.declare import Noun
from schema.document import REMEMBERED, Document, Documents
from schema.payload_rendering import PayloadRendering
from schema.payload_shape import shape
from schema.plan import Plan
from schema.planner import Planner, Refusal
from webhooks.rendering import Wanted

EXAMPLE = "query ($id: ID!) { product(id: $id) { slug } }"
ID = "id"
ANY = "node"
"""The root field that any noun is found by."""


@dataclass(frozen=True)
class Ready:
    """What answers a document for many objects of one noun, as somebody sees them. ``plan``: null where it reads another
    noun; ``variables``: any of the objects' ids stands for all.
    """

    plan: Plan | Refusal | None
    variables: VariableValues


class PayloadDocuments:
    """The payload documents of one schema: checked when they are saved, answered when something happened."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._schema = schema
        self._documents = Documents(schema)
        self._planner = Planner(schema)
        self._prepared: Recent[str, Document] = Recent(REMEMBERED)
        self._ready: Recent[Hashable, Ready] = Recent(REMEMBERED)

    def check(self, text: str, viewer: Viewer) -> None:
        """Raises ``hub.errors.HubError`` for a document that is wrong, too costly, or not open to the viewer."""
        document = self._prepare(text)
        root = _root(document)
        noun = _nouns().get(root.name.value)
        if noun is not None:
            rule.opened(viewer, noun)
            rule.passed(viewer, noun.requires, root.name.value)
        payload_permission.check(document, self._schema._schema, viewer)  # noqa: SLF001 - has no public name
        price = requested(document, None, {})
        if price > DEAREST:
            raise Invalid(
                f"The document asks for up to {price} objects, at most {DEAREST} are given: take smaller pages."
            )

    def cost(self, text: str) -> int:
        """How many objects a valid document asks for at most."""
        return requested(self._prepare(text), None, {})

    def shape(self, text: str) -> Json:
        """The JSON Schema of the answer to a valid document."""
        return shape(self._prepare(text), self._schema._schema)  # noqa: SLF001 - has no public name

    def noun(self, text: str) -> str | None:
        """The noun that a valid document reads; null for one that reads any."""
        found = _nouns().get(_root(self._prepare(text)).name.value)
        return None if found is None else found.name

    def renderer(self, database: Database) -> PayloadRendering:
        """Make what answers documents: see ``webhooks.rendering``.

        ``render(document, noun, ids, viewer)`` gives the answer by id, null for what the viewer does not see. Without
        a document it is the default one of the noun. ``render.many`` answers many documents in one round.
        """
        return PayloadRendering(self, database)

    def ready(self, wanted: Wanted) -> Ready:
        """What answers a document, made once for each noun and viewer. Raises ``Invalid`` for one that is wrong."""
        key = (wanted.document, wanted.noun, wanted.viewer)
        return self._ready.find(key) or self._ready.keep(key, self._made_ready(wanted))

    def _made_ready(self, wanted: Wanted) -> Ready:
        document = self._document(_text(wanted))
        node = self._prepare(_text(wanted))
        operation = _operation(node)
        variables = self._planner.variables(operation, {ID: ids.encode(wanted.noun, 1)})
        root = _nouns().get(_root(node).name.value)
        if root is not None and root.name != wanted.noun:
            return Ready(None, variables)
        return Ready(self._planner.payload(document, operation, wanted.viewer, wanted.noun), variables)

    def answering(self, wanted: Wanted, database: Database) -> Callable[[str], Awaitable[Any]]:
        """Make what answers a document by the ordinary executor, by global id. It raises what goes wrong."""
        text, context = _text(wanted), Context(database, wanted.viewer)
        context.extras["document"] = self._document(text)

        async def answer(global_id: str) -> Any:
            given = {ID: global_id}
            result = await self._schema.execute(text, variable_values=given, context_value=context)
            for error in result.errors or ():
                raise error.original_error or error
            data = result.data or {}
            return data if any(each is not None for each in data.values()) else None

        return answer

    def _prepare(self, text: str) -> DocumentNode:
        """The tree of the document with ``version`` added. Raises ``Invalid``."""
        node = self._document(text).node
        assert node is not None, "A document that is wrong was refused."
        return node

    def _document(self, text: str) -> Document:
        """The document with ``version`` added. Raises ``Invalid``."""
        return self._prepared.find(text) or self._prepared.keep(text, Document(self._read(text)))

    def _read(self, text: str) -> DocumentNode:
        given = self._documents.get(text)
        if given.node is None or given.errors:
            raise Invalid(f"The document is no query of this hub: {given.errors[0].message}")
        document = _with_version(given.node, _root(given.node))
        errors = validate_document(self._schema._schema, document, tuple(specified_rules))  # noqa: SLF001 - has no public name
        if errors:
            raise Invalid(f'The document uses the name "version" for something else: {errors[0].message}')
        return document


def _text(wanted: Wanted) -> str:
    return payload_default.text(wanted.noun, wanted.viewer) if wanted.document is None else wanted.document


def _operation(document: DocumentNode) -> OperationDefinitionNode:
    return next(each for each in document.definitions if isinstance(each, OperationDefinitionNode))


@cache
def of(schema: strawberry.Schema) -> PayloadDocuments:
    """The payload documents of a schema, one for all who ask."""
    return PayloadDocuments(schema)


@cache
def _nouns() -> dict[str, Noun]:
    return {noun.single: noun for noun in nouns.load().values() if noun.single}


@cache
def _aggregates() -> frozenset[str]:
    return frozenset(
        noun.single for noun in nouns.load().values() if noun.single and noun.aggregate == (noun.name, "id")
    )


def _root(document: DocumentNode) -> FieldNode:
    """The one field that the object is found by. Raises ``Invalid`` for a document of another form."""
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if len(operations) != 1 or operations[0].operation is not OperationType.QUERY:
        raise _form("one query and nothing else")
    selected = operations[0].selection_set.selections
    variables = [each.variable.name.value for each in operations[0].variable_definitions or ()]
    if variables != [ID] or len(selected) != 1 or not isinstance(selected[0], FieldNode):
        raise _form("one variable, $id, and one field at its root")
    root = selected[0]
    by_id = any(each.name.value == ID and _is_id(each) for each in root.arguments or ())
    if not by_id or root.name.value not in _aggregates() | {ANY}:
        raise _form(
            f"a root field that is found by id: $id, one of {', '.join(sorted(_aggregates() | {ANY}))}"
        )
    return root


def _is_id(argument: ArgumentNode) -> bool:
    return isinstance(argument.value, VariableNode) and argument.value.name.value == ID


def _form(what: str) -> HubError:
    return Invalid(f"A payload document has {what}: write it like {EXAMPLE}.")


def _with_version(document: DocumentNode, root: FieldNode) -> DocumentNode:
    """A copy in which the root also selects its version; a tree that others share stays as it is."""
    version: SelectionNode = FieldNode(name=NameNode(value="version"))
    if root.name.value == ANY:
        version = InlineFragmentNode(
            type_condition=NamedTypeNode(name=NameNode(value="Aggregate")),
            selection_set=SelectionSetNode(selections=(version,)),
        )
    selections = (*(root.selection_set.selections if root.selection_set else ()), version)
    stated = replace(root, selection_set=SelectionSetNode(selections=selections))
    definitions = tuple(
        replace(each, selection_set=SelectionSetNode(selections=(stated,)))
        if isinstance(each, OperationDefinitionNode)
        else each
        for each in document.definitions
    )
    return replace(document, definitions=definitions)
