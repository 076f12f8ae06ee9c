"""Documents made by chance from the built schema: every field that can be reached, in every form that GraphQL has."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_composite_type,
    is_required_argument,
)

from tests.differential.pools import Pools
from tests.differential.values import Declared, Values, literal

FIELDS = 34
"""Fields of one document, more or less."""
DEEPEST = 9
ORDINARY_ALONE = ("productSearch", "searchSuggest")
"""Root fields that are left out: suggestions only the ordinary executor answers, and each answer of search has an id of its
own. ``tests/test_product_search_query.py`` compares what both say of searches."""

SEARCH_SHARE = 0.03
DULL = frozenset({"provenance", "createdAt", "updatedAt", "source", "actor", "writtenAt", "version"})
TEXTS = frozenset({"name", "description", "alt", "nameLocale", "value", "price"})
AGAIN_SHARE = 0.2
"""How often a field with arguments is asked for once more, with others."""
UNHEARD = 4
"""How much likelier a field is that is not among the known ones, where some are."""
SHUT_SHARE = 0.02
"""How often a field is chosen without regard to what its viewer may see."""
PAGED = frozenset({"first", "after", "last", "before", "sort"})
SCOPE = ("channel", "locale", "asOf")
HINTS = {"role": ("AssetLink", "role"), "system": ("ExternalId", "system"), "company": ("Company", "id")}
FEW: dict[str, list[Any]] = {
    "quantity": [1, 1, 9, 10, 50, 1000, 0, -5],
    "first": [0, 1, 2, 3, 100, -1, 1001],
    "after": [None, None, "", "x"],
    "wait": [None, 0, 0, -1, 10**6],
    "types": [["product.*"], ["order.created", "price.changed"], ["*"], [], "x"],
    "endpoint": [None, None, None, "cHJvZHVjdDox"],
    "entity": [None, None, "cHJvZHVjdDox", "x"],
}
"""What the arguments that no input type tells much about are given."""
SIZES = [0, 1, 1, 2, 2, 3, 3, 4, 6]


@dataclass(frozen=True)
class Reach:
    """What a viewer sees without being refused: ``shut`` fields as ``Type.field``; the ``channels`` that are open.

    ``bound``: whether it has to name a channel.
    """

    shut: frozenset[str]
    channels: tuple[str, ...]
    bound: bool


@dataclass
class Question:
    """One request. ``reached``: the fields in it, as ``Type.field``."""

    query: str
    variables: dict[str, Any]
    operation: str | None = None
    reached: set[str] = field(default_factory=set)


def question(
    chance: Random, schema: GraphQLSchema, pools: Pools, reach: Reach, known: Collection[str] = frozenset()
) -> Question:
    """A request made by chance, mostly for what its viewer may see. ``known``: fields of which there were enough."""
    return _Document(chance, schema, pools, reach, known).made()


def _weight(name: str, declared: GraphQLField) -> int:
    """How much a field tells: arguments and texts have many ways to be wrong, a note of when and whence has few."""
    if name in DULL or name.endswith("Translations"):
        return 1
    return 6 if declared.args or name in TEXTS else 3


class _Document:
    def __init__(
        self, chance: Random, schema: GraphQLSchema, pools: Pools, reach: Reach, known: Collection[str]
    ) -> None:
        self.chance = chance
        self.schema = schema
        self.pools = pools
        self.reach = reach
        self.known = frozenset(known)
        self.declared = Declared()
        self.values = Values(chance, pools, self.declared)
        self.left = chance.randint(4, FIELDS)
        self.fragments: dict[str, tuple[str, str]] = {}
        self.plain: dict[tuple[str, str], str] = {}
        self.aliases = 0
        self.reached: set[str] = set()

    def often(self, share: float) -> bool:
        return self.chance.random() < share

    def made(self) -> Question:
        query = self.schema.query_type
        assert query is not None
        roots = self._roots(query)
        selections = " ".join(roots)
        name = "Asked" if self.often(0.3) else ""
        variables = f"({', '.join(self.declared.declarations)})" if self.declared.declarations else ""
        text = f"query {name}{variables} {{ {selections} }}"
        for own, (on, body) in self.fragments.items():
            text += f"\nfragment {own} on {on} {{ {body} }}"
        text, operation = self._broken(text, name)
        return Question(text, self._given(), operation, self.reached)

    def _given(self) -> dict[str, Any]:
        given = dict(self.declared.given)
        if given and self.often(0.02):
            del given[self.chance.choice(sorted(given))]
        if self.often(0.03):
            given["unasked"] = [1]
        return given

    def _broken(self, text: str, name: str) -> tuple[str, str | None]:
        operation = name if name and self.often(0.5) else None
        if not self.often(0.03):
            return text, operation
        broken: dict[str, tuple[str, str | None]] = {
            "a field that is not there": (text.replace("{", "{ unheard ", 1), operation),
            "a fragment that nobody spreads": (text + "\nfragment Idle on Product { id }", operation),
            "no end": (text[:-1], operation),
            "two operations": (text + "\nquery Other { __typename }", "Other" if name else None),
            "an operation that is not there": (text, "Unheard"),
            "a type that is not there": (text.replace("...", "... on Unheard ", 1), operation),
        }
        return self.chance.choice(list(broken.values()))

    def _roots(self, query: GraphQLObjectType) -> list[str]:
        count = self.chance.choice([1, 1, 1, 2, 2, 3])
        names = [name for name in self._open(query) if name not in ORDINARY_ALONE]
        chosen = [self._field(query, self.chance.choice(names), 0) for _ in range(count)]
        if self.often(0.05):
            chosen.append("__typename")
        if self.often(0.03):
            chosen.append('__type(name: "Product") { name kind fields { name } }')
        if self.often(0.02):
            chosen.append("__schema { queryType { name } }")
        return chosen

    # Selections.

    def _selections(self, type_: Any, depth: int) -> str:
        count = self.chance.choice([1, 2, 2, 3, 3, 4, 5])
        made = [self._selection(type_, depth) for _ in range(count)]
        if self.often(0.15):
            made.append(self.chance.choice(["__typename", "typed: __typename"]))
        if self.often(0.1):
            made.append(self.chance.choice(made))
        return " ".join(made)

    def _selection(self, type_: Any, depth: int) -> str:
        if isinstance(type_, GraphQLInterfaceType) and self.often(0.6):
            return self._narrowed(type_, depth)
        if self.often(0.06):
            return self._inline(type_, depth)
        if self.often(0.06):
            return f"...{self._fragment(type_, depth)}{self._directive(0.15)}"
        return self._field(type_, self._name(type_, depth), depth)

    def _inline(self, type_: Any, depth: int) -> str:
        """An inline fragment whose condition always holds; now and then without one."""
        wider = self.chance.choice([type_, *type_.interfaces])
        condition = "" if wider is type_ and self.often(0.5) else f" on {wider.name}"
        return f"...{condition}{self._directive(0.3)} {{ {self._selections(wider, depth)} }}"

    def _narrowed(self, type_: GraphQLInterfaceType, depth: int) -> str:
        """A fragment on one of the types of an interface: all its fields get aliases, so that none can conflict."""
        narrower = self.chance.choice(self.schema.get_possible_types(type_))
        names = [self._name(narrower, depth) for _ in range(self.chance.randint(1, 3))]
        body = " ".join(self._field(narrower, name, depth, alias=True) for name in names)
        return f"... on {narrower.name}{self._directive(0.1)} {{ {body} }}"

    def _fragment(self, type_: Any, depth: int) -> str:
        on = self.chance.choice([type_.name, *(each.name for each in type_.interfaces)])
        known = [name for name, (held, _) in self.fragments.items() if held == on]
        if known and self.often(0.5):
            return self.chance.choice(known)
        # The name is taken before the body is made; a fragment never spreads one that is not finished.
        body = self._selections(self.schema.type_map[on], depth + 1)
        name = f"F{len(self.fragments)}"
        self.fragments[name] = (on, body)
        return name

    def _open(self, type_: Any) -> list[str]:
        """The fields to choose from: now and then also those that are closed to the viewer."""
        if self.often(SHUT_SHARE):
            return list(type_.fields)
        return [name for name in type_.fields if f"{type_.name}.{name}" not in self.reach.shut]

    def _name(self, type_: Any, depth: int) -> str:
        names = self._open(type_)
        if depth >= DEEPEST or self.left <= 0:
            names = [name for name in names if not is_composite_type(get_named_type(type_.fields[name].type))]
        elif self.often(0.35):
            names = [
                name for name in names if is_composite_type(get_named_type(type_.fields[name].type))
            ] or names
        if not names:
            return "__typename"
        (name,) = self.chance.choices(names, [self._weight(type_, name) for name in names])
        return name

    def _weight(self, type_: Any, name: str) -> int:
        weight = _weight(name, type_.fields[name])
        return weight if not self.known or f"{type_.name}.{name}" in self.known else weight * UNHEARD

    def _field(self, type_: Any, name: str, depth: int, *, alias: bool = False) -> str:
        if name == "__typename":
            return name
        self.left -= 1
        self.reached.add(f"{type_.name}.{name}")
        declared: GraphQLField = type_.fields[name]
        alias = alias or self.often(0.2)
        arguments = self._arguments(type_, name, declared, depth, alias=alias)
        head = f"{self._alias()}: {name}" if alias else name
        below = get_named_type(declared.type)
        body = f" {{ {self._selections(below, depth + 1)} }}" if is_composite_type(below) else ""
        made = f"{head}{arguments}{self._directive(0.05)}{body}"
        if alias and body and self.often(0.1):
            # The same field again, with other selections: both are merged.
            made += f" {head}{arguments} {{ {self._selections(below, depth + 1)} }}"
        if arguments and self.often(AGAIN_SHARE):
            made += " " + self._field(type_, name, depth, alias=True)
        return made

    def _alias(self) -> str:
        self.aliases += 1
        return f"a{self.aliases}"

    def _directive(self, share: float) -> str:
        if not self.often(share):
            return ""
        boolean = GraphQLNonNull(GraphQLBoolean)
        holds = self.often(0.6)
        value = self.values.variable(boolean, holds) if self.often(0.6) else holds
        name = self.chance.choice(["include", "skip"])
        return f" @{name}(if: {literal(value)})"

    # Arguments.

    def _arguments(self, type_: Any, name: str, declared: GraphQLField, depth: int, *, alias: bool) -> str:
        """The arguments of a field. Without an alias a field has the same ones everywhere, so that all can be merged."""
        key = ("" if name == "externalIds" else type_.name, name)
        if not alias and key in self.plain:
            return self.plain[key]
        given = self._given_arguments(type_, name, declared, depth)
        text = f"({', '.join(f'{own}: {literal(value)}' for own, value in given.items())})" if given else ""
        if not alias:
            self.plain[key] = text
        return text

    def _given_arguments(self, type_: Any, name: str, declared: GraphQLField, depth: int) -> dict[str, Any]:
        noun = get_named_type(declared.type).name.removesuffix("Connection")
        given: dict[str, Any] = {}
        ways = [own for own in declared.args if own not in SCOPE and "sort" not in declared.args]
        if depth == 0 and "channel" in declared.args and "sort" not in declared.args:
            if ways not in (["id"], ["ids"]):
                ways = (
                    [self.chance.choice(ways)]
                    if self.often(0.97)
                    else self.chance.sample(ways, min(2, len(ways)))
                )
            given |= {own: self._way(declared.args[own].type, (self._wanted(noun), own)) for own in ways}
        elif "sort" not in declared.args:
            for own, each in declared.args.items():
                if is_required_argument(each) or self.often(0.6):
                    given[own] = self._own(own, each.type)
        else:
            given |= self._listing(type_, name, declared, noun, depth)
        for own in SCOPE:
            share = {"channel": 0.97 if self.reach.bound else 0.7, "locale": 0.25, "asOf": 0.08}[own]
            if own in declared.args and self.often(share):
                given[own] = self._scope(own, declared.args[own].type)
        return given

    def _scope(self, own: str, wanted: Any) -> Any:
        if own != "channel" or self.often(0.04):
            return self.values.argument(wanted, ("", own))
        code = self.chance.choice(self.reach.channels)
        return self.values.variable(wanted, code) if self.often(0.2) else code

    def _wanted(self, noun: str) -> str:
        return self.chance.choice(sorted(self.pools.ids)) if noun == "Node" else noun

    def _way(self, wanted: Any, hint: tuple[str, str]) -> Any:
        """What one object is found by, mostly something."""
        if self.often(0.96):
            wanted = GraphQLNonNull(wanted) if not isinstance(wanted, GraphQLNonNull) else wanted
        return self.values.argument(wanted, hint)

    def _own(self, own: str, wanted: Any) -> Any:
        """A value for one of the few arguments that fields below the root have."""
        if own in ("codes", "code"):
            return self._codes(wanted)
        few = FEW.get(own)
        if few is None:
            return self.values.argument(wanted, HINTS.get(own, ("", own)))
        value = self.chance.choice(few)
        return self.values.variable(wanted, value) if self.often(0.2) else value

    def _codes(self, wanted: Any) -> Any:
        codes = [*sorted(self.pools.attributes), "unheard"]
        single = not isinstance(getattr(wanted, "of_type", wanted), GraphQLList) and not isinstance(
            wanted, GraphQLList
        )
        if single or self.often(0.15):
            value: Any = self.chance.choice(codes)
        else:
            value = [self.chance.choice(codes) for _ in range(self.chance.choice([0, 1, 2, 3, 5]))]
        return self.values.variable(wanted, value) if self.often(0.25) else value

    def _listing(
        self, type_: Any, name: str, declared: GraphQLField, noun: str, depth: int
    ) -> dict[str, Any]:
        given: dict[str, Any] = {}
        arguments = declared.args
        if self.often(0.4):
            given["filter"] = self.values.argument(arguments["filter"].type, (noun, ""))
        order = "" if depth == 0 else name
        if self.often(0.35):
            given["sort"], order = self._sort(arguments["sort"].type, order)
        if "search" in arguments and self.often(SEARCH_SHARE):
            given["search"] = self.values.argument(arguments["search"].type, ("", "search"))
        owner = noun if order == "" or " " in order else type_.name
        return given | self._page(arguments, (owner, order), depth)

    def _sort(self, type_: Any, order: str) -> tuple[Any, str]:
        value = self.values.value(type_, ("", ""), variables=False)
        if isinstance(value, dict) and "field" in value:
            order = f"{value['field']} {value.get('direction') or 'ASC'}"
        return (self.values.variable(type_, value) if self.often(0.2) else value), order

    def _page(self, arguments: Any, pool: tuple[str, str], depth: int) -> dict[str, Any]:
        given: dict[str, Any] = {}
        how = self.chance.choice(["first"] * 6 + ["last"] * 3 + ["none"] + (["wide"] if depth == 0 else []))
        size: Any = 100 if how == "wide" else self.chance.choice(SIZES)
        if self.often(0.02):
            size = self.chance.choice([-1, 101, None, 2**31, "2", 2.0])
        if how != "none":
            own = "last" if how == "last" else "first"
            given[own] = self.values.variable(arguments[own].type, size) if self.often(0.25) else size
        if self.often(0.01):
            given["last"] = 1
            given["first"] = 1
        for own, share in (("after", 0.2), ("before", 0.15)):
            if self.often(share):
                cursor = self._cursor(pool)
                given[own] = self.values.variable(arguments[own].type, cursor) if self.often(0.3) else cursor
        return given

    def _cursor(self, pool: tuple[str, str]) -> Any:
        own = self.pools.cursors.get(pool)
        if own and self.often(0.95):
            return self.chance.choice(own)
        some = self.pools.cursors[
            self.chance.choice(sorted(each for each in self.pools.cursors if self.pools.cursors[each]))
        ]
        return self.chance.choice([*some[:3], "", "zzzz", "bnVsbA", None])
