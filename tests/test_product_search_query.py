"""``productSearch``: hits, filters, facets, orders and refusals, with exact answers on a catalogue known by heart."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub.db import Database, Json
from hub.errors import Code
from hub.viewer import Viewer
from schema.app import schema
from schema.execution import Asked, Execution, Operation
from schema.opening import Asked as OpeningAsked
from schema.opening import Opening, Stale, ground
from search.engine import UnavailableError
from search.rebuild import rebuild
from search.tantivy_index import TantivyIndex
from tests.capturing import drain
from tests.reading import PREVIEWING, STAFF, STOREFRONT, Asking, asking, scoped
from tests.search_contract import catalogue

IN_ENGLISH = 'channel: "web", locale: "en"'


@pytest.fixture(scope="module")
def ask(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    catalogue.fill(module_database)
    drain(module_database)
    index = TantivyIndex(tmp_path_factory.mktemp("search"))
    rebuild(module_database, index)
    with asking(module_database) as opened:
        opened.extras["search"] = index
        yield opened


def searched(
    ask: Asking,
    arguments: str,
    selection: str = "nodes { slug }",
    viewer: Viewer = STOREFRONT,
    **variables: Any,
) -> Json:
    declared = variables.pop("declared", "")
    answer = ask(f"query{declared} {{ productSearch({arguments}) {{ {selection} }} }}", viewer, **variables)
    found: Json = answer["productSearch"]
    return found


def slugs(ask: Asking, arguments: str, viewer: Viewer = STOREFRONT) -> list[str]:
    return [node["slug"] for node in searched(ask, arguments, viewer=viewer)["nodes"]]


EVERYTHING = """nodes { slug } edges { cursor node { slug } } total { count accuracy } step notice
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"""


def test_words_find_and_say_how(ask: Asking) -> None:
    found = searched(ask, f'{IN_ENGLISH}, query: "headphones", first: 2', EVERYTHING)
    assert [node["slug"] for node in found["nodes"]] == ["alpha", "gamma"]
    assert [edge["node"] for edge in found["edges"]] == found["nodes"]
    assert found["total"] == {"count": 3, "accuracy": "EXACT"}
    assert (found["step"], found["notice"]) == ("ALL_WORDS", None)
    cursors = [edge["cursor"] for edge in found["edges"]]
    assert found["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": cursors[0],
        "endCursor": cursors[1],
    }


def test_every_field_of_a_product_can_be_read(ask: Asking) -> None:
    selection = """nodes { name type { code } variants { nodes { sku price { amount currency } } }
        categories { nodes { code } } attribute(code: "colour") { value } }"""
    found = searched(ask, f'{IN_ENGLISH}, query: "4006381333931"', selection)
    assert found["nodes"] == [
        {
            "name": "Wireless headphones",
            "type": {"code": "audio"},
            "variants": {"nodes": [{"sku": "SKU-alpha", "price": {"amount": "79.00", "currency": "EUR"}}]},
            "categories": {"nodes": [{"code": "phones"}]},
            "attribute": {"value": "black"},
        }
    ]


def test_a_page_of_hits_takes_few_statements_however_many_there_are(ask: Asking) -> None:
    selection = """nodes { slug name } edges { highlights { fragments } } total { count }
        facets { name values { value name count } path { value } }"""
    arguments = f'{IN_ENGLISH}, query: "lamp", filter: {{category: {{code: "home"}}}}'
    searched(ask, IN_ENGLISH, selection)  # what makers are called is read once
    counts = set()
    for first in (1, 24):
        searched(ask, f"{IN_ENGLISH}, first: {first}", selection)
        counts.add(ask.statements)
    # channel, rules, attributes that are facets, the level of categories, products; options, makers
    assert counts == {7}
    searched(ask, arguments, "nodes { slug }")
    # channel, rules, the category that the filter names, products
    assert ask.statements == 4


def test_a_typing_error_is_corrected_and_told(ask: Asking) -> None:
    selection = "nodes { slug } step didYouMean spellings { word closest }"
    found = searched(ask, f'{IN_ENGLISH}, query: "Wirelss, headphones!"', selection)
    assert found["nodes"][0] == {"slug": "alpha"}
    assert found["step"] == "RESPELLED"
    assert found["didYouMean"] == "wireless, headphones!"
    assert found["spellings"] == [{"word": "wirelss", "closest": ["wireless"]}]


def test_highlights_are_safe_to_show(ask: Asking) -> None:
    with ask.database.engine.begin() as tx:
        tx.exec_driver_sql(
            """UPDATE product SET description = '{"en": "<b>Steel</b> & kettle <script>"}' WHERE slug = 'delta'"""
        )
    found = searched(
        ask, f'{IN_ENGLISH}, query: "kettle steel"', "edges { node { slug } highlights { field fragments } }"
    )
    (edge,) = (each for each in found["edges"] if each["node"]["slug"] == "delta")
    assert edge["highlights"] == [
        {"field": "name", "fragments": ["<mark>Kettle</mark>"]},
        {"field": "description", "fragments": [" <mark>Steel</mark>  &amp; <mark>kettle</mark>  "]},
    ]


def test_the_variant_with_the_number_is_told(ask: Asking) -> None:
    selection = "edges { node { slug } matchingVariants { sku } }"
    for typed in ("pn 77 a", "SKU-ALPHA", "4006381-333931"):
        found = searched(ask, f'{IN_ENGLISH}, query: "{typed}", first: 1', selection)
        assert found["edges"] == [{"node": {"slug": "alpha"}, "matchingVariants": [{"sku": "SKU-alpha"}]}]
    found = searched(ask, f'{IN_ENGLISH}, query: "kettle", first: 1', selection)
    assert found["edges"][0]["matchingVariants"] == []


def test_staff_see_what_a_score_is_made_of(ask: Asking) -> None:
    selection = "edges { score explanation { name field word score } }"
    arguments = 'query: "kettle", locale: "en", first: 1'
    found = searched(ask, f"{arguments}, explain: true", selection, STAFF)
    shares = found["edges"][0]["explanation"]
    assert {"name": "all words", "field": None, "word": None, "score": 500.0} in shares
    (title,) = (each for each in shares if each["name"] == "title: kettle")
    assert (title["field"], title["word"]) == ("title", "kettle")
    assert found["edges"][0]["score"] > 500
    assert searched(ask, arguments, selection, STAFF)["edges"][0]["explanation"] is None
    refusal = ask.refused(f"{{ productSearch({IN_ENGLISH}, explain: true) {{ step }} }}", STOREFRONT)
    assert refusal.code is Code.FORBIDDEN


FILTERS = {
    'attribute: {code: "colour", eq: "red"}': {"beta", "delta", "eta"},
    'attribute: {code: "colour", in: ["red", "blue"]}': {"beta", "delta", "eta", "epsilon", "zeta"},
    'attribute: [{code: "colour", eq: "red"}, {code: "rating", gte: 4}]': {"delta"},
    'attribute: {code: "rating", gt: 3, lt: 5}': {"gamma", "delta"},
    'attribute: {code: "weight", lte: "0.18", unit: "kg"}': {"beta", "gamma"},
    'attribute: {code: "released", lt: "2025-01-01"}': {"beta"},
    'attribute: {code: "organic", eq: true}': {"delta"},
    'attribute: {code: "weight", isEmpty: false}, not: {category: {code: "sound"}}': {"delta"},
    'category: {code: "sound"}': {"alpha", "beta", "gamma"},
    'category: {code: ["phones", "home"]}': {"alpha", "beta", "delta", "theta"},
    'type: "audio"': {"alpha", "beta"},
    'brand: "North-Wind"': {"beta"},
    'price: {gte: "35", lte: "60"}, not: {attribute: {code: "colour", isEmpty: true}}': {
        "delta",
        "zeta",
        "eta",
    },
    'price: {gt: "35", lt: "60"}, not: {attribute: {code: "colour", isEmpty: true}}': {"zeta"},
    "available: true": {"alpha", "gamma"},
    'or: [{type: "audio"}, {and: [{attribute: {code: "colour", eq: "red"}}, {price: {lt: 50}}]}]': {
        "alpha",
        "beta",
        "delta",
    },
    'createdAt: {lt: "2020-01-01T00:00:00Z"}': set(),
    "or: []": set(),
    'price: {}, category: {code: "home"}': {"delta", "theta"},
    'price: {gte: null}, createdAt: {}, category: {code: "home"}': {"delta", "theta"},
}


@pytest.mark.parametrize("said", FILTERS)
def test_a_filter(ask: Asking, said: str) -> None:
    assert set(slugs(ask, f"{IN_ENGLISH}, first: 100, filter: {{{said}}}")) == FILTERS[said]


def test_staff_filter_by_what_is_missing_changed_and_listed(ask: Asking) -> None:
    def found(said: str) -> set[str]:
        every = slugs(ask, f'channel: "web", first: 100, filter: {{{said}}}', STAFF)
        return {slug for slug in every if not slug.startswith("twin")}

    assert found("not: {listed: true}") == {"iota", "kappa", "lambda"}
    assert found('listed: true, attribute: {code: "rating", lt: 4}') == {"beta"}
    assert found('attribute: {code: "secret", eq: "whisper"}') == {"iota"}
    assert found('missing: {attribute: "colour"}') == {"theta", "iota", "kappa", "lambda"}
    assert found('missing: {attribute: "material", locale: "de"}, attribute: {code: "rating", gte: 4}') == {
        "alpha",
        "zeta",
    }
    assert found('updatedAt: {gte: "2020-01-01T00:00:00Z"}, changedBy: "nobody"') == set()
    everyone = 'updatedAt: {gte: "2020-01-01T00:00:00Z"}, attribute: {code: "rating", eq: 1}'
    assert found(everyone) == {"iota"}
    ids = f'["{ask.id("product", "slug", "iota")}", "{ask.id("product", "slug", "alpha")}"]'
    assert found(f"id: {ids}") == {"iota", "alpha"}


def test_staff_see_prices_of_what_is_listed(ask: Asking) -> None:
    arguments = 'channel: "web", locale: "en", filter: {listed: true}, sort: {field: PRICE, direction: DESC}'
    assert slugs(ask, arguments + ", first: 2", STAFF) == ["epsilon", "alpha"]
    refusal = ask.refused('{ productSearch(channel: "web", sort: {field: PRICE}) { step } }', STAFF)
    assert "take only what is listed" in refusal.message


def facet(ask: Asking, wish: str, more: str = "", viewer: Viewer = STOREFRONT) -> Json:
    selection = """facets { by attribute name unit others min max path { value name }
        values { value name count selected hasChildren } ranges { from to count selected } }"""
    found = searched(ask, f"{IN_ENGLISH}, first: 0, facets: [{wish}]{more}", selection, viewer)
    (only,) = found["facets"]
    return {name: value for name, value in only.items() if value not in (None, [], 0)}


def value(value: str, name: str | None, count: int, *, selected: bool = False, deeper: bool = False) -> Json:
    return {"value": value, "name": name, "count": count, "selected": selected, "hasChildren": deeper}


def test_a_chosen_value_does_not_hide_its_siblings(ask: Asking) -> None:
    chosen = ', filter: {attribute: {code: "colour", eq: "black"}, price: {lt: "50"}}'
    assert facet(ask, '{attribute: "colour", first: 2}', chosen) == {
        "by": "ATTRIBUTE",
        "attribute": "colour",
        "values": [value("red", "Red", 2), value("black", "Black", 1, selected=True)],
        "others": 1,
    }


def test_options_have_the_names_of_the_reader_s_locale(ask: Asking) -> None:
    found = searched(
        ask,
        'channel: "web", locale: "de", first: 0, facets: {attribute: "colour", first: 1}',
        "facets { values { value name } }",
    )
    assert found["facets"] == [{"values": [{"value": "red", "name": "Rot"}]}]


def test_categories_are_counted_level_by_level(ask: Asking) -> None:
    top = [value("sound", "Sound", 3, deeper=True), value("home", "Home", 2)]
    assert facet(ask, "{by: CATEGORY}") == {"by": "CATEGORY", "values": top}
    below = {
        "by": "CATEGORY",
        "values": [value("phones", "Wearables", 2)],
        "path": [{"value": "sound", "name": "Sound"}],
    }
    assert facet(ask, '{by: CATEGORY, parent: "sound"}') == below
    assert facet(ask, "{by: CATEGORY}", ', filter: {category: {code: "sound"}}') == below
    beside = {**below, "values": [value("phones", "Wearables", 2, selected=True)]}
    assert facet(ask, "{by: CATEGORY}", ', filter: {category: {code: "phones"}}') == beside
    assert facet(ask, '{by: CATEGORY, parent: "phones"}') == {
        "by": "CATEGORY",
        "path": [{"value": "sound", "name": "Sound"}, {"value": "phones", "name": "Wearables"}],
    }


@pytest.mark.parametrize(
    ("wish", "values"),
    [
        ("{by: TYPE}", [value("thing", "Thing", 29), value("audio", "Audio", 2)]),
        ("{by: BRAND}", [value("acme", "Acme", 2), value("northwind", "North Wind", 1)]),
        ("{by: AVAILABLE}", [value("false", None, 29), value("true", None, 2)]),
        ('{attribute: "organic"}', [value("false", None, 2), value("true", None, 1)]),
        ('{attribute: "material"}', [value("leather", "leather", 1), value("steel", "steel", 1)]),
    ],
)
def test_values_are_told_with_their_names(ask: Asking, wish: str, values: list[Json]) -> None:
    assert facet(ask, wish)["values"] == values


def test_prices_numbers_and_dates_have_ranges_and_ends(ask: Asking) -> None:
    assert facet(ask, "{by: PRICE}") == {"by": "PRICE", "unit": "EUR", "min": 1, "max": 120}
    chosen = ", filter: {price: {gte: 20, lt: 60}}"
    counted = facet(ask, "{by: PRICE, ranges: [{to: 20}, {from: 20, to: 60}, {from: 60}]}", chosen)
    assert counted["ranges"] == [
        {"from": None, "to": 20, "count": 21, "selected": False},
        {"from": 20, "to": 60, "count": 6, "selected": True},
        {"from": 60, "to": None, "count": 3, "selected": False},
    ]
    weight = facet(ask, '{attribute: "weight", buckets: 3}')
    assert (weight["unit"], weight["min"], weight["max"]) == ("g", 90, 1200)
    assert [(each["from"], each["to"], each["count"]) for each in weight["ranges"]] == [
        (0, 500, 3),
        (1000, 1500, 1),
    ]
    kilograms = facet(ask, '{attribute: "weight", unit: "kg", interval: 0.5}')
    assert [(each["from"], each["to"], each["count"]) for each in kilograms["ranges"]] == [
        (0, 0.5, 3),
        (1, 1.5, 1),
    ]
    released = facet(ask, '{attribute: "released", ranges: [{from: "2025-01-01", to: "2026-01-01"}]}')
    assert released["ranges"] == [{"from": "2025-01-01", "to": "2026-01-01", "count": 1, "selected": False}]
    ends = facet(ask, '{attribute: "released"}')
    assert (ends["min"], ends["max"]) == ("2024-01-15", "2026-01-01")


def test_buckets_of_fractions_are_exact(ask: Asking) -> None:
    """1.2 is no multiple of 0.2 as a binary fraction, and stands in the bucket that begins there all the same."""
    found = facet(ask, '{attribute: "cable.length", interval: 0.2}')
    assert [(each["from"], each["to"], each["count"]) for each in found["ranges"]] == [
        (1.2, 1.4, 1),
        (2.4, 2.6, 1),
    ]
    prices = facet(ask, "{by: PRICE, interval: 0.7}")["ranges"]
    assert (35, 35.7) in [(each["from"], each["to"]) for each in prices]


def test_staff_count_texts_of_their_locale_alone(ask: Asking) -> None:
    def values(locale: str) -> dict[str, int]:
        found = searched(
            ask,
            f'channel: "web", locale: "{locale}", first: 0, facets: {{attribute: "material"}}',
            "facets { values { value count } }",
            STAFF,
        )
        return {each["value"]: each["count"] for each in found["facets"][0]["values"]}

    assert values("de") == {"Leder": 1, "Stahl": 1}
    # What has no text in the locale shows the one that is read there instead.
    assert values("ja") == values("en") == {"leather": 1, "steel": 1}


def test_without_a_wish_the_facets_that_tell_something_are_counted(ask: Asking) -> None:
    found = searched(ask, f'{IN_ENGLISH}, query: "headphones"', "facets { by attribute }")
    named = [each["attribute"] or each["by"] for each in found["facets"]]
    assert named == [
        "CATEGORY",
        "BRAND",
        "AVAILABLE",
        "PRICE",
        "colour",
        "material",
        "organic",
        "rating",
        "size",
    ]
    assert searched(ask, f"{IN_ENGLISH}, facets: []", "facets { by }")["facets"] == []


def test_of_many_facets_those_that_the_hits_have_are_counted(
    ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schema.product_search_field.MOST_DEFAULTS", 3)
    found = searched(ask, f'{IN_ENGLISH}, query: "headphones"', "facets { by attribute }")
    named = [each["attribute"] or each["by"] for each in found["facets"]]
    assert named == ["CATEGORY", "BRAND", "AVAILABLE", "PRICE", "colour", "rating"]


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("{field: PRICE}", ["twin-00", "twin-01"]),
        ("{field: PRICE, direction: DESC}", ["epsilon", "alpha"]),
        ("{field: NAME}", ["gamma", "eta"]),
        ("{field: NEWEST, direction: ASC}", ["alpha", "beta"]),
        ('{field: ATTRIBUTE, attribute: "weight"}', ["gamma", "beta"]),
        ('{field: ATTRIBUTE, attribute: "weight", direction: DESC}', ["delta", "alpha"]),
        ("{field: RELEVANCE}", ["alpha", "beta"]),
    ],
)
def test_an_order(ask: Asking, sort: str, first: list[str]) -> None:
    assert slugs(ask, f"{IN_ENGLISH}, sort: {sort}, first: 2") == first


def test_another_order_shows_only_what_has_all_words(ask: Asking) -> None:
    by_price = "sort: {field: PRICE}"
    assert slugs(ask, f'{IN_ENGLISH}, query: "wireless headphones", {by_price}') == ["alpha"]
    assert slugs(ask, f'{IN_ENGLISH}, query: "kettle shoe", {by_price}') == ["delta", "zeta", "epsilon"]


@pytest.mark.parametrize("sort", ["", ", sort: {field: PRICE}", ", sort: {field: NAME, direction: DESC}"])
def test_pages_follow_each_other(ask: Asking, sort: str) -> None:
    whole = slugs(ask, f'{IN_ENGLISH}, query: "box", first: 100{sort}')
    seen, after = list[str](), "null"
    while after:
        page = searched(ask, f'{IN_ENGLISH}, query: "box", first: 7, after: {after}{sort}', EVERYTHING)
        assert page["pageInfo"]["hasPreviousPage"] is (after != "null")
        assert page["step"] == "ALL_WORDS"
        seen += [node["slug"] for node in page["nodes"]]
        after = f'"{page["pageInfo"]["endCursor"]}"' if page["pageInfo"]["hasNextPage"] else ""
    assert seen == whole
    assert len(whole) == 23


def test_what_the_index_still_names_is_not_shown(ask: Asking) -> None:
    assert slugs(ask, f'{IN_ENGLISH}, query: "lamp"') == ["theta"]
    with ask.database.engine.begin() as tx:
        theta = "(SELECT id FROM product WHERE slug = 'theta')"
        tx.exec_driver_sql(f"UPDATE listing SET ends_at = now() WHERE product_id = {theta}")
    assert slugs(ask, f'{IN_ENGLISH}, query: "lamp"') == []
    assert slugs(ask, f'{IN_ENGLISH}, query: "lamp"', STAFF) == ["theta"]


LONG = "kettle " * 1430
REFUSED = {
    f'query: "{LONG}"': (Code.LIMIT, "10010 characters"),
    'query: "' + " ".join(f"w{number}" for number in range(33)) + '"': (Code.LIMIT, "33 different words"),
    r'query: "kettle\u0000"': (Code.INVALID, "U+0000"),
    "first: 101": (Code.LIMIT, "at most 100"),
    "first: -1": (Code.INVALID, "first is -1"),
    'after: "nonsense"': (Code.INVALID, "is not a cursor of a search"),
    'after: ""': (Code.INVALID, "is not a cursor of a search"),
    'filter: {attribute: {code: "secret", eq: "x"}}': (Code.INVALID, "is not filterable"),
    'filter: {attribute: {code: "nope", eq: "x"}}': (Code.NOT_FOUND, 'Attribute "nope" does not exist'),
    'filter: {attribute: {code: "colour", gt: "x"}}': (Code.INVALID, "eq, ne, in, notIn and isEmpty"),
    'filter: {attribute: {code: "care", eq: "x"}}': (Code.INVALID, "the only operator is isEmpty"),
    'filter: {attribute: {code: "colour", contains: "x"}}': (Code.INVALID, "a search has the operators"),
    'filter: {attribute: {code: "colour", eq: null}}': (Code.INVALID, "use isEmpty"),
    'filter: {attribute: {code: "rating", gt: 1, gte: 2}}': (Code.INVALID, "give one of gte and gt"),
    'filter: {attribute: {code: "rating", eq: "much"}}': (Code.INVALID, "not a decimal number"),
    'filter: {attribute: {code: "weight", eq: 1, unit: "m"}}': (Code.INVALID, "measures length, not mass"),
    'filter: {attribute: {code: "released", gt: "soon"}}': (Code.INVALID, "is no date"),
    'filter: {category: {code: "nope"}}': (Code.NOT_FOUND, 'Category with the code "nope"'),
    "filter: {category: {}}": (Code.INVALID, "give one of id, code and slug"),
    'filter: {collection: {slug: "nope"}}': (Code.NOT_FOUND, 'Collection with the slug "nope"'),
    'filter: {id: "nope"}': (Code.INVALID, "is not an id"),
    "filter: {price: {gte: 5, lte: 3}}": (Code.INVALID, "give the lower bound first"),
    "filter: {price: {gte: 5, gt: 3}}": (Code.INVALID, "cannot go together"),
    "filter: {listed: false}": (Code.FORBIDDEN, "for staff"),
    'filter: {changedBy: "hub"}': (Code.FORBIDDEN, "for staff"),
    'filter: {updatedAt: {gte: "2020-01-01T00:00:00Z"}}': (Code.FORBIDDEN, "for staff"),
    'filter: {missing: {attribute: "colour", locale: "de"}}': (Code.FORBIDDEN, "for staff"),
    'filter: {attribute: {code: "colour", eq: "bleu"}}': (Code.NOT_FOUND, 'the closest is "blue"'),
    'filter: {attribute: {code: "colour", in: ["red", "Rot"]}}': (Code.NOT_FOUND, 'the closest is "red"'),
    'filter: {not: {attribute: {code: "size", notIn: ["xxl"]}}}': (Code.NOT_FOUND, 'there are "l", "m", "s"'),
    'filter: {attribute: {code: "colour", eq: 5}}': (Code.INVALID, "5 is a number"),
    'filter: {attribute: {code: "colour", ne: true}}': (Code.INVALID, "true is a boolean"),
    'filter: {type: "audi"}': (Code.NOT_FOUND, 'Product type "audi" does not exist: the closest is "audio"'),
    'filter: {category: {code: "soundd"}}': (Code.NOT_FOUND, 'the closest is "sound"'),
    'filter: {category: {id: "Y2F0ZWdvcnk6OTk5OTk5"}}': (Code.NOT_FOUND, "does not exist any more"),
    "filter: " + "{not: " * 11 + "{}" + "}" * 11: (Code.LIMIT, "levels deep"),
    "facets: {}": (Code.REQUIRED, "A facet by ATTRIBUTE names none"),
    'facets: {attribute: "nope"}': (Code.NOT_FOUND, 'Attribute "nope" does not exist'),
    'facets: {attribute: "secret"}': (Code.INVALID, "is not filterable"),
    'facets: {attribute: "care"}': (Code.INVALID, "cannot be counted by"),
    'facets: {by: PRICE, attribute: "colour"}': (Code.INVALID, "leave one of them out"),
    "facets: [{by: PRICE}, {by: PRICE}]": (Code.INVALID, "asked for twice"),
    "facets: {by: PRICE, buckets: 51}": (Code.LIMIT, "1 to 50 buckets"),
    "facets: [" + "{by: PRICE} " * 51 + "]": (Code.LIMIT, "51 facets are asked for"),
    "facets: [" + "{by: PRICE} " * 3 + "]": (Code.INVALID, "asked for 3 times"),
    "facets: {by: PRICE, ranges: [{}]}": (Code.INVALID, "give from, to or both"),
    "facets: {by: PRICE, interval: 1e-7}": (Code.LIMIT, "give an interval of 0.2 or more"),
    "facets: {by: PRICE, interval: 0}": (Code.INVALID, "give more than 0"),
    "facets: {by: PRICE, interval: 1, buckets: 2}": (Code.INVALID, "counts in one way"),
    "facets: {by: TYPE, buckets: 2}": (Code.INVALID, "has values, not numbers"),
    "facets: {by: TYPE, first: 1001}": (Code.LIMIT, "1 to 1000 values"),
    'facets: {attribute: "colour", ranges: {from: "a"}}': (Code.INVALID, "has values, not numbers"),
    'facets: {attribute: "rating", ranges: {from: "a"}}': (Code.INVALID, "not a decimal number"),
    'facets: {by: CATEGORY, parent: "nope"}': (Code.NOT_FOUND, 'Category with the code "nope"'),
    "sort: {field: CHANGED}": (Code.FORBIDDEN, "for staff"),
    "sort: {field: ATTRIBUTE}": (Code.REQUIRED, "names one in attribute"),
    'sort: {field: NAME, attribute: "colour"}': (Code.REQUIRED, "any other names none"),
    'sort: {field: ATTRIBUTE, attribute: "secret"}': (Code.INVALID, "is not filterable"),
    'sort: {field: ATTRIBUTE, attribute: "care"}': (Code.INVALID, "gives no order"),
    "sort: {field: RELEVANCE, direction: ASC}": (Code.INVALID, "leave out direction"),
}


@pytest.mark.parametrize("said", REFUSED, ids=lambda said: said[:60])
def test_what_cannot_be_asked_is_refused_with_a_sentence(ask: Asking, said: str) -> None:
    code, words = REFUSED[said]
    refusal = ask.refused(f"{{ productSearch({IN_ENGLISH}, {said}) {{ step facets {{ by }} }} }}", STOREFRONT)
    assert (refusal.code, words in refusal.message) == (code, True), refusal.message
    assert refusal.message.endswith(".")


@pytest.mark.parametrize(
    ("text", "step", "some"),
    [
        ("the", "NOTHING", False),
        ("with for", "SOME_WORDS", True),
        ("...!?", "NOTHING", False),
        ("🦄🦄", "NOTHING", False),
        ('kettle "steel', "ALL_WORDS", True),
        ("*" * 500, "NOTHING", False),
        ("kettle* OR ?shoe^9 AND (", "SOME_WORDS", True),
        ("\u0007\u001b kettle \u202e", "ALL_WORDS", True),
        ("x" * 1000, "NOTHING", False),
        ("   ", "ALL_WORDS", True),
    ],
)
def test_odd_texts_are_answered(ask: Asking, text: str, step: str, some: bool) -> None:
    found = searched(ask, "query: $text, " + IN_ENGLISH, EVERYTHING, declared="($text: String)", text=text)
    assert (found["step"], bool(found["nodes"])) == (step, some)
    if text in ("...!?", "🦄🦄"):
        assert "nothing to search for" in found["notice"]


def test_a_cursor_is_of_its_own_search(ask: Asking) -> None:
    cursor = searched(ask, f'{IN_ENGLISH}, query: "box", first: 1', EVERYTHING)["pageInfo"]["endCursor"]
    for other in (
        'query: "kettle"',
        'query: "box", sort: {field: NAME}',
        'query: "box", filter: {type: "thing"}',
    ):
        refusal = ask.refused(
            f'{{ productSearch({IN_ENGLISH}, after: "{cursor}", {other}) {{ step }} }}', STOREFRONT
        )
        assert (refusal.code, "belongs to another search" in refusal.message) == (Code.INVALID, True)


def test_nobody_pages_past_the_limit(ask: Asking) -> None:
    cursor = searched(ask, f'{IN_ENGLISH}, query: "box", first: 1', EVERYTHING)["pageInfo"]["endCursor"]
    said = orjson.loads(base64.urlsafe_b64decode(cursor + "=="[: -len(cursor) % 4]))
    said[1] = 9_950
    far = base64.urlsafe_b64encode(orjson.dumps(said)).decode().rstrip("=")
    query = f'{{ productSearch({IN_ENGLISH}, query: "box", after: "{far}", first: 51) {{ step }} }}'
    refusal = ask.refused(query, STOREFRONT)
    assert (refusal.code, "first 10000 hits" in refusal.message) == (Code.LIMIT, True)


def test_rights_are_those_of_the_token(ask: Asking) -> None:
    query = f"{{ productSearch({IN_ENGLISH}) {{ step }} }}"
    assert ask.refused(query, scoped(STAFF, "orders:read")).code is Code.FORBIDDEN
    other = replace(STOREFRONT, channel_ids=frozenset({ask.number("channel", "code", "us")}))
    assert ask.refused(query, other).code is Code.FORBIDDEN
    later = f'{IN_ENGLISH}, asOf: "2041-01-01T00:00:00Z", query: "tomorrow"'
    assert ask.refused(f"{{ productSearch({later}) {{ step }} }}", STOREFRONT).code is Code.FORBIDDEN
    assert slugs(ask, later, PREVIEWING) == ["kappa"]


def test_without_an_index_only_the_search_is_refused(ask: Asking, tmp_path: Path) -> None:
    working, ask.extras["search"] = ask.extras["search"], TantivyIndex(tmp_path)
    answer = ask.answer(f'{{ productSearch({IN_ENGLISH}) {{ step }} product(slug: "alpha") {{ slug }} }}')
    ask.extras["search"] = working
    assert answer.data == {"productSearch": None, "product": {"slug": "alpha"}}
    (error,) = answer.errors
    assert error.extensions["code"] == "SEARCH_UNAVAILABLE"


PAGE = """query($after: String, $query: String, $filter: ProductSearchFilter, $sort: ProductSearchSort) {
    one: productSearch(%s, query: $query, first: 3, after: $after, filter: $filter, sort: $sort, facets: [
        {attribute: "colour"}, {by: BRAND}, {by: CATEGORY}, {by: PRICE, buckets: 4}, {attribute: "rating"}]) {
    nodes { __typename id name slug attribute(code: "colour") { value } variants { nodes { sku price { amount } } } }
    edges { cursor score node { slug } highlights { field fragments } }
    total { count accuracy } step notice didYouMean spellings { word closest } redirect { url } appliedRules { kind }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    facets { by attribute name unit others min max path { value name }
        values { value name count selected hasChildren } ranges { from to count selected } } }
    usual: productSearch(%s, query: $query, first: 2) { facets { by name values { value } } nodes { slug } } }"""


@pytest.mark.parametrize(
    "variables",
    [
        {"query": "headphones"},
        {"query": "wirelss headphone"},
        {"query": "kettle of nothing", "filter": {"available": False}},
        {"sort": {"field": "PRICE"}, "filter": {"price": {"lt": 50}}},
        {"query": "nothing of the kind"},
        {"query": "...!?"},
    ],
)
@pytest.mark.parametrize("viewer", [STOREFRONT, PREVIEWING], ids=["storefront", "previewing"])
def test_both_executors_answer_alike(ask: Asking, viewer: Viewer, variables: Json) -> None:
    question = PAGE % (IN_ENGLISH, IN_ENGLISH)
    compiled, ordinary = (
        Execution(schema(), ask.database, dict(ask.extras), compiled=each) for each in (True, False)
    )
    after = None
    for _ in range(2):
        asked = Asked(question, variables | {"after": after})
        first, second = (ask.runner.run(each.run(asked, viewer)) for each in (compiled, ordinary))
        assert (first.executor, first.bailed, first.errors) == ("compiled", None, [])
        assert first.text == second.text
        assert first.actual == second.actual
        after = first.data["one"]["pageInfo"]["endCursor"]


class Counted:
    """An index that counts how often it is asked. ``down``: whether it answers."""

    def __init__(self, index: Any, *, down: bool = False) -> None:
        self._index = index
        self._down = down
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def reading(self) -> Any:
        self.asked += 1
        if self._down:
            raise UnavailableError("It is away.")
        return self._index.reading()


def test_the_engine_is_asked_once_also_where_it_does_not_answer(ask: Asking) -> None:
    """What goes wrong is told by the ordinary executor, which goes on with what the compiled one was told."""
    question = f"{{ productSearch({IN_ENGLISH}) {{ nodes {{ slug }} total {{ count }} }} }}"
    closed = f'{{ productSearch({IN_ENGLISH}, filter: {{changedBy: "hub"}}) {{ nodes {{ slug }} }} }}'
    broken = f"{{ productSearch({IN_ENGLISH}) {{ nodes {{ slug }} }} products({IN_ENGLISH}, first: -1) {{ totalCount }} }}"
    for index, text, code, times in (
        (Counted(ask.extras["search"], down=True), question, "SEARCH_UNAVAILABLE", 1),
        (Counted(ask.extras["search"]), question, None, 1),
        (Counted(ask.extras["search"]), closed, "FORBIDDEN", 0),
        (Counted(ask.extras["search"]), broken, "INVALID", 1),
    ):
        execution = Execution(schema(), ask.database, dict(ask.extras) | {"search": index})
        answered = ask.runner.run(execution.run(Asked(text), STOREFRONT))
        assert [error["extensions"]["code"] for error in answered.errors] == ([code] if code else [])
        assert index.asked == times
        assert answered.executor == ("compiled" if code is None else "ordinary")
        assert not answered.needless


def test_an_answer_for_somebody_taken_for_granted_asks_no_engine(ask: Asking) -> None:
    """A token that was revoked since must not be searched for, even though its answer would never leave."""
    index = Counted(ask.extras["search"])
    execution = Execution(schema(), ask.database, dict(ask.extras) | {"search": index})
    asked = Asked(f"{{ productSearch({IN_ENGLISH}) {{ nodes {{ slug }} }} }}")
    operation = execution.read(asked)
    assert isinstance(operation, Operation)
    taken = Opening(OpeningAsked(b""), "", STOREFRONT, ask.runner.run(ground(ask.database)))
    with pytest.raises(Stale):
        ask.runner.run(execution.quick(asked, operation, taken))
    assert index.asked == 0


def test_a_search_costs_its_page(ask: Asking) -> None:
    execution = Execution(schema(), ask.database, dict(ask.extras))
    question = f'{{ productSearch({IN_ENGLISH}, query: "headphones", first: 2) {{ nodes {{ slug }} }} }}'
    operation = execution.read(Asked(question))
    answered = ask.runner.run(execution.run(Asked(question), STOREFRONT))
    assert answered.data == {"productSearch": {"nodes": [{"slug": "alpha"}, {"slug": "gamma"}]}}
    assert (answered.executor, answered.bailed, execution.figures.bailed) == ("compiled", None, Counter())
    assert isinstance(operation, Operation)
    assert (operation.requested, answered.actual) == (3, 3)


@pytest.mark.parametrize(
    ("facets", "objects"),
    [
        ('[{attribute: "colour", first: 3}, {by: TYPE}]', 2 + 3 + 20),
        ("{by: PRICE, ranges: [{to: 1}, {from: 1}]}", 1 + 2),
        ("{by: PRICE}", 1),
        ("{by: PRICE, interval: 10}", 1 + 1_001),
        ("$asked", 1 + 7),
        ("$usual", 1 + 5),
        ("null", 44 + 44 * 20),
        ("[]", 0),
    ],
)
def test_facets_cost_before_they_are_counted(ask: Asking, facets: str, objects: int) -> None:
    """Once for the page, however many hits there are: what is asked for at most is known before the engine is asked."""
    execution = Execution(schema(), ask.database, dict(ask.extras))
    declared = {
        "$asked": "($asked: [SearchFacetInput!])",
        "$usual": "($usual: [SearchFacetInput!] = [{by: TYPE, first: 5}])",
    }
    question = f"""query{declared.get(facets, "")} {{
        productSearch({IN_ENGLISH}, first: 24, facets: {facets}) {{ nodes {{ slug }} ...Counted }} }}
        fragment Counted on ProductSearchConnection {{
            facets {{ by values {{ value }} ... on SearchFacet {{ ranges {{ count }} }} }} }}"""
    operation = execution.read(Asked(question, {"asked": {"by": "TYPE", "first": 7}}))
    assert isinstance(operation, Operation), operation
    assert operation.requested == 1 + 24 + objects
    answered = ask.runner.run(
        execution.run(Asked(question, {"asked": {"by": "TYPE", "first": 7}}), STOREFRONT)
    )
    assert not answered.errors
    assert answered.actual <= operation.requested


def test_more_facets_than_a_question_may_cost_ask_no_engine(ask: Asking) -> None:
    execution = Execution(schema(), ask.database, dict(ask.extras))
    facets = ", ".join(f'{{attribute: "a{number}", first: 1000}}' for number in range(50))
    fields = " ".join(
        f"s{number}: productSearch({IN_ENGLISH}, facets: [{facets}]) {{ facets {{ values {{ value }} }} }}"
        for number in range(20)
    )
    operation = execution.read(Asked(f"{{ {fields} }}"))
    assert isinstance(operation, Operation), operation
    assert operation.requested > 1_000_000
