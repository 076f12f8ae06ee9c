"""Argument values made from the input types of the schema, with values from the data, and now and then wrong ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
)

from hub import ids
from tests.differential.pools import Pools

Hint = tuple[str, str]
"""The noun and the field that a value is about."""

WRONG_SHARE = 0.015
"""How often a value is wrong; a document has a dozen."""
NULL_SHARE = 0.04
VARIABLE_SHARE = 0.2
DEEPEST_FILTER = 3

MOMENTS = [
    "2001-02-03T04:05:06Z",
    "2030-01-01T00:00:00Z",
    "2029-12-31T23:59:59.999999Z",
    "2040-06-01T02:00:00+02:00",
    "2100-01-01T00:00:00Z",
]
WRONG: dict[str, list[Any]] = {
    "Int": [-1, 101, 2**31, 1.5, "3", True, 10**30],
    "Long": [2**63, -(2**63) - 1, "12x", 1.5, True, []],
    "Float": ["x"],
    "Decimal": ["12,5", "NaN", "Infinity", True, {}, ""],
    "DateTime": [
        "2026-02-30T00:00:00Z",
        "2026-01-01T00:00:00",
        "yesterday",
        5,
        "",
        "0001-01-01T00:00:00+23:00",
        "2026-13-01T00:00:00Z",
    ],
    "String": ["a\0b", 5, True, ["x", "y"], {"a": 1}, ""],
    "ID": [
        "",
        "nonsense",
        5,
        1.5,
        True,
        ids.encode("product", 2**70),
        ids.encode("product", 999_999),
        ids.encode("token", 1),
        "cHJvZHVjdDox=",
        "a\0b",
    ],
    "Boolean": ["true", 1, None],
    "Operand": [None, [], {"a": 1}, "a\0b", 1e300],
    "JSON": [None],
}
TEXTS = ["", "%", "_", "ä", "a", "O", "shirt", "\\", '"', "ß" * 40, "p0", "some\nlines"]
NUMBERS = [0, 1, 2, 5, 7, -1, 10, 3_000_000_000]
SCOPES: dict[str, list[Any]] = {
    "channel": [*["web"] * 8, "us", "paris", "paris"],
    "locale": ["en", "de", "fr", "de-AT", "fr-CA", "EN", "it"],
    "asOf": MOMENTS,
    "at": MOMENTS,
    "search": ["shirt", "alpha", "", "nothing of the kind"],
}
WRONG_SCOPES: dict[str, list[Any]] = {
    "channel": ["moon", "", "a\0b"],
    "locale": ["", "banana!", "de_", "zz-ZZZZZZZZZ"],
}


class Name(str):
    """An enum's value: without quotes in a document, a text in variables."""

    __slots__ = ()


@dataclass(frozen=True)
class Variable:
    """A variable's place in a value."""

    name: str


@dataclass
class Declared:
    """The variables of one operation: how each is declared, and what is given for it."""

    declarations: list[str] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)

    def new(self, declaration: Callable[[str], str]) -> str:
        """A fresh variable's name."""
        name = f"v{len(self.declarations)}"
        self.declarations.append(declaration(name))
        return name


