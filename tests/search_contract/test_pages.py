"""Orders and pages: each hit once, whatever happens to the index between two pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hub.errors import Invalid, Limit
from search.query import Step
from search.rebuild import rebuild
from tests.search_contract.conftest import Asked

TWINS = [f"twin-{number:02}" for number in range(23)]


def pages(hub: Asked, first: int, between: Callable[[], Any] = lambda: None, **asked: Any) -> list[str]:
    found, after = list[str](), None
    while True:
        page = hub.found(first=first, after=after, **asked)
        found += hub.names(page)
        if not page.has_next:
            assert page.total == len(found)
            return found
        after = page.hits[-1].cursor
        between()


@pytest.mark.parametrize("first", [1, 7, 23, 100])
def test_pages_hold_each_equal_hit_once(hub: Asked, first: int) -> None:
    assert pages(hub, first, text="twin box") == TWINS


@pytest.mark.parametrize("first", [1, 3, 7])
def test_ties_of_any_number_are_in_order(hub: Asked, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more equal hits than are looked at together, those with the lowest ids are still the first."""
    monkeypatch.setattr("search.tantivy_ask.LEAST_TIED", 0)
    assert pages(hub, first, text="twin box") == TWINS
    assert pages(hub, first) == hub.slugs()


@pytest.mark.parametrize("order", ["name", "price", "newest", "attribute:weight", "attribute:colour"])
def test_pages_in_another_order_hold_each_hit_once(hub: Asked, order: str) -> None:
    whole = hub.slugs(order=order)
    assert len(whole) == len(set(whole)) == 31
    assert pages(hub, 4, order=order) == whole


def test_pages_stay_while_the_index_is_built_anew(hub: Asked) -> None:
    assert pages(hub, 5, lambda: rebuild(hub.database, hub.index), text="twin") == TWINS


@pytest.mark.parametrize(
    ("order", "descending", "slugs"),
    [
        ("price", False, ["twin-00", "twin-01", "twin-02"]),
        ("price", True, ["epsilon", "alpha", "eta"]),
        ("name", False, ["gamma", "eta", "beta", "delta"]),
        ("name", True, ["alpha", "twin-00"]),
        ("attribute:weight", False, ["gamma", "beta", "alpha", "delta", "epsilon"]),
        ("attribute:weight", True, ["delta", "alpha", "beta", "gamma", "epsilon"]),
        ("attribute:rating", False, ["beta", "gamma", "delta", "alpha", "zeta", "epsilon"]),
        ("attribute:cable.length", True, ["beta", "alpha", "gamma"]),
        ("attribute:released", False, ["beta", "alpha", "delta", "gamma"]),
        ("attribute:colour", False, ["alpha", "gamma", "epsilon", "zeta", "beta", "delta", "eta", "theta"]),
        ("attribute:material", False, ["gamma", "delta", "alpha"]),
    ],
)
def test_an_order(hub: Asked, order: str, descending: bool, slugs: list[str]) -> None:
    assert hub.slugs(order=order, descending=descending)[: len(slugs)] == slugs


def test_what_has_no_value_comes_last_either_way(hub: Asked) -> None:
    assert [hub.slugs(order="price", descending=each)[-1] for each in (False, True)] == ["theta", "theta"]


def test_names_are_ordered_by_the_reader_s_locale(hub: Asked) -> None:
    assert hub.slugs(order="name", locale="de")[:2] == ["eta", "alpha"]


def test_staff_see_the_latest_change_first(hub: Asked) -> None:
    assert len(hub.slugs(order="changed", descending=True, channel=None)) == 34


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("nope", '"nope" is no order'),
        ("attribute:secret", "is not filterable"),
        ("", "is no order"),
        ("attribute:care", "gives no order"),
        ("changed", "is for staff"),
    ],
)
def test_what_is_no_order_is_refused(hub: Asked, order: str, said: str) -> None:
    with pytest.raises(Invalid, match=said) as refusal:
        hub.slugs(order=order)
    assert refusal.value.path == ("sort",)


def test_a_cursor_belongs_to_its_question(hub: Asked) -> None:
    cursor = hub.found("twin", first=1).hits[0].cursor
    for other in ({"text": "kettle"}, {"text": "twin", "order": "price"}, {"text": "twin", "locale": "de"}):
        with pytest.raises(Invalid, match="another search"):
            hub.found(after=cursor, **other)  # type: ignore[arg-type]
    for wrong in ("nonsense", "", "WzFd", "bnVsbA", cursor[:-3], "é"):
        with pytest.raises(Invalid, match=r"not a cursor|another search"):
            hub.found("twin", after=wrong or "=")


def test_a_corrected_question_is_paged_as_it_was_corrected(hub: Asked) -> None:
    whole = hub.slugs("twinn boxx")
    assert whole[:3] == TWINS[:3]
    assert pages(hub, 6, text="twinn boxx") == whole


def test_nobody_pages_past_the_limit(hub: Asked) -> None:
    with pytest.raises(Limit, match="first 10000 hits"):
        hub.found("twin", first=10_001)


def test_a_page_of_none_counts(hub: Asked) -> None:
    found = hub.found("twin", first=0)
    assert (found.hits, found.total, found.exact) == ((), 23, True)
    assert (found.step, found.has_next) == (Step.ALL_WORDS, True)
    nothing = hub.found("qqqq", first=0)
    assert (nothing.total, nothing.step, nothing.has_next) == (0, Step.NOTHING, False)


@pytest.mark.parametrize("order", ["price", "name", "newest", "attribute:colour"])
def test_another_order_shows_what_has_all_words(hub: Asked, order: str) -> None:
    assert hub.slugs("wireless headphones", order=order) == ["alpha"]
    assert hub.slugs("4006381333931", order=order) == ["alpha"]
    found = hub.found("wireless zebra", order=order)
    assert (hub.names(found), found.step) == (["alpha"], Step.SOME_WORDS)
    assert hub.found("wirelss headphones", order=order).step is Step.RESPELLED
    assert pages(hub, 2, text="twin box", order=order) == hub.slugs("twin box", order=order)


@pytest.mark.parametrize(("text", "step"), [("tw", Step.BEGINNINGS), ("twin zebra", Step.SOME_WORDS)])
def test_every_page_is_found_as_the_first_one(hub: Asked, text: str, step: Step) -> None:
    page = hub.found(text, first=3)
    assert page.step is step
    assert hub.found(text, first=3, after=page.hits[-1].cursor).step is step
    assert pages(hub, 5, text=text) == TWINS


def test_what_is_newest_may_come_last(hub: Asked) -> None:
    assert hub.slugs(order="created", first=2) == ["alpha", "beta"]
    assert hub.slugs(order="created", descending=True) == hub.slugs(order="newest")


def test_a_text_has_its_limits(hub: Asked) -> None:
    with pytest.raises(Limit, match="10000 characters"):
        hub.found("x" * 10_000)
    with pytest.raises(Limit, match="33 different words"):
        hub.found(" ".join(f"w{number}" for number in range(33)))
