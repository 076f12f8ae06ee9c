"""A catalogue to read, and a way to ask about it: GraphQL against a real database, as different viewers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from hub.db import Database, Json
from hub.errors import HubError
from hub.ids import encode
from hub.token import EVERY_SCOPE, OPEN_SCOPES, REACH
from hub.viewer import PREVIEW, Viewer
from schema.app import schema
from schema.context import Context
from tests.shop import WRITER, all_rows, opened, shirt, written

STAFF = Viewer(token_id=None, kind="staff", scopes=frozenset(EVERY_SCOPE))
STOREFRONT = Viewer(token_id=None, kind="storefront", scopes=frozenset(OPEN_SCOPES))
PREVIEWING = Viewer(token_id=None, kind="storefront", scopes=frozenset({*OPEN_SCOPES, PREVIEW}))


def customer_viewer(customer_id: int) -> Viewer:
    """The viewer of a customer's token."""
    return Viewer(
        token_id=None, kind="customer", scopes=frozenset(REACH["customer"]), customer_id=customer_id
    )


def scoped(viewer: Viewer, *scopes: str, kind: Any = None) -> Viewer:
    """The viewer with these scopes alone."""
    return replace(viewer, scopes=frozenset(scopes), kind=kind or viewer.kind)


@dataclass
class Asking:
    """Asks a database; ``statements`` counts what the last question took. ``extras``: what the app hands to resolvers."""

    database: Database
    runner: asyncio.Runner
    statements: int = 0
    extras: Json = field(default_factory=dict)

    def __call__(self, query: str, viewer: Viewer = STAFF, **variables: Any) -> Any:
        """The data of an answer that must have no errors."""
        result = self.answer(query, viewer, **variables)
        assert not result.errors, [error.message for error in result.errors]
        return result.data

    def answer(self, query: str, viewer: Viewer = STAFF, **variables: Any) -> Any:
        """The answer, errors and all."""
        before = self.database.statements
        context = Context(self.database, viewer, dict(self.extras))
        coroutine = schema().execute(query, variable_values=variables, context_value=context)
        result = self.runner.run(coroutine)
        self.statements = self.database.statements - before
        return result

    def refused(self, query: str, viewer: Viewer = STAFF, **variables: Any) -> HubError:
        """The one refusal of an answer that must have one."""
        errors = self.answer(query, viewer, **variables).errors or []
        assert len(errors) == 1, errors
        cause = errors[0].original_error
        assert isinstance(cause, HubError), errors[0]
        return cause

    def id(self, noun: str, column: str, value: str) -> str:
        """The global id of the row whose column holds a value."""
        return encode(noun, self.number(noun, column, value))

    def number(self, noun: str, column: str, value: str) -> int:
        """The id of the row whose column holds a value."""
        rows = all_rows(self.database, f'SELECT id FROM "{noun}" WHERE {column} = :value', value=value)
        return int(rows[0][0])


@contextmanager
def asking(database: Database) -> Iterator[Asking]:
    """A way to ask, closed at the end."""
    with asyncio.Runner() as runner:
        yield Asking(database, runner)
        runner.run(database.async_engine.dispose())


def names(page: Json, field: str = "slug") -> list[Any]:
    """One field of each row of a page."""
    return [node[field] for node in page["nodes"]]


LISTED = [{"channel": {"key": "web"}}]


def price(amount: str, **more: Any) -> Json:
    """A price in the retail list."""
    return {"price_list": {"key": "retail"}, "amount": amount, "currency": "EUR"} | more


def fill(database: Database) -> None:
    """Two channels, three listed products and one draft, prices, stock, a company, a customer and an order."""
    opened(database)
    for noun, rows in CATALOGUE.items():
        for row in rows:
            (result,) = written(database, noun, row)
            assert result.outcome == "created", (noun, row, result)
    with database.write(WRITER) as tx:
        for statement in WAITING:
            tx.execute(sa.text(statement))


WAITING = (
    """INSERT INTO pending_message (system, message, command, order_name, given, content_hash)
        VALUES ('erp', 'M-1', 'order_note_add', 'unseen', '{"text": "Packed."}', '')""",
    """INSERT INTO proposal (noun, object_id, path, owner, change) VALUES ('asset', 1, '/alt', 'dam', '{}')""",
)
"""A message about an order that nobody has seen yet, and a proposal: no input of a noun writes them."""


