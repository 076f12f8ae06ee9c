"""The planner: makes the plans of documents, and keeps them with their documents."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, OperationDefinitionNode
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values

from hub.errors import HubError
from schema.compiled_root import compiled, nouns_of
from schema.compiled_value import Bail
from schema.compiler import Asked, Builder
from schema.plan import Plan, Root
from schema.selection import Selections, Unknown
from schema.viewer_class import class_of

if TYPE_CHECKING:
    import strawberry

    from hub.viewer import Viewer
    from schema.document import Document

log = logging.getLogger("hub.schema")


@dataclass(frozen=True)
class Refusal:
    """Why there is no plan."""

    cause: str


@dataclass(frozen=True)
class Sought:
    """What tells the plans of a document apart.

    ``seer`` stands for the permission class; ``included``: the variables in ``@skip`` and ``@include``; ``nouns``: those
    that the ids of each ``node`` and ``nodes`` are of; ``whole``: for many objects of one noun, see ``Builder``.
    """

    node: int
    seer: Viewer
    included: tuple[tuple[str, Any], ...] = ()
    nouns: tuple[tuple[str, ...], ...] = ()
    whole: bool = False


class Planner:
    """Makes and keeps the plans of one schema's documents."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._schema = schema

    def variables(
        self, node: OperationDefinitionNode, given: dict[str, Any], document: Document | None = None
    ) -> VariableValues:
        """The variables, coerced. Raises ``Bail`` where they are wrong. ``document``: where it is remembered what they are."""
        plain = None if document is None else self._plain(document, node)
        if plain is not None and all(type(given.get(name)) is str for name in plain):
            sources = {name: VariableValueSource(signature, given[name]) for name, signature in plain.items()}
            return VariableValues(sources, {name: given[name] for name in plain})
        found = get_variable_values(self._schema._schema, node.variable_definitions or (), given)  # noqa: SLF001 - has no public name
        if isinstance(found, list):
            raise Bail("variables")
        return found

    def _plain(
        self, document: Document, node: OperationDefinitionNode
    ) -> Mapping[str, GraphQLVariableSignature] | None:
        """The variables of an operation whose variables are all texts, which need no conversion; null for any other."""
        if id(node) not in document.texts:
            schema = self._schema._schema  # noqa: SLF001 - has no public name
            found = [get_variable_signature(schema, each) for each in node.variable_definitions or ()]
            texts = [
                each
                for each in found
                if isinstance(each, GraphQLVariableSignature) and str(each.type) in ("String", "String!")
            ]
            document.texts[id(node)] = (
                {each.name: each for each in texts} if len(texts) == len(found) else None
            )
        texts_of: Mapping[str, GraphQLVariableSignature] | None = document.texts[id(node)]
        return texts_of

    def plan(
        self, document: Document, node: OperationDefinitionNode, viewer: Viewer, variables: VariableValues
    ) -> Plan | Refusal:
        """The plan of an operation."""
        included = tuple((name, variables.coerced.get(name)) for name in document.conditions)
        try:
            nouns = tuple(nouns_of(each, variables.coerced) for each in document.by_ids)
        except Unknown as unknown:
            return Refusal(str(unknown))
        return self._kept(document, node, Sought(id(node), class_of(viewer), included, nouns))

    def payload(
        self, document: Document, node: OperationDefinitionNode, viewer: Viewer, noun: str
    ) -> Plan | Refusal:
        """The plan of a payload document for many objects of a noun."""
        nouns = ((noun,),) * len(document.by_ids)
        return self._kept(document, node, Sought(id(node), class_of(viewer), (), nouns, whole=True))

    def _kept(self, document: Document, node: OperationDefinitionNode, sought: Sought) -> Plan | Refusal:
        known: Plan | Refusal | None = document.plans.find(sought)
        return known or document.plans.keep(sought, self._made(document, node, sought))

    def _made(self, document: Document, node: OperationDefinitionNode, sought: Sought) -> Plan | Refusal:
        assert document.node is not None, "A document without a tree is never planned."
        selections = Selections(self._schema._schema, document.node, dict(sought.included))  # noqa: SLF001 - has no public name
        nouns = dict(zip(map(id, document.by_ids), sought.nouns, strict=True))
        try:
            return self._compiled(node, sought, selections, nouns)
        except Unknown as unknown:
            return Refusal(str(unknown))
        except (GraphQLError, HubError, ValueError) as wrong:  # a constant argument is wrong
            return Refusal(type(wrong).__name__)
        except Exception:
            log.exception("A document could not be compiled, and is answered by the ordinary executor.")
            return Refusal("fault")

    def _compiled(
        self,
        node: OperationDefinitionNode,
        sought: Sought,
        selections: Selections,
        nouns: Mapping[int, tuple[str, ...]],
    ) -> Plan:
        query = selections.schema.query_type
        assert query is not None, "The schema has queries."
        roots: dict[str, Root | str] = {}
        for key, nodes in selections.of([node.selection_set], query).items():
            name = nodes[0].name.value
            if name == "__typename":
                roots[key] = query.name
                continue
            if name not in query.fields:
                raise Unknown("introspection")
            builder = Builder(self._schema, selections, sought.seer, whole=sought.whole)
            found = compiled(builder, Asked(nodes, query.fields[name]), nouns.get(id(nodes[0]), ()))
            roots[key] = Root(found, sought.seer)
        return Plan(roots)
