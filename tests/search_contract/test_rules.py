"""Rules of search: what staff decided about words and places, the same with each engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub import ids
from hub.db import Json
from search.query import Step
from search.rule import Redirect, Rules, compiled
from tests.search_contract.conftest import Asked


def rules(hub: Asked, locale: str | None = "en", channel: str | None = "web", **said: Any) -> Rules:
    """One set of rules, as they are kept."""
    names = {"stop_words": "stopWords"}
    document = {names.get(kind, kind): each for kind, each in said.items()}
    number = None if channel is None else hub.channels[channel]
    return compiled([{"code": "base", "rules": document}], number, locale, hub.definitions)


def product(hub: Asked, slug: str) -> Json:
    return {"id": ids.encode("product", hub.ids[slug])}


def exactly(query: str) -> Json:
    return {"query": query, "match": "EXACT"}


def pin(hub: Asked, query: str, *slugs: str, match: str = "EXACT", **more: Any) -> Json:
    return {
        "when": {"query": query, "match": match},
        "products": [product(hub, slug) for slug in slugs],
        **more,
    }


def test_a_two_way_synonym_finds_both_words(hub: Asked) -> None:
    said = rules(hub, synonyms=[{"words": ["boiler", "kettle"]}])
    assert hub.slugs("boiler") == []
    assert hub.slugs("boilers", rules=said) == hub.slugs("kettle") == ["delta"]
    assert hub.slugs("kettle", rules=said) == ["delta"]


def test_a_one_way_synonym_leads_one_way(hub: Asked) -> None:
    said = rules(hub, synonyms=[{"from": ["boots"], "to": ["shoe"]}])
    assert "zeta" in hub.slugs("boots", rules=said)
    assert hub.slugs("shoe", rules=said) == hub.slugs("shoe")


def test_a_phrase_has_synonyms(hub: Asked) -> None:
    said = rules(hub, synonyms=[{"from": ["water cooker"], "to": ["kettle"]}])
    found = hub.found("water cookers", rules=said)
    assert (hub.names(found), found.step) == (["delta"], Step.ALL_WORDS)
    assert hub.slugs("cooker water", rules=said) == []
    assert hub.slugs("red water cooker", rules=said)[:1] == ["delta"]


def test_a_synonym_may_be_a_phrase(hub: Asked) -> None:
    said = rules(hub, synonyms=[{"from": ["tasche"], "to": ["case for headphones"]}])
    assert hub.slugs("tasche", rules=said)[:1] == ["gamma"]


def test_stop_words_need_not_match(hub: Asked) -> None:
    assert hub.found("cheapest kettle").step is Step.SOME_WORDS
    found = hub.found("cheapest kettle", rules=rules(hub, stop_words=["cheapest"]))
    assert (hub.names(found), found.step) == (["delta"], Step.ALL_WORDS)
    # Where there are only stop words, they are what was asked for.
    assert hub.slugs("kettle", rules=rules(hub, stop_words=["kettle"])) == ["delta"]


def test_pins_stand_at_the_top_in_their_order(hub: Asked) -> None:
    said = rules(hub, pins=[pin(hub, "headphones", "delta", "gamma")])
    plain = hub.slugs("headphones")
    found = hub.found("Headphone!", rules=said)
    assert hub.names(found)[:2] == ["delta", "gamma"]
    assert hub.names(found)[2:] == [slug for slug in plain if slug != "gamma"]
    assert [each.kind for each in found.applied] == ["pins"]
    assert hub.slugs("headphones black", rules=said) == hub.slugs("headphones black")


def test_pages_with_pins_follow_each_other(hub: Asked) -> None:
    said = rules(
        hub,
        pins=[pin(hub, "twin box", "twin-20", "delta", "twin-03")],
        buries=[{"condition": {"products": [product(hub, "twin-00")]}}],
    )
    whole = hub.slugs("twin box", rules=said)
    assert whole[:3] == ["twin-20", "delta", "twin-03"]
    assert whole[-1] == "twin-00"
    paged, after = list[str](), None
    while True:
        found = hub.found("twin box", rules=said, first=5, after=after)
        paged += hub.names(found)
        if not found.has_next:
            break
        after = found.hits[-1].cursor
    assert paged == whole
    assert len(set(whole)) == len(whole) == 24


def test_what_is_not_listed_is_not_shown_by_a_pin(hub: Asked) -> None:
    said = rules(hub, pins=[pin(hub, "kettle", "iota", "kappa", "alpha")])
    assert hub.slugs("kettle", rules=said) == ["alpha", "delta"]


def test_a_pin_answers_where_no_word_does(hub: Asked) -> None:
    found = hub.found("xyzzy", rules=rules(hub, pins=[pin(hub, "xyzzy", "theta")]))
    assert (hub.names(found), found.step) == (["theta"], Step.ALL_WORDS)


@pytest.mark.parametrize(
    ("match", "asked", "held"),
    [
        ("EXACT", "Kettles", True),
        ("EXACT", "red kettle", False),
        ("CONTAINS", "a red kettle", True),
        ("ALL_WORDS", "steel kettle", True),
        ("ALL_WORDS", "shoe", False),
    ],
)
def test_a_rule_holds_for_the_queries_it_names(hub: Asked, match: str, asked: str, held: bool) -> None:
    said = rules(hub, pins=[pin(hub, "kettle", "theta", match=match)])
    assert (hub.slugs(asked, rules=said)[:1] == ["theta"]) is held


def test_what_is_buried_stands_below_all_others(hub: Asked) -> None:
    said = rules(hub, buries=[{"condition": {"brand": ["ACME"]}}])
    plain, ruled = hub.slugs("headphones"), hub.slugs("headphones", rules=said)
    assert sorted(plain) == sorted(ruled)
    assert plain[0] == "alpha"
    assert ruled[0] == "beta"
    assert hub.slugs("4006381333931", rules=said)[0] == "alpha"


def test_points_and_factors_raise_and_lower(hub: Asked) -> None:
    def boosted(**worth: float) -> list[str]:
        boost = {"condition": {"attribute": {"code": "colour", "values": ["red"]}}, **worth}
        return hub.slugs("headphones", rules=rules(hub, boosts=[boost]))

    plain = hub.slugs("headphones")
    assert plain[0] != "beta"
    assert boosted(points=400.0)[0] == "beta"
    assert boosted(factor=10.0)[0] == "beta"
    assert boosted(factor=0.01)[-1] == "beta"
    assert sorted(boosted(factor=0.5)) == sorted(plain)


def test_a_boost_orders_a_list_without_words(hub: Asked) -> None:
    said = rules(hub, boosts=[{"condition": {"attribute": {"code": "rating", "min": 5.0}}, "points": 10.0}])
    assert hub.slugs(rules=said)[:2] == ["alpha", "zeta"]


def test_the_answer_says_which_steps_it_took_as_without_rules(hub: Asked) -> None:
    said = rules(hub, buries=[{"condition": {"available": False}}])
    for text in ("kettle", "ketle", "kettle xyzzy", "ket", "xyzzy"):
        assert hub.found(text, rules=said).step is hub.found(text).step, text


def test_redirects_are_told(hub: Asked) -> None:
    said = rules(
        hub,
        redirects=[
            {"when": exactly("returns"), "url": "/help/returns"},
            {
                "when": exactly("sound"),
                "category": {"id": ids.encode("category", hub.categories["sound"])},
            },
        ],
    )
    assert hub.found("Return", rules=said).redirect == Redirect(url="/help/returns")
    assert hub.found("sound", rules=said).redirect == Redirect(category_id=hub.categories["sound"])
    assert hub.found("kettle", rules=said).redirect is None


def test_a_window_opens_and_closes_a_rule(hub: Asked) -> None:
    now = datetime.now(UTC)
    day = timedelta(days=1)
    for starts, ends, held in (
        (now - day, now + day, True),
        (now + day, None, False),
        (None, now - day, False),
    ):
        window = {
            name: moment.isoformat() for name, moment in (("startsAt", starts), ("endsAt", ends)) if moment
        }
        said = rules(hub, pins=[pin(hub, "kettle", "theta", **window)])
        assert (hub.slugs("kettle", rules=said)[0] == "theta") is held


def test_the_shares_of_a_score_name_the_rules(hub: Asked) -> None:
    said = rules(
        hub,
        pins=[pin(hub, "headphones", "delta")],
        boosts=[{"condition": {"brand": ["acme"]}, "points": 7.0}],
        buries=[{"condition": {"products": [product(hub, "beta")]}}],
    )
    found = hub.found("headphones", rules=said, explain=True)
    shares = {slug: hit.shares for slug, hit in zip(hub.names(found), found.hits, strict=True)}
    assert shares["delta"]["rule: base pins 1"] > 65_000
    assert shares["alpha"]["rule: base boosts 1"] == 7
    assert shares["alpha"]["not under rule: base buries 1"] == 4096
    assert "not under rule: base buries 1" not in shares["beta"]


def test_staff_who_search_everything_get_the_words_only(hub: Asked) -> None:
    said = rules(
        hub,
        channel=None,
        synonyms=[{"words": ["boiler", "kettle"]}],
        pins=[pin(hub, "boiler", "theta")],
    )
    found = hub.slugs("boiler", channel=None, rules=said)
    assert "delta" in found
    assert "theta" not in found


def test_a_rule_that_cannot_be_carried_out_any_more_is_left_out(hub: Asked) -> None:
    boost = {"condition": {"attribute": {"code": "secret", "values": ["x"]}}, "points": 1.0}
    said = rules(hub, boosts=[boost])
    assert [each.kind for each in said.ignored] == ["boosts"]
    assert hub.slugs("kettle", rules=said) == ["delta"]