@dataclass
class Values:
    """Makes values by chance."""

    chance: Random
    pools: Pools
    declared: Declared

    def often(self, share: float) -> bool:
        """True in that share of cases."""
        return self.chance.random() < share

    def argument(self, type_: GraphQLInputType, hint: Hint) -> Any:
        """A value for an argument, perhaps by a variable."""
        if self.often(VARIABLE_SHARE):
            return self.variable(type_, self.value(type_, hint, variables=False))
        return self.value(type_, hint)

    def variable(self, type_: GraphQLInputType, value: Any) -> Variable:
        """A variable of the type that holds the value, or has it as default."""
        by_default = not isinstance(type_, GraphQLNonNull) and self.often(0.2)
        written = f"{type_} = {literal(value)}" if by_default else str(type_)
        if not isinstance(type_, GraphQLNonNull) and not by_default and self.often(0.1):
            written = f"{type_}!"
        name = self.declared.new(lambda own: f"${own}: {written}")
        if not by_default:
            self.declared.given[name] = plain(value)
        elif self.often(0.2):
            self.declared.given[name] = None
        return Variable(name)

    def value(self, type_: GraphQLInputType, hint: Hint, *, depth: int = 0, variables: bool = True) -> Any:
        """A value of the type, mostly a right one."""
        if variables and depth and self.often(VARIABLE_SHARE / 4):
            return self.variable(type_, self.value(type_, hint, depth=depth, variables=False))
        if isinstance(type_, GraphQLNonNull):
            return self._present(type_.of_type, hint, depth, variables=variables)
        if self.often(NULL_SHARE):
            return None
        return self._present(type_, hint, depth, variables=variables)

    def _present(self, type_: Any, hint: Hint, depth: int, *, variables: bool) -> Any:
        if isinstance(type_, GraphQLList):
            return self._list(type_.of_type, hint, depth, variables=variables)
        if isinstance(type_, GraphQLInputObjectType):
            return self._object(type_, hint, depth, variables=variables)
        if isinstance(type_, GraphQLEnumType):
            return (
                Name("UNHEARD") if self.often(WRONG_SHARE) else Name(self.chance.choice(list(type_.values)))
            )
        assert isinstance(type_, GraphQLScalarType)
        return self.scalar(type_.name, hint)

    def _list(self, type_: Any, hint: Hint, depth: int, *, variables: bool) -> Any:
        if self.often(0.15):
            return self.value(
                type_, hint, depth=depth + 1, variables=variables
            )  # GraphQL makes a list of one
        count = self.chance.choice([0, 1, 1, 2, 2, 3])
        made = [self.value(type_, hint, depth=depth + 1, variables=variables) for _ in range(count)]
        return [self.chance.choice([5, None, {}, [[]]]), *made] if self.often(WRONG_SHARE / 2) else made

    def scalar(self, name: str, hint: Hint) -> Any:
        """A value of a scalar, from the data where the field has some."""
        if self.often(WRONG_SHARE):
            return self.chance.choice(WRONG_SCOPES.get(hint[1], WRONG[name]))
        if hint[1] in SCOPES and not hint[0]:
            return self.chance.choice(SCOPES[hint[1]])
        if name == "ID":
            return self._id(hint)
        if name == "Boolean":
            return self.often(0.5)
        known = self.pools.of(*hint)
        if known and self.often(0.85):
            return self.chance.choice(known)
        return self._plain(name)

    def _plain(self, name: str) -> Any:
        if name == "DateTime":
            return self.chance.choice(MOMENTS)
        if name in ("Int", "Long"):
            return self.chance.choice(NUMBERS if name == "Long" else NUMBERS[:-1])
        if name == "Decimal":
            return self.chance.choice(["0", "12.5", "-1", 5, 7.25, "1e2", "9.90"])
        return self.chance.choice(TEXTS)

    def _id(self, hint: Hint) -> str:
        noun = hint[0] if hint[0] in self.pools.ids and self.often(0.97) else None
        return self.chance.choice(self.pools.ids[noun or self.chance.choice(sorted(self.pools.ids))])

    def _object(self, type_: GraphQLInputObjectType, hint: Hint, depth: int, *, variables: bool) -> Any:
        if type_.name == "AttributeValueFilter":
            return self._attribute(type_, variables=variables)
        noun = type_.name.removesuffix("Filter").removesuffix("Sort")
        if type_.name == "ExternalIdInput":
            return self._external()
        if type_.name == "CategoryMembershipFilter":
            noun = "Category"
        elif not self._is_noun(noun):
            noun = ""  # an operator's input: its values are about the field that it stands at
        names = [name for name, each in type_.fields.items() if self._fits(each.type, depth)]
        wanted = [name for name, each in type_.fields.items() if isinstance(each.type, GraphQLNonNull)]
        some = self.chance.sample(names, min(len(names), self.chance.choice([0, 1, 1, 1, 1, 2, 2, 3])))
        made = {}
        for name in dict.fromkeys([*wanted, *some]):
            below = (noun, name) if noun else hint
            made[name] = self.value(type_.fields[name].type, below, depth=depth + 1, variables=variables)
        if self.often(WRONG_SHARE / 3):
            made["unheard"] = 1
        return made

    def _fits(self, type_: Any, depth: int) -> bool:
        while isinstance(type_, GraphQLNonNull | GraphQLList):
            type_ = type_.of_type
        return depth < DEEPEST_FILTER or not self._is_noun(getattr(type_, "name", "").removesuffix("Filter"))

    def _is_noun(self, title: str) -> bool:
        return title in self.pools.ids or any(noun == title for noun, _ in self.pools.values)

    def _external(self) -> Any:
        system = self.chance.choice(["erp", "pim", "shop"])
        return {"system": system, "id": self.chance.choice([*self.pools.of("ExternalId", "id"), "none"])}

    def _attribute(self, type_: GraphQLInputObjectType, *, variables: bool) -> Any:
        code = self.chance.choice(sorted(self.pools.attributes))
        known = self.pools.attributes[code] or ["x"]
        made: dict[str, Any] = {"code": "unheard" if self.often(WRONG_SHARE) else code}
        for name in self.chance.sample(["eq", "ne", "in", "notIn", "lt", "lte", "gt", "gte"], self._few()):
            made[name] = (
                [self.chance.choice(known)] if name.lower().endswith("in") else self.chance.choice(known)
            )
        for name, share in (("contains", 0.1), ("startsWith", 0.1), ("isEmpty", 0.15)):
            if self.often(share):
                made[name] = self.value(type_.fields[name].type, ("", ""), depth=1, variables=variables)
        if code in ("weight", "depth") and self.often(0.4):
            made["unit"] = self.chance.choice(["g", "kg", "cm", "m"])
        if code == "fee" and self.often(0.4):
            made["currency"] = self.chance.choice(["EUR", "USD", "XXX"])
        return made

    def _few(self) -> int:
        return self.chance.choice([0, 1, 1, 1, 2])


def literal(value: Any) -> str:
    """A value as a document writes it."""
    if isinstance(value, Variable):
        return f"${value.name}"
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {literal(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return json.dumps(value)


def plain(value: Any) -> Any:
    """A value as variables hold it."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, Name) else value
