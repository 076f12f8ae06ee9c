from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import mapping, value
from hub.errors import Code, HubError, Invalid, NotFound
from hub.mapper import Mapper
from hub.transform import LONGEST_SLUG, chain, slugify

SMALL = b"""
name: small
system: erp
key: variants[].sku
channel: {code: web, currency: EUR}
ignore: [colour_code]
fields:
  - {from: number, to: "variants[].sku", required: true, transforms: [trim]}
  - {from: [title, number], to: slug, transforms: [{template: "{title} {number}"}, slugify]}
  - {from: title, to: name}
  - {from: kind, to: type, default: product, transforms: [slugify], make: true}
  - {from: codes, to: "variants[].identifiers[gtin]", refuse: value, transforms: [{split: ";"}]}
  - {from: cents, to: "variants[].prices[retail]", transforms: [{shift: -2}]}
defaults:
  choice: {make: true, facet: true}
attributes:
  - {from: weight, code: weight, type: measurement, unit: g, name: Weight}
  - {from: spec.height, code: height, type: decimal}
  - {from: colour, code: colour, type: choice}
  - {from: pieces, code: pieces, type: integer, refuse: value}
"""


def small(text: bytes = SMALL) -> mapping.Mapping:
    return mapping.parse(text, "small.yaml")


@pytest.mark.parametrize(
    ("spec", "before", "after"),
    [
        ("trim", "  a ", "a"),
        ("trim", "   ", None),
        ({"split": ","}, "a, b,,c", ["a", "b", "c"]),
        ({"replace": {"find": "-", "with": ""}}, "1-2-3", "123"),
        ({"regex": {"find": "^x+", "with": ""}}, "xxa", "a"),
        ({"case": "upper"}, ["a", "b"], ["A", "B"]),
        ({"number": {"decimal": ",", "group": "."}}, "1.234,50", "1234.5"),
        ({"number": {}}, 17.0, "17"),
        ({"shift": -2}, 4995, "49.95"),
        ({"shift": -2}, 5, "0.05"),
        ({"date": "%d.%m.%Y"}, "31.01.2026", "2026-01-31"),
        ({"datetime": "%Y-%m-%d %H:%M"}, "2026-01-31 12:30", "2026-01-31T12:30:00Z"),
        ({"datetime": "%Y-%m-%dT%H:%M:%S%z"}, "2026-01-31T12:30:00+0200", "2026-01-31T10:30:00Z"),
        ({"unit": "cm"}, 12.5, {"amount": "12.5", "unit": "cm"}),
        ({"unit": "written"}, "12,5 cm", {"amount": "12.5", "unit": "cm"}),
        ({"lookup": {"table": {"rot": "red"}}}, "rot", "red"),
        ({"lookup": {"table": {"true": "yes"}}}, True, "yes"),
        ({"lookup": {"table": {}, "otherwise": "keep"}}, "rot", "rot"),
        ({"lookup": {"table": {}, "otherwise": "drop"}}, "rot", None),
        ("slugify", "Über Größe 3½!", "uber-grosse-312"),
        ({"check": "[0-9]{4}"}, "0123", "0123"),
    ],
)
def test_a_transform_makes_of_a_value_what_its_name_says(spec: Any, before: Any, after: Any) -> None:
    assert chain([spec])(before, {}) == after


@pytest.mark.parametrize(
    ("spec", "wrong", "said"),
    [
        ({"number": {}}, "12 apples", '"12 apples" is not a number: write it like "12.50".'),
        ({"shift": -2}, True, '"True" is not a number'),
        ({"date": "%d.%m.%Y"}, "2026-01-31", '"2026-01-31" is not a date written as %d.%m.%Y.'),
        ({"unit": "written"}, "many", '"many" is not an amount with a unit'),
        ({"lookup": {"table": {"a": "b"}}}, "c", '"c" is not in the mapping\'s table'),
        ({"check": "[0-9]{4}"}, "123", '"123" does not match [0-9]{4}.'),
        ({"case": "upper"}, {"a": 1}, "is not a text"),
    ],
)
def test_a_transform_refuses_what_it_cannot_read(spec: Any, wrong: Any, said: str) -> None:
    with pytest.raises(Invalid, match=re.escape(said)):
        chain([spec])(wrong, {})


def test_a_template_needs_each_field_that_it_names() -> None:
    step = chain([{"template": "{a}-{b}"}])
    assert step("any", {"a": 1.0, "b": "x"}) == "1-x"
    with pytest.raises(Invalid, match='The record has no "b"'):
        step("any", {"a": 1})


@given(st.text(max_size=400))
def test_a_slug_is_short_and_one_that_the_hub_takes(text: str) -> None:
    slug = slugify(text)
    assert len(slug) <= LONGEST_SLUG
    if slug:
        assert value.CHECKS["slug"](slug) == slug


