"""Facets: what hits are counted by, and how a chosen value leaves its siblings countable."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hub.errors import HubError, Invalid, Limit, NotFound
from search.condition import AllOf, AttributeBetween, AttributeIn, PriceBetween
from search.facet import FacetAsked, round_width
from tests.search_contract.conftest import Asked


def counted(hub: Asked, *facets: FacetAsked, text: str = "", **more: Any) -> dict[str, dict[str | None, int]]:
    found = hub.found(text, facets=facets, **more).facets
    return {name: {bucket.value: bucket.count for bucket in counts.buckets} for name, counts in found.items()}


COLOUR, BRAND = FacetAsked("attribute:colour"), FacetAsked("attribute:brand")


def test_values_are_counted_the_most_frequent_first(hub: Asked) -> None:
    found = hub.found(facets=(COLOUR,)).facets["attribute:colour"]
    assert [(bucket.value, bucket.count) for bucket in found.buckets] == [
        ("red", 3),
        ("black", 2),
        ("blue", 2),
    ]
    assert found.others == 0


def test_a_facet_shows_so_many_values_and_says_how_many_more_there_are(hub: Asked) -> None:
    found = hub.found(facets=(FacetAsked("attribute:colour", size=1),)).facets["attribute:colour"]
    assert ([bucket.value for bucket in found.buckets], found.others) == (["red"], 4)


def test_several_values_of_one_product_count_each(hub: Asked) -> None:
    assert counted(hub, FacetAsked("attribute:size")) == {"attribute:size": {"m": 2, "l": 1, "s": 1}}


def test_facets_count_what_the_words_find(hub: Asked) -> None:
    assert counted(hub, COLOUR, text="headphones") == {"attribute:colour": {"black": 2, "red": 1}}


def test_a_chosen_value_does_not_hide_its_siblings(hub: Asked) -> None:
    chosen = AttributeIn("colour", ("black",))
    found = hub.found(facets=(COLOUR, BRAND), filter=chosen)
    assert hub.names(found) == ["alpha", "gamma"]
    assert found.total == 2
    assert counted(hub, COLOUR, BRAND, filter=chosen) == {
        "attribute:colour": {"red": 3, "black": 2, "blue": 2},
        "attribute:brand": {"acme": 2},
    }


def test_all_that_is_chosen_of_a_facet_leaves_its_siblings_countable(hub: Asked) -> None:
    between = AllOf((PriceBetween(Decimal(20)), AllOf((PriceBetween(None, Decimal(60)),))))
    found = hub.found(facets=(FacetAsked("price"),), filter=between)
    assert (found.facets["price"].low, found.facets["price"].high) == (1, 120)
    sizes = AllOf((AttributeIn("size", ("m",)), AttributeIn("size", ("s",))))
    assert hub.slugs(filter=sizes) == ["alpha"]
    assert counted(hub, FacetAsked("attribute:size"), filter=sizes) == {
        "attribute:size": {"m": 2, "l": 1, "s": 1}
    }


def test_two_chosen_facets_narrow_each_other(hub: Asked) -> None:
    chosen = AllOf((AttributeIn("colour", ("red",)), AttributeIn("brand", ("northwind",))))
    assert counted(hub, COLOUR, BRAND, filter=chosen) == {
        "attribute:colour": {"red": 1},
        "attribute:brand": {"northwind": 1},
    }


def test_a_condition_that_no_facet_was_asked_for_narrows_all(hub: Asked) -> None:
    assert counted(hub, COLOUR, filter=AttributeBetween("rating", 4)) == {
        "attribute:colour": {"black": 2, "blue": 1, "red": 1}
    }


def test_categories_count_with_what_is_below(hub: Asked) -> None:
    ids = hub.categories
    assert counted(hub, FacetAsked("category")) == {
        "category": {str(ids["sound"]): 3, str(ids["phones"]): 2, str(ids["home"]): 2}
    }


def test_only_some_values_are_counted(hub: Asked) -> None:
    only = tuple(str(hub.categories[code]) for code in ("home", "phones"))
    counts = hub.found(facets=(FacetAsked("category", only=only),)).facets["category"]
    assert [(bucket.value, bucket.count) for bucket in counts.buckets] == sorted([(only[0], 2), (only[1], 2)])
    assert counts.others == 0
    assert counted(hub, FacetAsked("category", only=())) == {"category": {}}


def test_amounts_are_of_one_currency(hub: Asked) -> None:
    every, euros = FacetAsked("attribute:cost"), FacetAsked("attribute:cost", currency="EUR")
    ends = [hub.found(facets=(each,)).facets["attribute:cost"] for each in (every, euros)]
    assert [(each.low, each.high) for each in ends] == [(30, 90), (30, 30)]


def test_buckets_are_round_in_the_unit_that_is_told(hub: Asked) -> None:
    grams = FacetAsked("attribute:weight", buckets=3, scale=0.001)
    found = hub.found(facets=(grams,)).facets["attribute:weight"]
    assert [(bucket.low, bucket.count) for bucket in found.buckets] == [(0, 3), (1, 1)]


@pytest.mark.parametrize(
    ("subject", "values"),
    [
        ("type", {"thing": 29, "audio": 2}),
        ("brand", {"acme": 2, "northwind": 1}),
        ("available", {"0": 29, "1": 2}),
        ("attribute:organic", {"false": 2, "true": 1}),
        ("attribute:material", {"leather": 1, "steel": 1}),
        ("collection", {}),
    ],
)
def test_facts_and_attributes_of_each_kind_are_counted(
    hub: Asked, subject: str, values: dict[str, int]
) -> None:
    assert counted(hub, FacetAsked(subject)) == {subject: values}


def test_a_number_tells_its_ends(hub: Asked) -> None:
    asked = tuple(FacetAsked(name) for name in ("price", "attribute:weight", "attribute:cable.length"))
    found = hub.found(facets=asked).facets
    assert [(each.low, each.high) for each in found.values()] == [(1, 120), (0.09, 1.2), (1.2, 2.5)]


def test_ends_of_nothing_are_unknown(hub: Asked) -> None:
    asked = (FacetAsked("price"), FacetAsked("attribute:weight"))
    found = hub.found("theta", facets=asked, within=[hub.ids["theta"]]).facets
    assert [(each.low, each.high) for each in found.values()] == [(None, None), (None, None)]


def test_the_ends_of_a_price_do_not_move_when_one_is_chosen(hub: Asked) -> None:
    found = hub.found(facets=(FacetAsked("price"),), filter=PriceBetween(Decimal(40), Decimal(80)))
    assert (found.facets["price"].low, found.facets["price"].high) == (1, 120)
    assert set(hub.names(found)) == {"alpha", "zeta", "eta"}


RANGES = ((None, 20.0), (20.0, 60.0), (60.0, None))


@pytest.mark.parametrize(
    ("subject", "ranges", "counts"),
    [
        ("price", RANGES, [21, 6, 3]),
        ("attribute:rating", ((None, 4.0), (4.0, 5.0), (5.0, None)), [1, 2, 2]),
        ("attribute:weight", ((0.0, 0.18), (0.18, 0.25)), [1, 1]),
    ],
)
def test_ranges_begin_with_their_lower_bound(
    hub: Asked, subject: str, ranges: tuple[tuple[float | None, float | None], ...], counts: list[int]
) -> None:
    found = hub.found(facets=(FacetAsked(subject, ranges=ranges),)).facets[subject]
    assert [bucket.count for bucket in found.buckets] == counts
    assert tuple((bucket.low, bucket.high) for bucket in found.buckets) == ranges


@pytest.mark.parametrize(
    ("subject", "interval", "buckets"),
    [
        ("price", 50.0, [(0, 27), (50, 2), (100, 1)]),
        ("attribute:rating", 2.0, [(2, 1), (4, 4)]),
    ],
)
def test_a_histogram_has_buckets_of_one_width(
    hub: Asked, subject: str, interval: float, buckets: list[tuple[float, int]]
) -> None:
    found = hub.found(facets=(FacetAsked(subject, interval=interval),)).facets[subject]
    assert [(bucket.low, bucket.count) for bucket in found.buckets] == buckets
    assert all(bucket.high == (bucket.low or 0) + interval for bucket in found.buckets)


def test_a_histogram_finds_a_round_width_by_itself(hub: Asked) -> None:
    found = hub.found(facets=(FacetAsked("price", buckets=6),)).facets["price"]
    assert [(bucket.low, bucket.count) for bucket in found.buckets] == [
        (0, 21),
        (20, 5),
        (40, 1),
        (60, 2),
        (120, 1),
    ]
    assert (found.low, found.high) == (1, 120)


@pytest.mark.parametrize(
    ("spread", "buckets", "width"), [(119, 6, 20), (1, 10, 0.1), (0, 5, 1), (999, 10, 100)]
)
def test_round_widths(spread: float, buckets: int, width: float) -> None:
    assert round_width(spread, buckets) == pytest.approx(width)


@pytest.mark.parametrize(
    ("facet", "kind", "said"),
    [
        (FacetAsked("nope"), NotFound, 'Facet "nope" does not exist'),
        (FacetAsked("attribute:nope"), NotFound, 'Attribute "nope" does not exist'),
        (FacetAsked("attribute:secret"), Invalid, "is not filterable"),
        (FacetAsked("attribute:care"), Invalid, "cannot be counted by"),
        (FacetAsked("attribute:colour", interval=3), Invalid, "ask for no ranges"),
        (FacetAsked("attribute:colour", size=0), Limit, "1 to 1000 values"),
        (FacetAsked("price", ranges=((3.0, 1.0),)), Invalid, "give the lower bound first"),
        (FacetAsked("price", interval=0), Invalid, "give more than 0"),
        (FacetAsked("price", interval=float("inf")), Invalid, "give more than 0"),
        (FacetAsked("price", buckets=1000), Limit, "1 to 50 buckets"),
    ],
)
def test_what_cannot_be_counted_is_refused(
    hub: Asked, facet: FacetAsked, kind: type[HubError], said: str
) -> None:
    with pytest.raises(kind) as refusal:
        hub.found(facets=(facet,))
    assert said in refusal.value.message
    assert refusal.value.path == ("facets",)


def test_so_many_facets_are_too_many(hub: Asked) -> None:
    with pytest.raises(Limit, match="51 facets"):
        hub.found(facets=(COLOUR,) * 51)


def test_a_product_counts_with_the_first_of_its_keys(hub: Asked) -> None:
    def found(*keys: str) -> dict[str | None, int]:
        wish = FacetAsked("attribute:material", keys=tuple(f"material/-/{key}" for key in keys))
        return counted(hub, wish, channel=None)["attribute:material"]

    assert found("de", "en") == {"Leder": 1, "Stahl": 1}
    assert found("ja", "en") == {"leather": 1, "steel": 1}


def test_buckets_of_fractions_begin_where_decimals_do(hub: Asked) -> None:
    fifths = FacetAsked("attribute:cable.length", interval=0.2)
    found = hub.found(facets=(fifths,)).facets["attribute:cable.length"]
    assert [(each.low, each.high, each.count) for each in found.buckets] == [(1.2, 1.4, 1), (2.4, 2.6, 1)]
    prices = hub.found(facets=(FacetAsked("price", interval=0.7),)).facets["price"]
    assert {35.0, 78.4} <= {each.low for each in prices.buckets}


def test_a_histogram_has_an_end(hub: Asked) -> None:
    with pytest.raises(Limit, match=r"give an interval of 0\.2 or more"):
        hub.found(facets=(FacetAsked("price", interval=1e-7),))
