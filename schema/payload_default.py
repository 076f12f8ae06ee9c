"""The payload document of an endpoint that gives none: read from the nouns' declarations, so that it keeps up with them.

It takes an object with all that is part of it: its values, its parts, and of what it refers to the id and the names.
What the endpoint may not see is left out. With a channel it says what holds there (``price``, ``listed``); without
one, every price and listing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from graphql import GraphQLObjectType, get_named_type
from strawberry.utils.str_converters import to_camel_case

from hub import registry
from hub.viewer import Viewer
from schema import nouns
from schema.connection import LARGEST_PAGE
from schema.declare import NOUNS, Noun, by_name
from schema.node import Provenance
from schema.rule import FIELD_RULES
from schema.spec import Column, Computed, Identity, Looked, Many, One, Paged, Scoped, Spec, Text, Values

KNOWN_BY = ("code", "slug", "sku", "number", "name", "url")
"""What is said of an object that is only referred to, as far as its noun has it."""

VALUE = "code channel locale notApplicable value"


def text(aggregate: str, viewer: Viewer) -> str:
    """The document for a noun, as the viewer may run it."""
    nouns.load()
    noun = by_name(aggregate)
    assert noun is not None
    scopes = frozenset(scope for scope in viewer.scopes if scope.endswith(":read"))
    bound = viewer.channel_ids is not None and len(viewer.channel_ids) == 1
    like = Viewer(token_id=None, kind=viewer.kind, scopes=scopes)
    return _written(noun, like, channel=bound or viewer.default_channel_id is not None)


@cache
def _written(noun: Noun, viewer: Viewer, *, channel: bool) -> str:
    selection = " ".join(_Selecting(noun.name, viewer, channel=channel).of(noun, None))
    if noun.single is None:
        return f"query ($id: ID!) {{ node(id: $id) {{ ... on {noun.title} {{ {selection} }} }} }}"
    return f"query ($id: ID!) {{ {noun.single}(id: $id) {{ {selection} }} }}"


class _Selecting:
    """Writes selections of one aggregate for one viewer."""

    def __init__(self, aggregate: str, viewer: Viewer, *, channel: bool) -> None:
        self._aggregate = aggregate
        self._viewer = viewer
        self._channel = channel

    def of(self, noun: Noun, owner: str | None) -> Iterator[str]:
        """The fields of a noun. ``owner``: the column that leads back to what it is part of."""
        for name, spec in noun.specs.items():
            if self._opens(spec):
                below = self._selected(noun, name, spec, owner)
                if below is not None:
                    yield f"{to_camel_case(name)}{below}"

    def _opens(self, spec: Spec) -> bool:
        if spec.requires is not None and not FIELD_RULES[spec.requires][0](self._viewer):
            return False
        to = getattr(spec, "to", None)
        scope = NOUNS[to].scope if to is not None else None
        return scope is None or self._viewer.may(scope, "read")

    def _selected(self, noun: Noun, name: str, spec: Spec, owner: str | None) -> str | None:
        """What stands behind the field's name; null where the field is left out."""
        match spec:
            case Identity() | Column() | Text() | Computed():
                return ""
            case Scoped():
                return _plain(noun, name)
            case Values(single=False):
                return f" {{ {VALUE} }}"
            case One(to=to, via=via):
                return None if via == owner else f" {{ {' '.join(_known_by(NOUNS[to]))} }}"
        return self._related(spec)

    def _related(self, spec: Spec) -> str | None:
        match spec:
            case Looked(to=to):
                return self._looked(to)
            case Many():
                return self._many(spec)
            case Paged():
                return self._paged(spec)
        return None

    def _looked(self, to: str | None) -> str | None:
        if not self._channel:
            return None
        return "" if to is None else f" {{ {' '.join(self.of(NOUNS[to], None))} }}"

    def _many(self, spec: Many) -> str | None:
        """Parts of the aggregate; what has a version of its own tells of itself."""
        if NOUNS[spec.to].aggregate is not None or (self._channel and spec.requires is not None):
            return None
        return f" {{ {' '.join(self.of(NOUNS[spec.to], spec.key))} }}"

    def _paged(self, spec: Paged) -> str | None:
        target = NOUNS[spec.to]
        if spec.through is not None:
            table = getattr(spec.through.table, "name", "")
            if registry.part(table).kept.aggregate != self._aggregate:
                return None
            return self._page(" ".join(_known_by(target)))
        if (
            target.aggregate is None
            or target.aggregate[0] != self._aggregate
            or target.name == self._aggregate
        ):
            return None
        return self._page(" ".join(self.of(target, spec.key)))

    def _page(self, selection: str) -> str:
        return f"(first: {LARGEST_PAGE}) {{ nodes {{ {selection} }} pageInfo {{ hasNextPage }} }}"


def _known_by(noun: Noun) -> Iterator[str]:
    if "id" in noun.specs:
        yield "id"
    for name in KNOWN_BY:
        if name in noun.specs and noun.specs[name].requires is None:
            yield name


def _plain(noun: Noun, name: str) -> str | None:
    """The scalars below a value that is no noun; where a value comes from is not the object's own business."""
    found = _object(noun, name)
    if found is None:
        return ""
    if found.name == Provenance.__name__:
        return None
    leaves = [
        key
        for key, field in found.fields.items()
        if not isinstance(get_named_type(field.type), GraphQLObjectType)
    ]
    return f" {{ {' '.join(leaves)} }}"


def _object(noun: Noun, name: str) -> GraphQLObjectType | None:
    from schema.app import schema  # the whole schema imports this module

    owner = schema()._schema.type_map[noun.title]  # noqa: SLF001 - has no public name
    assert isinstance(owner, GraphQLObjectType)
    found = get_named_type(owner.fields[to_camel_case(name)].type)
    return found if isinstance(found, GraphQLObjectType) else None
