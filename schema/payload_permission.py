"""Whether a payload document selects only what its endpoint may see: judged when it is saved, not at the first event."""

from __future__ import annotations

from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    InlineFragmentNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    visit,
)
from strawberry.utils.str_converters import to_snake_case

from hub.errors import Forbidden
from hub.viewer import Viewer
from schema import nouns
from schema.rule import FIELD_RULES


def check(document: DocumentNode, schema: GraphQLSchema, viewer: Viewer) -> None:
    """Raises ``Forbidden`` for the first field that the viewer's scopes or a field rule close, by its path."""
    known = TypeInfo(schema)
    visit(document, TypeInfoVisitor(known, _Judging(known, viewer)))


class _Judging(Visitor):
    def __init__(self, known: TypeInfo, viewer: Viewer) -> None:
        super().__init__()
        self._known = known
        self._viewer = viewer
        self._path: list[str] = []

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        self._path.append(node.alias.value if node.alias else node.name.value)
        parent = self._known.get_parent_type()
        noun = nouns.load().get(parent.name) if parent else None
        spec = noun.specs.get(to_snake_case(node.name.value)) if noun else None
        if spec is not None:
            if spec.requires is not None and not FIELD_RULES[spec.requires][0](self._viewer):
                raise self._closed(FIELD_RULES[spec.requires][1])
            self._check_scope(getattr(spec, "to", None))

    def leave_field(self, *_: Any) -> None:
        self._path.pop()

    def enter_inline_fragment(self, node: InlineFragmentNode, *_: Any) -> None:
        self._enter_fragment(node)

    def enter_fragment_definition(self, node: FragmentDefinitionNode, *_: Any) -> None:
        self._path.append(f"…{node.name.value}")
        self._enter_fragment(node)

    def leave_fragment_definition(self, *_: Any) -> None:
        self._path.pop()

    def _enter_fragment(self, node: InlineFragmentNode | FragmentDefinitionNode) -> None:
        if node.type_condition is not None:
            self._check_scope(node.type_condition.name.value)

    def _check_scope(self, title: str | None) -> None:
        noun = nouns.load().get(title) if title else None
        if noun is not None and noun.scope is not None and not self._viewer.may(noun.scope, "read"):
            raise self._closed(f'it needs the scope "{noun.scope}:read"')

    def _closed(self, because: str) -> Forbidden:
        return Forbidden(f'Field "{".".join(self._path)}" is closed to this endpoint: {because}.')