CATALOGUE: dict[str, list[Json]] = {
    "field_owner": [{"code": "owned", "noun": "asset", "path": "alt", "system": "dam", "others": "allow"}],
    "attribute": [
        {"code": "net", "type": "decimal"},
        {"code": "born", "type": "date"},
        {"code": "checked", "type": "datetime"},
        {"code": "tags", "type": "choices", "options": [{"code": "eco"}, {"code": "sale"}]},
        {"code": "fee", "type": "money"},
        {"code": "goes_with", "type": "reference", "rules": {"to": "product"}},
        {"code": "sizes", "type": "table", "rules": {"columns": {"size": "text", "chest": "decimal"}}},
        {"code": "story", "type": "rich_text", "localizable": True},
    ],
    "channel": [
        {
            "code": "us",
            "currency": "USD",
            "order_prefix": "US-",
            "locales": [{"locale": {"key": "en"}}],
            "price_lists": [],
        }
    ],
    "relation_type": [{"code": "pair", "two_way": True}, {"code": "spare", "two_way": False}],
    "collection": [{"code": "summer", "slug": "summer", "name": {"en": "Summer"}}],
    "location": [{"code": "north"}, {"code": "south"}],
    "product": [
        shirt(
            "alpha",
            name={"en": "Alpha shirt", "de": "Älpha-Hemd"},
            listings=LISTED,
            categories=[{"category": {"key": "shirts"}}],
            collections=[{"collection": {"key": "summer"}, "position": 2}],
            assets=[
                {"asset": {"key": "front"}, "role": "gallery", "position": 1},
                {"asset": {"key": "front"}, "role": "manual", "position": 2},
            ],
            external_ids=[{"system": "erp", "id": "A-1"}, {"system": "pim", "id": "77"}],
            attributes=[
                {"code": "care", "locale": "de", "value": "30 Grad"},
                {"code": "care", "locale": "en", "value": "30 degrees"},
                {"code": "claim", "value": "For all"},
                {"code": "claim", "channel": "web", "value": "For the web"},
                {"code": "weight", "value": {"amount": "250", "unit": "g"}},
                {"code": "rating", "value": 4},
                {"code": "organic", "value": True},
                {"code": "net", "value": "12.50"},
                {"code": "born", "value": "2024-05-01"},
                {"code": "checked", "value": "2024-05-01T10:00:00Z"},
                {"code": "tags", "value": ["eco", "sale"]},
                {"code": "fee", "value": {"amount": "1.5", "currency": "EUR"}},
                {"code": "sizes", "value": [{"size": "M", "chest": "98.5"}]},
                {"code": "story", "locale": "en", "value": "<p>Once</p>"},
            ],
            variants=[
                {
                    "sku": "alpha-red",
                    "position": 1,
                    "axes": {"colour": "red"},
                    "identifiers": [
                        {"type": "gtin", "value": "4006381333931"},
                        {"type": "mpn", "value": "007"},
                    ],
                    "prices": [
                        price("20.00"),
                        price("18.00", min_quantity=10),
                        price("15.00", company={"key": "acme"}),
                    ],
                    "assets": [{"asset": {"key": "front"}, "role": "swatch"}],
                    "external_ids": [{"system": "erp", "id": "V-1"}],
                },
                {
                    "sku": "alpha-blue",
                    "position": 2,
                    "axes": {"colour": "blue"},
                    "attributes": [{"code": "rating", "value": 2}],
                },
            ],
        ),
        shirt(
            "beta",
            name={"en": "Beta shirt"},
            listings=[{"channel": {"key": "web"}, "ends_at": "2030-01-01T00:00:00Z"}],
            categories=[{"category": {"key": "tops"}}],
            collections=[{"collection": {"key": "summer"}, "position": 1}],
            relations=[
                {"type": {"key": "pair"}, "product": {"key": "alpha"}},
                {"type": {"key": "spare"}, "product": {"key": "alpha"}},
            ],
            attributes=[
                {"code": "weight", "value": {"amount": "0.3", "unit": "kg"}},
                {"code": "rating", "value": 5},
                {"code": "organic", "value": False},
                {"code": "tags", "value": ["sale"]},
                {"code": "fee", "value": {"amount": "2", "currency": "USD"}},
                {"code": "net", "value": {"not_applicable": True}},
                {"code": "goes_with", "value": {"key": "alpha"}},
            ],
            variants=[{"sku": "beta-one", "prices": [price("9.90")]}],
        ),
        shirt(
            "gamma",
            name={"en": "gamma shirt"},
            listings=[{"channel": {"key": "web"}, "starts_at": "2031-01-01T00:00:00Z"}],
            variants=[{"sku": "gamma-one", "prices": [price("5.00", starts_at="2031-01-01T00:00:00Z")]}],
        ),
        shirt("draft", name={}, variants=[{"sku": "draft-one"}]),
    ],
    "stock": [
        {"variant": {"key": "alpha-red"}, "location": {"key": "north"}, "on_hand": 7, "reserved": 2},
        {"variant": {"key": "alpha-red"}, "location": {"key": "south"}, "on_hand": 3_000_000_000},
        {"variant": {"key": "draft-one"}, "location": {"key": "north"}, "on_hand": 1},
    ],
    "customer": [
        {
            "given_name": "Ada",
            "family_name": "Stone",
            "email": "ada@example.com",
            "locale": {"key": "de"},
            "company": {"key": "acme"},
            "external_ids": [{"system": "shop", "id": "C1"}],
            "identifiers": [
                {"type": "email", "value": "ada@example.com", "verified": True},
                {"type": "phone", "value": "+43 1 234567", "verified": True},
                {"type": "email", "value": "shared@example.com"},
            ],
            "addresses": [{"code": "home", "city": "Wien", "country": "AT"}],
        },
        {"given_name": "Bo", "external_ids": [{"system": "shop", "id": "C2"}]},
    ],
    "search_rule_set": [{"code": "house"}],
    "cart": [{"channel": {"key": "web"}, "note": "For the garden"}],
    "order": [
        {
            "number": "WEB-1",
            "channel": {"key": "web"},
            "customer": {"external_id": {"system": "shop", "id": "C1"}},
            "currency": "EUR",
            "status": "placed",
            "placed_at": "2026-01-02T03:04:05Z",
            "email": "ada@example.com",
            "billing_address": {"name": "Ada Stone", "city": "Wien", "country": "AT"},
            "subtotal": "49.90",
            "total": "49.90",
            "lines": [
                {
                    "position": 1,
                    "variant": {"key": "alpha-red"},
                    "sku": "alpha-red",
                    "name": "Alpha",
                    "quantity": 2,
                    "unit_price": "20.00",
                    "total": "40.00",
                },
                {"position": 2, "name": "Gift wrap", "quantity": 1, "unit_price": "9.90", "total": "9.90"},
            ],
        },
        {
            "number": "US-1",
            "channel": {"key": "us"},
            "customer": {"external_id": {"system": "shop", "id": "C2"}},
            "currency": "USD",
            "lines": [],
        },
    ],
}
