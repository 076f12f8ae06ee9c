"""Words: what a text finds, in which order, and in which language."""

from __future__ import annotations

import pytest

from search.query import Step
from tests.search_contract.conftest import Asked


@pytest.mark.parametrize(
    ("text", "locale", "slugs"),
    [
        ("headphones", "en", ["alpha", "gamma", "beta"]),
        ("HEADPHONE", "en", ["alpha", "gamma", "beta"]),
        ("kettle", "en", ["delta"]),
        ("shoes", "en", ["epsilon", "zeta"]),
        ("running shoe", "en", ["epsilon", "zeta", "delta"]),
        ("run shoes", "en", ["epsilon", "zeta", "delta"]),
        ("eclair", "en", ["eta"]),
        ("ÉCLAIR", "en", ["eta"]),
        ("Schuh", "de", ["zeta"]),
        ("Schuhe", "de", ["zeta"]),
        ("laufschuh", "de", ["epsilon"]),
        ("apfelschaler", "de", ["eta"]),
        ("革靴", "ja", ["zeta"]),
        ("ヘッドホン", "ja", ["alpha"]),
        ("rot wasserkocher", "de", ["delta", "eta", "beta"]),
        ("the kettle of a kitchen", "en", ["delta"]),
        ("acme case", "en", ["gamma", "alpha"]),
    ],
)
def test_words_find(hub: Asked, text: str, locale: str, slugs: list[str]) -> None:
    assert hub.slugs(text, locale=locale) == slugs


def test_all_words_come_before_some(hub: Asked) -> None:
    found = hub.found("acme headphones")
    assert hub.names(found)[:2] == ["alpha", "gamma"]
    assert found.hits[1].score > 500 > found.hits[2].score


def test_two_words_find_what_is_written_as_one_and_the_other_way_round(hub: Asked) -> None:
    assert set(hub.slugs("head phones")) == {"alpha", "beta", "gamma"}
    assert hub.slugs("headphones cable")[0] == "beta"


def test_what_the_question_is_for_stands_above_what_belongs_to_it(hub: Asked) -> None:
    found = hub.found("headphones", explain=True)
    assert hub.names(found)[0] == "alpha"
    assert "head noun" in found.hits[0].shares
    assert "head noun" not in found.hits[1].shares


def test_a_question_of_stop_words_alone_searches_them(hub: Asked) -> None:
    assert set(hub.slugs("of with")) <= {"beta", "delta", "alpha"}
    assert hub.slugs("with")[0] == "beta"


@pytest.mark.parametrize("typed", ["4006381333931", "04006381333931", "4 006381-333931", " 4006381333931. "])
def test_a_gtin_goes_to_the_top_however_it_is_typed(hub: Asked, typed: str) -> None:
    found = hub.found(typed)
    assert hub.names(found) == ["alpha"]
    assert found.hits[0].score >= 10_000


@pytest.mark.parametrize("typed", ["pn-77/a", "PN77A", "pn 77 a", "sku-alpha", "SKU alpha"])
def test_a_part_number_goes_to_the_top(hub: Asked, typed: str) -> None:
    assert hub.slugs(typed)[0] == "alpha"


def test_a_number_is_found_by_its_beginning(hub: Asked) -> None:
    assert hub.slugs("0400638")[:1] == ["alpha"]


def test_a_number_among_words_counts(hub: Asked) -> None:
    assert hub.slugs("headphones pn-77/a")[0] == "alpha"


def test_a_slip_is_forgiven_and_said(hub: Asked) -> None:
    found = hub.found("wireless hedphones")
    assert hub.names(found)[0] == "alpha"
    assert (found.step, found.spellings["hedphones"][0]) == (Step.RESPELLED, "headphones")


@pytest.mark.parametrize("typed", ["ketle", "kettel", "kettlee", "kettke"])
def test_each_kind_of_slip_is_forgiven(hub: Asked, typed: str) -> None:
    found = hub.found(typed)
    assert (hub.names(found), found.step) == (["delta"], Step.RESPELLED)


def test_a_slip_is_never_seen_in_a_word_that_is_there(hub: Asked) -> None:
    found = hub.found("case")
    assert (hub.names(found)[0], found.step, found.spellings) == ("gamma", Step.ALL_WORDS, {})


def test_no_storefront_is_offered_words_of_what_is_not_listed_there(hub: Asked) -> None:
    assert hub.found("unlistid").spellings == {}
    assert hub.found("unlistid", channel=None).spellings == {"unlistid": ["unlisted"]}


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("wireless headphones", Step.ALL_WORDS),
        ("wireless zebra", Step.SOME_WORDS),
        ("wirel", Step.BEGINNINGS),
        ("qqqqq", Step.NOTHING),
        ("wireles", Step.RESPELLED),
        ("", Step.ALL_WORDS),
    ],
)
def test_the_answer_says_which_step_found_it(hub: Asked, text: str, step: Step) -> None:
    found = hub.found(text)
    assert found.step is step
    assert bool(found.hits) is (step is not Step.NOTHING)


def test_highlights_are_marked_and_safe(hub: Asked) -> None:
    from search.highlight import highlighted

    sought = hub.found("running").text
    assert sought
    assert (
        highlighted("A <b>run</b> & running", sought)
        == "A &lt;b&gt;<mark>run</mark>&lt;/b&gt; &amp; <mark>running</mark>"
    )
    assert highlighted("Nothing", sought) is None


def test_each_share_of_a_score_is_named(hub: Asked) -> None:
    (hit, *_) = hub.found("wireless headphones", explain=True).hits
    assert {"title: wireless", "title: headphones", "all words", "phrase", "exact form"} <= hit.shares.keys()
    assert hit.shares["all words"] == 500


@pytest.mark.parametrize(
    "text",
    ["!?%&/()", "\x00\x07\x1b", "\U0001f600\U0001f680", '"((', '"', "***", "???", "\\", "]]][", "\u200b"],
)
def test_a_text_without_words_finds_nothing_and_says_why(hub: Asked, text: str) -> None:
    found = hub.found(text)
    assert (found.hits, found.step) == ((), Step.NOTHING)
    assert found.notice is None or "no letter" in found.notice


@pytest.mark.parametrize(
    "text",
    [
        "kettle*",
        "title_en:kettle",
        "+kettle -steel",
        '"kettle',
        "kettle AND (",
        "kettle~9",
        "/kettle/",
        "kettle\x00",
    ],
)
def test_the_engines_own_languages_are_only_text(hub: Asked, text: str) -> None:
    assert "delta" in hub.slugs(text)
