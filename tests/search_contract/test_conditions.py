"""Filters: every kind of attribute and fact, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub import ids
from hub.errors import HubError, Invalid, Limit, NotFound
from search.condition import (
    AllOf,
    AnyOf,
    AttributeBetween,
    AttributeEmpty,
    AttributeIn,
    Available,
    Changed,
    Condition,
    Created,
    ListedIn,
    NoneOf,
    OfBrand,
    OfType,
    PriceBetween,
    Products,
)
from search.condition import InCategory as Category
from tests.search_contract.conftest import Asked

NAMED = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")


def taken(hub: Asked, condition: Condition, **more: Any) -> set[str]:
    return {slug for slug in hub.slugs(filter=condition, **more) if not slug.startswith("twin")}


@pytest.mark.parametrize(
    ("condition", "slugs"),
    [
        (AttributeIn("colour", ("red",)), {"beta", "delta", "eta"}),
        (AttributeIn("colour", ("red", "blue")), {"beta", "delta", "eta", "epsilon", "zeta"}),
        (AttributeIn("colour", ("green",)), set()),
        (AttributeIn("colour", ()), set()),
        (AttributeIn("size", ("m",)), {"alpha", "beta"}),
        (AttributeIn("organic", (True,)), {"delta"}),
        (AttributeIn("organic", ("false",)), {"alpha", "beta"}),
        (AttributeIn("rating", (4,)), {"gamma", "delta"}),
        (AttributeIn("weight", (250,)), {"alpha"}),
        (AttributeIn("weight", ("0.25",), unit="kg"), {"alpha"}),
        (AttributeIn("cable.length", ("1.20",)), {"alpha"}),
        (AttributeIn("material", ("leather",)), {"gamma"}),
        (AttributeIn("released", ("2024-01-15",)), {"beta"}),
        (AttributeBetween("rating", 4), {"alpha", "gamma", "delta", "zeta"}),
        (AttributeBetween("rating", 4, with_low=False), {"alpha", "zeta"}),
        (AttributeBetween("rating", None, 4, with_high=False), {"beta"}),
        (AttributeBetween("weight", 90, 250), {"alpha", "beta", "gamma"}),
        (AttributeBetween("weight", "0.1", "1.2", unit="kg"), {"alpha", "beta", "delta"}),
        (AttributeBetween("cable.length", "1.3", None), {"beta"}),
        (AttributeBetween("released", "2024-12-31", "2025-12-31"), {"alpha"}),
        (AttributeBetween("rating"), {"alpha", "beta", "gamma", "delta", "zeta"}),
        (AttributeEmpty("colour"), {"theta"}),
        (AttributeEmpty("weight", empty=False), {"alpha", "beta", "gamma", "delta"}),
        (OfType(("audio",)), {"alpha", "beta"}),
        (OfBrand(("acme",)), {"alpha", "gamma"}),
        (OfBrand(("north-wind",)), {"beta"}),
        (Available(), {"alpha", "gamma"}),
        (Available(available=False), set(NAMED) - {"alpha", "gamma"}),
        (PriceBetween(Decimal(40), Decimal(80)), {"alpha", "zeta", "eta"}),
        (PriceBetween(None, Decimal("19.90")), {"beta", "gamma"}),
        (PriceBetween(Decimal(100)), {"epsilon"}),
        (PriceBetween(Decimal(45), Decimal(79), with_low=False, with_high=False), {"eta"}),
        (AttributeBetween("cost", 20, 100), {"alpha", "beta"}),
        (AttributeBetween("cost", 20, 100, currency="EUR"), {"alpha"}),
        (Created(datetime(2020, 1, 1, tzinfo=UTC)), set(NAMED)),
        (Created(None, datetime(2020, 1, 1, tzinfo=UTC)), set()),
        (AllOf((AttributeIn("colour", ("red",)), AttributeBetween("rating", 4))), {"delta"}),
        (AnyOf((AttributeIn("colour", ("blue",)), OfType(("audio",)))), {"alpha", "beta", "epsilon", "zeta"}),
        (NoneOf((AttributeIn("colour", ("red", "blue", "black")),)), {"theta"}),
        (NoneOf((AttributeEmpty("rating"), OfType(("audio",)))), {"gamma", "delta", "zeta"}),
        (AllOf(()), set(NAMED)),
        (AnyOf(()), set()),
    ],
)
def test_a_condition_takes(hub: Asked, condition: Condition, slugs: set[str]) -> None:
    assert taken(hub, condition) == slugs


def test_a_category_takes_what_is_below_it(hub: Asked) -> None:
    assert taken(hub, Category((hub.categories["sound"],))) == {"alpha", "beta", "gamma"}
    assert taken(hub, Category((hub.categories["phones"],))) == {"alpha", "beta"}
    assert taken(hub, Category((hub.categories["phones"], hub.categories["home"]))) == {
        "alpha",
        "beta",
        "delta",
        "theta",
    }


def test_a_value_per_locale_is_asked_in_the_reader_s(hub: Asked) -> None:
    leather = AttributeIn("material", ("Leder",))
    assert taken(hub, leather, locale="de") == {"gamma"}
    assert taken(hub, leather, locale="en") == set()


def test_a_reference_is_asked_for_by_the_id_that_everyone_knows(hub: Asked) -> None:
    product, asset = (ids.encode(noun, hub.ids["alpha"]) for noun in ("product", "asset"))
    assert hub.slugs(filter=AttributeIn("spare_of", (product,))) == ["twin-22"]
    assert hub.slugs(filter=AttributeIn("spare_of", (asset,))) == []


def test_only_some_products(hub: Asked) -> None:
    ids = (hub.ids["delta"], hub.ids["alpha"], hub.ids["iota"], 10**9)
    assert taken(hub, Products(ids)) == {"alpha", "delta"}
    assert taken(hub, Products(())) == set()
    assert hub.slugs("headphones", within=[hub.ids["gamma"]]) == ["gamma"]


def test_conditions_go_with_words(hub: Asked) -> None:
    assert hub.slugs("headphones", filter=AttributeIn("colour", ("black",))) == ["alpha", "gamma"]


def test_each_channel_shows_what_is_listed_there_now(hub: Asked) -> None:
    assert hub.slugs("headphones", channel="us") == ["alpha"]
    assert hub.slugs("kettle") == ["delta"]
    later = datetime(2040, 6, 1, tzinfo=UTC)
    assert set(hub.slugs("kettle", moment=later)) == {"delta", "kappa"}
    at_the_start = datetime(2040, 1, 1, tzinfo=UTC)
    assert "kappa" in hub.slugs("kettle", moment=at_the_start)
    assert "kappa" not in hub.slugs("kettle", moment=at_the_start - timedelta(milliseconds=1))


def test_a_channel_s_price_is_its_own(hub: Asked) -> None:
    assert taken(hub, PriceBetween(Decimal(85), Decimal(95)), channel="us") == {"alpha"}
    assert taken(hub, PriceBetween(Decimal(85), Decimal(95))) == set()


def test_staff_find_everything_and_ask_by_any_attribute(hub: Asked) -> None:
    assert set(hub.slugs("kettle", channel=None)) == {"delta", "iota", "kappa", "lambda"}
    assert taken(hub, AttributeIn("secret", ("whisper",)), channel=None) == {"iota"}
    assert "iota" not in taken(hub, AttributeEmpty("secret"), channel=None)
    assert taken(hub, AttributeEmpty("material", empty=False, locale="de"), channel=None) == {
        "gamma",
        "delta",
    }
    assert taken(hub, AttributeEmpty("material", empty=False, locale="ja"), channel=None) == set()
    us, web = ListedIn((hub.channels["us"],)), ListedIn((hub.channels["web"],))
    assert taken(hub, us, channel=None) == {"alpha"}
    assert taken(hub, NoneOf((web,)), channel=None) == {"iota", "kappa", "lambda"}
    recently = Changed(datetime.now(UTC) - timedelta(hours=1), ("test",))
    assert taken(hub, recently, channel=None) >= {"alpha", "iota"}
    assert taken(hub, Changed(datetime.now(UTC) + timedelta(hours=1)), channel=None) == set()
    assert taken(hub, Changed(actors=("nobody",)), channel=None) == set()
    assert taken(hub, Changed(until=datetime(2020, 1, 1, tzinfo=UTC)), channel=None) == set()
    assert taken(hub, Changed(until=datetime.now(UTC) + timedelta(hours=1)), channel=None) >= {"alpha"}


@pytest.mark.parametrize(
    ("condition", "kind", "said"),
    [
        (AttributeIn("nope", ("x",)), NotFound, 'Attribute "nope" does not exist'),
        (AttributeIn("secret", ("x",)), Invalid, 'Attribute "secret" is not filterable'),
        (AttributeBetween("colour", 1), Invalid, "its values have no order"),
        (AttributeIn("care", ("x",)), Invalid, "its values cannot be compared"),
        (AttributeIn("organic", ("maybe",)), Invalid, '"maybe" is neither true nor false'),
        (AttributeIn("rating", ("many",)), Invalid, '"many" is not a decimal number'),
        (AttributeIn("rating", (3,), unit="kg"), Invalid, "it has no unit"),
        (AttributeIn("weight", (3,), unit="cm"), Invalid, 'unit "cm" measures length, not mass'),
        (AttributeIn("released", ("soon",)), Invalid, '"soon" is no date'),
        (AttributeIn("rating", (3,), currency="EUR"), Invalid, "it has no currency"),
        (AttributeBetween("rating", float("nan")), Invalid, "is not a number that can be kept"),
        (PriceBetween(Decimal(9), Decimal(1)), Invalid, "give the lower bound first"),
        (ListedIn((1,)), Invalid, "for staff"),
        (AttributeEmpty("material", locale="de"), Invalid, "for staff"),
        (Changed(), Invalid, "for staff"),
        (AttributeIn("spare_of", ("alpha",)), Invalid, "is not an id of this hub"),
        (AttributeIn("colour", tuple(map(str, range(501)))), Limit, "501 values"),
        (AnyOf(tuple(Available() for _ in range(501))), Limit, "501 conditions"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(
    hub: Asked, condition: Condition, kind: type[HubError], said: str
) -> None:
    with pytest.raises(kind) as refusal:
        hub.slugs(filter=condition)
    assert said in refusal.value.message
    assert refusal.value.path[0] == "filter"


def test_prices_belong_to_a_channel(hub: Asked) -> None:
    with pytest.raises(Invalid, match="Prices belong to a channel"):
        hub.slugs(channel=None, filter=PriceBetween(Decimal(1)))
