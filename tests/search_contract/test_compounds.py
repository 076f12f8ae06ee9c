"""What is wanted, and words that are made of words."""

from __future__ import annotations

from typing import Any

import pytest

from hub.db import Database
from search import suggest
from search.query import Step, having_all_words
from search.suggest import Seen
from tests.capturing import drain
from tests.search_contract import kitchen
from tests.search_contract.conftest import Asked


@pytest.fixture(scope="module")
def filled(module_database: Database) -> tuple[Database, dict[str, int]]:
    ids = kitchen.fill(module_database)
    drain(module_database)
    return module_database, ids


@pytest.mark.parametrize(
    ("text", "locale", "first"),
    [
        ("cups for espresso", "en", "small"),
        ("Tassen für Espresso", "de", "small"),
        ("Tasse für Espresso", "de", "small"),
        ("tasses pour espresso", "fr", "small"),
        ("tasse d'espresso", "fr", "small"),
        ("petite tasse à espresso", "fr", "small"),
        ("tazas para espresso", "es", "small"),
        ("cup for coffee", "en", "mug"),
    ],
)
def test_the_thing_that_is_wanted_stands_above_what_it_is_for(
    hub: Asked, text: str, locale: str, first: str
) -> None:
    slugs = hub.slugs(text, locale=locale)
    assert slugs[0] == first
    assert "beans" not in slugs[:2]


def test_what_only_speaks_of_the_thing_has_not_all_words(hub: Asked) -> None:
    found = hub.found("cups for espresso", explain=True)
    shares = dict(zip(hub.names(found), (hit.shares for hit in found.hits), strict=True))
    assert "all words" in shares["small"]
    assert "all words" not in shares["beans"]


def test_where_adjectives_follow_the_noun_it_is_still_the_head(hub: Asked) -> None:
    found = hub.found("tasse blanche", locale="fr", explain=True)
    assert hub.names(found)[0] == "plain"
    assert "head noun" in found.hits[0].shares


@pytest.mark.parametrize(
    ("text", "slugs"),
    [
        ("Tasse", ["plain", "mug", "small", "lungo", "beans"]),
        ("Tassen", ["plain", "mug", "small", "lungo", "beans"]),
        ("Stuhl", ["stool"]),
        ("Eis", ["ice"]),
        ("Schuh", ["boots", "pad"]),
    ],
)
def test_a_word_finds_the_compounds_that_end_in_it(hub: Asked, text: str, slugs: list[str]) -> None:
    found = hub.found(text, locale="de")
    assert sorted(hub.names(found)) == sorted(slugs)
    assert (hub.names(found)[0], found.step) == (slugs[0], Step.ALL_WORDS)


@pytest.mark.parametrize(
    ("text", "first"),
    [("Kaffee Tasse", "mug"), ("Küche Stuhl", "stool"), ("Stuhl für Küche", "stool")],
)
def test_two_words_find_the_compound_that_they_make(hub: Asked, text: str, first: str) -> None:
    found = hub.found(text, locale="de")
    assert (hub.names(found)[0], found.step) == (first, Step.ALL_WORDS)


@pytest.mark.parametrize(
    ("text", "locale", "first", "parts"),
    [
        ("Kaffeetasse", "de", "mug", ["kaffee", "tasse"]),
        ("Kaffeetassen", "de", "mug", ["kaffee", "tassen"]),
        ("Kinderküche", "de", "kitchen", ["kinder", "küche"]),
        ("coffeecup", "en", "mug", ["coffee", "cup"]),
    ],
)
def test_a_compound_that_nothing_has_is_taken_apart_and_that_is_said(
    hub: Asked, text: str, locale: str, first: str, parts: list[str]
) -> None:
    found = hub.found(text, locale=locale)
    assert (hub.names(found)[0], found.step) == (first, Step.TAKEN_APART)
    assert found.text is not None
    assert found.text.taken_apart == {text.lower(): parts}


def test_a_compound_that_something_has_finds_its_parts_below(hub: Asked) -> None:
    found = hub.found("Lederschuhe", locale="de")
    assert (hub.names(found), found.step) == (["pad", "boots"], Step.ALL_WORDS)


def test_of_a_compound_that_nothing_is_the_thing_itself_is_found(hub: Asked) -> None:
    found = hub.found("Kinderstuhl", locale="de")
    assert (hub.names(found)[0], found.step) == ("stool", Step.SOME_WORDS)


def test_pages_of_a_compound_go_on(hub: Asked) -> None:
    whole = hub.slugs("Kaffeetassen", locale="de")
    first = hub.found("Kaffeetassen", locale="de", first=1)
    rest = hub.found("Kaffeetassen", locale="de", after=first.hits[-1].cursor)
    assert [*hub.names(first), *hub.names(rest)] == whole


def test_a_noun_is_no_verb_that_readers_skip(hub: Asked) -> None:
    assert hub.slugs("Kanne", locale="de") == ["pot"]


@pytest.mark.parametrize(("typed", "slugs"), [("Leder", ["boots", "bulb"]), ("LED", ["bulb", "boots"])])
def test_a_form_that_was_typed_stands_above_one_of_the_same_stem(
    hub: Asked, typed: str, slugs: list[str]
) -> None:
    assert hub.slugs(typed, locale="de") == slugs


@pytest.mark.parametrize(("typed", "closest"), [("wumpelman", "wumpelmann"), ("celladon", "celadon")])
def test_makers_and_choices_are_spelled_right(hub: Asked, typed: str, closest: str) -> None:
    found = hub.found(typed)
    assert (hub.names(found), found.step) == (["small"], Step.RESPELLED)
    assert found.spellings == {typed: [closest]}


def test_staff_find_compounds_too(hub: Asked) -> None:
    assert hub.slugs("Kaffeetasse", channel=None, locale="de")[0] == "mug"


def test_how_many_have_all_words_is_told(hub: Asked) -> None:
    def counted(text: str, **more: Any) -> tuple[int, int]:
        found = hub.found(text, **more)
        return having_all_words(hub.index, hub.question(text, **more), found), found.total

    assert counted("house espresso") == (1, 2)
    assert counted("Tassen für Espresso", locale="de") == (1, 5)
    assert counted("Kaffeetassen", locale="de", order="price") == (1, 1)
    assert counted("espresso zebra") == (0, 2)
    assert counted("") == (len(kitchen.PRODUCTS), len(kitchen.PRODUCTS))
    assert counted("qqqqq") == (0, 0)


@pytest.mark.parametrize(
    ("typed", "slugs"),
    [
        ("ta", ["plain", "mug"]),
        ("l", ["pad", "lungo", "bulb", "boots"]),
        ("le", ["pad", "bulb", "boots"]),
        ("kü", ["stool", "kitchen"]),
        ("ta w", ["plain"]),
        ("sku-sm", ["small"]),
        ("sku-pl", ["plain"]),
        ("leder", ["pad", "boots"]),
        ("esp", ["small"]),
        ("espr", ["small"]),
        ("kaff", ["mug"]),
        ("selad", ["small"]),
    ],
)
def test_what_may_be_meant_is_found_by_its_beginning(hub: Asked, typed: str, slugs: list[str]) -> None:
    asked = suggest.typed(typed)
    assert asked is not None
    with hub.index.reading() as reader:
        found = suggest.products(reader, asked, Seen(hub.channels["web"], "de", "de"), 10)
    names = {number: slug for slug, number in hub.ids.items()}
    assert [names[number] for number in found] == slugs
