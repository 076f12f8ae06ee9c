"""Samples of every noun, made from the registry: a noun joins by being registered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any

import sqlalchemy as sa
from babel.localedata import locale_identifiers
from strawberry.utils.str_converters import to_camel_case

from hub import gtin, registry, value
from hub.db import Json
from hub.draft import shapes
from hub.field import Field
from hub.registry import Part
from schema.declare import Noun
from schema.nouns import load
from tests.running import Server

SYSTEM = "conformance"
NOUNS = {noun.name: noun for noun in load().values()}
ROOTS = {part.name: part for part in registry.roots() if not part.kept.own_commands}

COMPUTED = {
    "order": {"subtotal", "tax_total", "total", "number"},
    "order_line": {"total", "discount"},
    "field_owner": {"from_status"},
    "order_discount": {"line"},
}
"""What follows from the rest of an input; a sample leaves it to the hub."""

LATER = ("fulfilments", "returns", "refunds")
"""What a new object cannot have: its samples are drafts, of which nothing is sent."""

ONLY_FOR_MEASUREMENTS = {"unit_family", "unit"}
CHANGEABLE = ("texts", "line", "whole", "flag", "email", "amount")
"""Kinds of which any value may become any other."""

ErrorList = list[dict[str, Any]]


@dataclass(frozen=True)
class Made:
    """An object that a sample became: its global id, what it was made from, and its id in system ``conformance``."""

    part: Part
    id: str
    input: Json
    external: str

    @property
    def external_id(self) -> Json:
        """How its external id is given."""
        return {"system": SYSTEM, "id": self.external}

    @property
    def key(self) -> Any:
        """What people know it by; null where it has no key, or the hub chose it."""
        return self.input.get(to_camel_case(self.part.kept.key or ""))


@dataclass
class Sampler:
    """Makes inputs, and objects out of them. ``numbers`` keeps two samples apart."""

    server: Server
    numbers: Any = field(default_factory=lambda: count(1))

    def open(self) -> None:
        """The locales and the attribute that every sample stands on."""
        for noun, given in (
            ("locale", {"code": "en"}),
            ("locale", {"code": "de"}),
            ("attribute", {"code": SYSTEM, "type": "TEXT"}),
        ):
            self.send(noun, "create", given)

    def input(self, part: Part, *, full: bool = True) -> Json:
        """An input that makes a valid new object; ``full``: with every field and collection, else what is needed."""
        number = next(self.numbers)
        row = self._row(part, number, full=full)
        return {**row, "externalIds": [{"system": SYSTEM, "id": f"{part.name}-{number}"}]}

    def create(self, part: Part, given: Json | None = None, *, full: bool = True) -> Made:
        """A new object."""
        given = given or self.input(part, full=full)
        payload = self.send(part.name, "create", given)
        return Made(part, payload[to_camel_case(part.name)]["id"], given, given["externalIds"][0]["id"])

    def reference(self, noun: str) -> Json:
        """Names an object of a noun, a new one unless all samples may share it."""
        if noun == "locale":
            return {"key": "en"}
        if noun != "variant":
            return {"id": self.create(ROOTS[noun], full=False).id}
        sku = self.create(ROOTS["product"], self._with_variant(), full=False).input["variants"][0]["sku"]
        return {"key": sku}

    def _with_variant(self) -> Json:
        return {
            **self.input(ROOTS["product"], full=False),
            "variants": [{"sku": f"sku-{next(self.numbers)}"}],
        }

    def _row(self, part: Part, number: int, *, full: bool) -> Json:
        row: Json = {}
        for name, (column, declared) in part.fields().items():
            if self._wanted(part, name, declared, full=full):
                row[to_camel_case(name)] = self._value(part, name, column, declared, number)
        for name, child in shapes()[part.name].collections.items() if full else ():
            if name != "external_ids" and name not in LATER:
                row[to_camel_case(name)] = [self._row(child, next(self.numbers), full=True)]
        return row

    def _wanted(self, part: Part, name: str, declared: Field, *, full: bool) -> bool:
        if name in COMPUTED.get(part.name, ()) or name in ONLY_FOR_MEASUREMENTS or declared.kind == "axes":
            return False
        return full or declared.required or name == part.kept.key

    def _value(self, part: Part, name: str, column: sa.Column[Any], declared: Field, number: int) -> Any:
        if declared.refers is not None:
            return self.reference(declared.refers)
        kind = declared.kind or {bool: "flag", int: "whole", str: "line"}[column.type.python_type]
        if (part.name, name) == ("customer_identifier", "value"):
            kind = "email"
        return VALUES[kind](name, number)

    def changed(self, made: Made) -> Json:
        """An input that changes one value of an object."""
        for name, (column, declared) in made.part.fields().items():
            kind = declared.kind or {bool: "flag", int: "whole", str: "line"}.get(column.type.python_type)
            free = kind in CHANGEABLE and declared.refers is None and name not in made.part.kept.match
            if free and name not in COMPUTED.get(made.part.name, ()):
                value = VALUES[kind or ""](name, next(self.numbers))
                old = made.input.get(to_camel_case(name))
                return {"id": made.id, to_camel_case(name): (not old) if isinstance(old, bool) else value}
        raise LookupError(f"{made.part.name} has no field that a sample knows how to change.")

    def send(self, noun: str, verb: str, given: Json, *, token: str | None = None, **arguments: Any) -> Json:
        """The payload of a create or update that must succeed."""
        payload = self.payload(noun, verb, given, token=token, **arguments)
        assert payload["userErrors"] == [], (noun, given, payload["userErrors"])
        return payload

    def payload(
        self, noun: str, verb: str, given: Json, *, token: str | None = None, **arguments: Any
    ) -> Json:
        """The payload of a create or update, refused or not."""
        answer = self.server.graphql(*command(noun, verb, given, **arguments), token=token)
        assert "errors" not in answer, (noun, given, answer["errors"])
        payload: Json = answer["data"]["answer"]
        return payload

    def delete(self, made: Made, **arguments: Any) -> ErrorList:
        """What refused a deletion; empty when it is gone."""
        variables = {"id": made.id, **arguments}
        types = {"id": "ID", "ifVersion": "Long", "idempotencyKey": "String"}
        head = ", ".join(f"${name}: {types[name]}" for name in variables)
        body = ", ".join(f"{name}: ${name}" for name in variables)
        text = f"mutation({head}) {{ answer: {camel(made.part)}Delete({body}) {{ deletedId userErrors {ERRORS} }} }}"
        answer = self.server.data(text, variables)["answer"]
        assert (answer["deletedId"] == made.id) == (answer["userErrors"] == [])
        errors: ErrorList = answer["userErrors"]
        return errors

    def bulk(self, part: Part, rows: list[Json], **arguments: Any) -> Json:
        """The payload of a bulk upsert."""
        answer: Json = self.server.data(*bulk_command(part, rows, **arguments))["answer"]
        return answer

    def version(self, made: Made) -> int:
        """The version that an object is at."""
        answer = self.server.data(
            "query($id: ID!) { node(id: $id) { ... on Aggregate { version } } }", {"id": made.id}
        )
        number: int = answer["node"]["version"]
        return number

    def exists(self, made: Made) -> bool:
        """Whether an object is there."""
        answer = self.server.data("query($id: ID!) { node(id: $id) { id } }", {"id": made.id})
        return answer["node"] is not None


ERRORS = "{ field code message version }"


def command(noun: str, verb: str, given: Json, **arguments: Any) -> tuple[str, Json]:
    """The document and variables of a create or update."""
    part = ROOTS[noun]
    variables = {"input": given, **arguments}
    types = {"input": f"{part.model.__name__}Input!", "ifVersion": "Long", "idempotencyKey": "String"}
    head = ", ".join(f"${name}: {types[name]}" for name in variables)
    body = ", ".join(f"{name}: ${name}" for name in variables)
    name = camel(part)
    text = (
        f"mutation({head}) {{ answer: {name}{verb.capitalize()}({body}) "
        f"{{ outcome userErrors {ERRORS} {name} {{ id version }} }} }}"
    )
    return text, variables


def bulk_command(part: Part, rows: list[Json], **arguments: Any) -> tuple[str, Json]:
    """The document and variables of a bulk upsert."""
    variables = {"rows": rows, **arguments}
    types = {"rows": f"[{part.model.__name__}Input!]!", "policy": "BatchPolicy!", "idempotencyKey": "String"}
    head = ", ".join(f"${name}: {types[name]}" for name in variables)
    body = ", ".join(f"{name}: ${name}" for name in variables)
    text = (
        f"mutation({head}) {{ answer: {camel(part)}BulkUpsert({body}) {{ userErrors {ERRORS} "
        f"results {{ index outcome userErrors {ERRORS} {camel(part)} {{ id version }} }} }} }}"
    )
    return text, variables


def camel(part: Part) -> str:
    """The noun's name in mutations and payloads."""
    return to_camel_case(part.name)


