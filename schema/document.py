"""Documents: parsed, measured and validated once, and remembered by their text.

The measures take time linear in the document: each fragment is measured once and counted at every spread.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    parse,
    specified_rules,
    value_from_ast_untyped,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import validate_document

from hub.errors import HubError, Limit
from hub.recent import Recent
from schema.cost import priced
from schema.selection import channels, conditions, found_by_ids, introspects

LONGEST = 200_000
"""Characters of a document."""
MOST_TOKENS = 10_000
DEEPEST = 20
MOST_ALIASES = 100
MOST_DIRECTIVES = 50
MOST_ROOTS = 50
"""Fields at the root, spread fragments included."""

CEILING = 10**9
"""Measures stop here: past every limit it does not matter by how much."""

REMEMBERED = 500
"""How many documents are kept."""
HEAVIEST = 2_000_000
"""Characters of the documents that are kept."""
MOST_PLANS = 16
"""How many plans a document keeps."""


@dataclass(frozen=True)
class Measure:
    """How large a selection is, fragments counted wherever they are spread."""

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    roots: int = 0


@dataclass(frozen=True)
class Document:
    """A document as it may be executed; ``errors`` says why it may not. ``plans``: what it was compiled to."""

    node: DocumentNode | None
    errors: tuple[GraphQLError, ...] = ()
    plans: Recent[Hashable, Any] = field(default_factory=lambda: Recent(MOST_PLANS))

    def requested(self, operation: str | None, variables: Mapping[str, Any]) -> int:
        """How many objects an operation asks for at most."""
        assert self.node is not None, "A document that is wrong asks for nothing."
        price = self._prices.get(operation)
        if price is None:
            price = self._prices[operation] = priced(self.node, operation)
        return price(variables)

    @cached_property
    def _prices(self) -> dict[str | None, Callable[[Mapping[str, Any]], int]]:
        """What gives the price, by operation: those that there are, no others are ever asked for."""
        return {}

    @cached_property
    def texts(self) -> dict[int, Any]:
        """The variables of operations that have nothing but texts, by the operation's identity."""
        return {}

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """The variables that stand in ``@skip`` and ``@include``."""
        return tuple(sorted(conditions(self.node))) if self.node else ()

    def channels(self, variables: dict[str, Any]) -> tuple[list[str], bool]:
        """The codes of channels that its fields name, and whether a field at the root may name none."""
        named, own = self._channels
        given = [value_from_ast_untyped(each, variables) for each in named]
        codes = [each for each in given if isinstance(each, str)]
        return codes, own or len(codes) < len(given)

    @cached_property
    def _channels(self) -> tuple[tuple[ValueNode, ...], bool]:
        return channels(self.node) if self.node else ((), True)

    @cached_property
    def introspects(self) -> bool:
        """Whether it asks for the schema itself."""
        return self.node is not None and introspects(self.node)

    @cached_property
    def by_ids(self) -> tuple[FieldNode, ...]:
        """The fields that find by ids of any noun."""
        return found_by_ids(self.node) if self.node else ()


class Documents:
    """The documents of one schema, the ones used last: by number and by characters, which their trees are a multiple of."""

    def __init__(self, schema: strawberry.Schema) -> None:
        self._schema = schema
        self._known: Recent[str, Document] = Recent(REMEMBERED, HEAVIEST)

    def __len__(self) -> int:
        return len(self._known)

    def known(self, text: str) -> Document | None:
        """The document of a text that was read before; null for any other."""
        return self._known.find(text)

    def get(self, text: str) -> Document:
        """The document of a text. Never raises: what is wrong with it is in its errors."""
        return self._known.find(text) or self._known.keep(text, self._read(text), len(text))

    def _read(self, text: str) -> Document:
        try:
            node = _parsed(text)
            check(node)
        except GraphQLError as wrong:
            return Document(None, (wrong,))
        except HubError as refused:
            return Document(None, (GraphQLError(refused.message, original_error=refused),))
        errors = validate_document(self._schema._schema, node, tuple(specified_rules))  # noqa: SLF001 - has no public name
        return Document(node, tuple(errors))


class Prepared(SchemaExtension):
    """Hands the document that the endpoint has prepared to Strawberry, which would read the text again."""

    def on_operation(self) -> Iterator[None]:
        """Put document and validation's outcome in place."""
        document = self.execution_context.context.extras.get("document")
        if document is not None:
            self.execution_context.graphql_document = document.node
            self.execution_context.pre_execution_errors = []
        yield


def _parsed(text: str) -> DocumentNode:
    try:
        return parse(
            text, max_source_length=LONGEST, max_lexical_tokens=MOST_TOKENS, max_comments=MOST_TOKENS
        )
    except RecursionError as deep:
        raise _too("deep", "levels", "many", DEEPEST) from deep


def check(node: DocumentNode) -> None:
    """Raises ``Limit`` for a document that is deeper or wider than the hub takes."""
    fragments = {
        each.name.value: each for each in node.definitions if isinstance(each, FragmentDefinitionNode)
    }
    measuring = _Measuring(fragments)
    for operation in node.definitions:
        if isinstance(operation, OperationDefinitionNode):
            _compare(measuring.of(operation.selection_set), len(operation.directives or ()))


def _compare(size: Measure, directives: int) -> None:
    for what, count, most in (
        ("levels", size.depth, DEEPEST),
        ("aliases", size.aliases, MOST_ALIASES),
        ("directives", size.directives + directives, MOST_DIRECTIVES),
        ("root fields", size.roots, MOST_ROOTS),
    ):
        if count > most:
            raise _too("large", what, "many" if count >= CEILING else str(count), most)


def _too(much: str, what: str, count: str, most: int) -> Limit:
    return Limit(
        f"The document is too {much}: it has {count} {what}, and at most {most} are taken. Ask in parts."
    )


class _Measuring:
    """Measures selections; a fragment is walked once."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._known: dict[str, Measure] = {}

    def of(self, selections: SelectionSetNode | None) -> Measure:
        if selections is None:
            return Measure()
        return _sum(self._one(each) for each in selections.selections)

    def _one(self, node: SelectionNode) -> Measure:
        below = self._spread(node.name.value) if isinstance(node, FragmentSpreadNode) else self._own(node)
        directives = below.directives + len(node.directives or ())
        if isinstance(node, FieldNode):
            return Measure(below.depth + 1, below.aliases + (node.alias is not None), directives, 1)
        return Measure(below.depth, below.aliases, directives, below.roots)

    def _own(self, node: SelectionNode) -> Measure:
        return self.of(getattr(node, "selection_set", None))

    def _spread(self, name: str) -> Measure:
        if name not in self._known:
            # A fragment that spreads itself counts nothing here: validation refuses it by name.
            self._known[name] = Measure()
            fragment = self._fragments.get(name)
            self._known[name] = self.of(fragment.selection_set if fragment else None)
        return self._known[name]


def _sum(parts: Iterable[Measure]) -> Measure:
    depth = aliases = directives = roots = 0
    for each in parts:
        depth = max(depth, each.depth)
        aliases = min(aliases + each.aliases, CEILING)
        directives = min(directives + each.directives, CEILING)
        roots = min(roots + each.roots, CEILING)
    return Measure(depth, aliases, directives, roots)
