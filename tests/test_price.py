"""The price look-up against the plainest model of its rule."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub import price
from hub.db import Database
from hub.save import save
from tests.shop import LONGER, WRITER, all_rows, opened, shirt, written

START = datetime(2026, 1, 1, tzinfo=UTC)


class Offer(NamedTuple):
    """One price of the model. ``first`` and ``last`` are days after the start, null for unbounded."""

    price_list: str
    company: str | None
    min_quantity: int
    first: int | None
    last: int | None
    cents: int


class Question(NamedTuple):
    """What someone asks the price of."""

    company: str | None
    quantity: int
    day: int


def day(number: int | None) -> datetime | None:
    return None if number is None else START + timedelta(days=number)


@st.composite
def offers(draw: st.DrawFn) -> list[Offer]:
    """Per list, company and quantity perhaps a base price, and windows one after the other."""
    found = []
    for price_list in ("club", "retail"):
        for company in (None, "acme"):
            for quantity in (1, 10):
                cuts = sorted(draw(st.lists(st.integers(0, 9), max_size=3, unique=True)))
                if draw(st.booleans()):
                    found.append(Offer(price_list, company, quantity, None, None, draw(st.integers(0, 99))))
                bounds: list[int | None] = [*cuts, None] if cuts else []
                for first, last in itertools.pairwise(bounds):
                    if draw(st.booleans()):
                        found.append(
                            Offer(price_list, company, quantity, first, last, draw(st.integers(0, 99)))
                        )
    return found


questions = st.builds(
    Question, st.sampled_from([None, "acme"]), st.sampled_from([1, 9, 10, 50]), st.integers(-1, 10)
)


def is_base(offer: Offer) -> bool:
    return offer.first is None


def answer(offers: list[Offer], asked: Question) -> int | None:
    """The rule in words of the model: own company, the channel's first list, a window before the base, the quantity."""
    holding = [
        offer
        for offer in offers
        if offer.company in (None, asked.company)
        and offer.min_quantity <= asked.quantity
        and (offer.first is None or offer.first <= asked.day)
        and (offer.last is None or offer.last > asked.day)
    ]
    order = ("club", "retail")
    best = sorted(
        holding, key=lambda o: (o.company is None, order.index(o.price_list), is_base(o), -o.min_quantity)
    )
    return best[0].cents if best else None


def row(offer: Offer) -> dict[str, Any]:
    return {
        "price_list": {"key": offer.price_list},
        "company": None if offer.company is None else {"key": offer.company},
        "min_quantity": offer.min_quantity,
        "starts_at": day(offer.first),
        "ends_at": day(offer.last),
        "amount": f"{offer.cents / 100:.2f}",
    }


@pytest.fixture
def shop(database: Database) -> Database:
    opened(database)
    written(database, "product", shirt())
    return database


@pytest.mark.soak
@settings(
    max_examples=int(60 * LONGER), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(offers=offers(), asked=st.lists(questions, min_size=1, max_size=8))
def test_the_look_up_agrees_with_the_model(
    shop: Database, offers: list[Offer], asked: list[Question]
) -> None:
    numbers = dict(all_rows(shop, "SELECT code, id FROM channel UNION ALL SELECT code, id FROM company"))
    variant = all_rows(shop, "SELECT id FROM variant ORDER BY id")[0][0]
    with shop.engine.connect() as tx:
        saved = save(
            tx,
            "product",
            [{"slug": "shirt-1", "variants": [{"sku": "shirt-1-red", "prices": [*map(row, offers)]}]}],
        )
        assert saved[0].errors == ()
        for each in asked:
            statement = price.lookup(
                numbers["web"],
                [variant],
                company_id=numbers.get(each.company or ""),
                quantity=each.quantity,
                moment=day(each.day),
            )
            found = tx.execute(statement).mappings().all()
            assert [int(one["amount"] * 100) for one in found] == [
                cents for cents in [answer(offers, each)] if cents is not None
            ]
        tx.rollback()


def test_a_price_changed_is_an_event_of_its_own(shop: Database) -> None:
    with shop.write(WRITER) as tx:
        save(
            tx,
            "product",
            [
                {
                    "slug": "shirt-1",
                    "variants": [
                        {"sku": "shirt-1-red", "prices": [row(Offer("club", None, 1, None, None, 5))]}
                    ],
                }
            ],
        )
    assert all_rows(shop, "SELECT events FROM pending ORDER BY id DESC LIMIT 1") == [
        (["product.updated", "price.changed"],)
    ]