def noun_of(part: Part) -> Noun:
    """How the noun is read."""
    return NOUNS[part.name]


def title(part: Part) -> str:
    """The noun's GraphQL type."""
    return noun_of(part).title


def _gtin(number: int) -> str:
    body = f"{400_000_000_000 + number}"
    return body + gtin.check_digit(body)


LOCALES: Iterator[str] = cycle(
    code
    for code in (each.replace("_", "-") for each in locale_identifiers())
    if re.fullmatch("[a-z]{2}-[A-Z]{2}", code) and value.locale(code) == code
)
"""Enough locales that samples do not meet."""

VALUES: dict[str, Callable[[str, int], Any]] = {
    "texts": lambda name, number: [{"locale": locale, "text": f"{name} {number}"} for locale in ("en", "de")],
    "attributes": lambda _, number: [{"code": SYSTEM, "value": {"text": f"value {number}"}}],
    "rules": lambda _, number: {"max_length": 1000 + number},
    "search_rules": lambda _, number: {"stopWords": [f"word {number}"]},
    "address_snapshot": lambda _, number: {"name": f"Name {number}", "city": "Wien", "country": "AT"},
    "text": lambda name, number: f"{name} {number}",
    "line": lambda name, number: f"{name} {number}",
    "key": lambda name, number: _gtin(number) if name == "value" else f"{name}-{number}",
    "code": lambda name, number: f"{name}-{number}",
    "attribute_code": lambda name, number: f"{name}-{number}",
    "option_code": lambda _, number: f"0{number}",
    "slug": lambda _, number: f"slug-{number}",
    "prefix": lambda _, number: f"P{number}-",
    "address": lambda _, number: f"https://example.com/{number}.jpg",
    "country": lambda _, __: "AT",
    "locale": lambda _, __: next(LOCALES),
    "currency": lambda _, __: "EUR",
    "amount": lambda _, number: f"{number}.50",
    "whole": lambda _, number: number,
    "count": lambda _, number: number,
    "percent": lambda _, number: number % 101,
    "flag": lambda _, __: True,
    "moment": lambda name, _: "2020-01-01T00:00:00Z" if name == "starts_at" else "2100-01-01T00:00:00Z",
    "email": lambda _, number: f"someone-{number}@example.com",
    "phone": lambda _, number: f"+43664{number:07}",
    "birth_date": lambda _, number: f"19{number % 90 + 10}-01-01",
    "attribute_type": lambda _, __: "TEXT",
    "asset_kind": lambda _, __: "VIDEO",
    "identifier_type": lambda _, __: "GTIN",
    "contact_type": lambda _, __: "EMAIL",
    "order_status": lambda _, __: "DRAFT",
    "document": lambda _, number: {"system": SYSTEM, "id": f"document-{number}"},
    "noun": lambda _, __: "product",
    "field_path": lambda _, number: f"attributes/never_{number}",
    "ownership": lambda _, __: "REFUSE",
    "payment_state": lambda _, __: "CAPTURED",
}
"""A value of each kind by the field's name and a number; another number gives another value where it matters."""