@given(st.text(min_size=150, max_size=400), st.integers(0, 10**9), st.integers(0, 10**9))
def test_long_texts_with_different_ids_keep_different_slugs(text: str, one: int, other: int) -> None:
    assert (slugify(f"{text} {one}") == slugify(f"{text} {other}")) == (one == other)


def test_a_record_becomes_an_input_of_the_write_engine() -> None:
    row = Mapper(small()).row(
        {
            "number": " 007 ",
            "title": "Cup",
            "codes": "4006381333931; 12345670000",
            "cents": 495,
            "weight": 0.25,
            "spec": {"height": 9.5},
            "colour": "Red",
            "colour_code": 3,
            "pieces": "6",
        }
        | {"kind": "Mug & Cup"}
    )
    assert row.key == "007"
    assert row.data == {
        "slug": "cup-007",
        "name": {"en": "Cup"},
        "type": {"key": "mug-cup"},
        "listings": [{"channel": {"key": "web"}}],
        "variants": [
            {
                "sku": "007",
                "identifiers": [{"type": "gtin", "value": "04006381333931"}],
                "prices": [{"price_list": {"key": "retail"}, "amount": "4.95"}],
            }
        ],
        "attributes": [
            {"code": "weight", "value": {"amount": "0.25", "unit": "g"}},
            {"code": "colour", "value": "Red"},
            {"code": "pieces", "value": 6},
            {"code": "height", "value": "9.5"},
        ],
    }
    assert row.needs == [("type", "mug-cup", "Mug & Cup"), ("option", "colour", "Red")]
    assert [(each.code, each.field, each.value, each.imported) for each in row.refusals] == [
        (Code.INVALID, "codes", "12345670000", True)
    ]
    assert row.is_good


def test_null_clears_and_a_missing_field_leaves_alone() -> None:
    mapper = Mapper(small())
    assert mapper.row({"number": "1", "title": None, "weight": None}).data["name"] == {"en": None}
    assert mapper.row({"number": "1", "weight": None}).data["attributes"] == [
        {"code": "weight", "value": None}
    ]
    untouched = mapper.row({"number": "1"}).data
    assert "name" not in untouched
    assert untouched["attributes"] == []


def test_a_field_that_the_mapping_does_not_name_refuses_the_record() -> None:
    row = Mapper(small()).row({"number": "1", "hight": 3})
    assert not row.is_good
    assert [(each.code, each.field, each.value) for each in row.refusals] == [(Code.NOT_FOUND, "hight", "3")]


def test_what_is_required_and_missing_is_named() -> None:
    row = Mapper(small()).row({"title": "Cup"})
    assert not row.is_good
    assert any(each.code is Code.REQUIRED and '"number"' in each.message for each in row.refusals)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ((b"cents, to:", b"cents, too:"), "fields/5"),
        ((b"type: decimal", b"type: float"), "attributes/1/type"),
        ((b"unit: g,", b"unit: stone,"), "attributes/0"),
        ((b"unit: g, ", b""), "attributes/0"),
        ((b"code: height", b"code: weight"), "attributes/1"),
        ((b"key: variants[].sku", b"key: slogan"), "key"),
        ((b"{shift: -2}", b"{shift: few}"), "fields/5/transforms/0"),
        ((b"currency: EUR", b"currency: euro"), "channel/currency"),
        ((b"system: erp\n", b""), "the top"),
    ],
)
def test_a_wrong_mapping_is_refused_with_the_place(change: tuple[bytes, bytes], place: str) -> None:
    text = SMALL.replace(*change)
    assert text != SMALL
    with pytest.raises(Invalid, match=place):
        small(text)


def test_what_is_no_yaml_is_refused() -> None:
    with pytest.raises(Invalid, match="is not YAML"):
        small(b"name: [")


def test_a_mapping_that_does_not_exist_is_refused_naming_those_that_do() -> None:
    with pytest.raises(NotFound, match=r'"icecap" does not exist: name a file, or one of cdnow, icecat'):
        mapping.load("icecap")


def test_the_command_may_name_another_channel_and_locale() -> None:
    other = small().listed_in("outlet", "de-AT")
    assert other.channel is not None
    assert (other.channel.code, other.channel.currency, other.locale, other.names) == (
        "outlet",
        "EUR",
        "de-AT",
        "en",
    )
    with pytest.raises(HubError, match="BCP 47"):
        small().listed_in(None, "klingon-x")


def test_the_shipped_mappings_keep_to_the_schema() -> None:
    assert mapping.shipped() == ["cdnow", "icecat"]
    for name in mapping.shipped():
        assert mapping.load(name).name == name
