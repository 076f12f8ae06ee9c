"""What a hit gets its place by: head nouns and kinds, the measures of a ranking, and the judged queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.relevance import measure
from search import head
from tests import elasticsearch_node
from tests.shop import LONGER

if TYPE_CHECKING:
    from pathlib import Path

    from hub.config import Settings

ENOUGH = 0.84
"""nDCG@10 of the judged queries, below which what was reached is lost. It is 0.857; a gain of 0.02 may be chance."""

ALIKE = 0.01
"""How far the two engines may differ."""


@pytest.mark.parametrize(
    ("title", "said", "expected"),
    [
        ("Case for a phone", [], "case"),
        ("Espresso cups with saucers", [], "cup"),
        ("Acme AW310K keyboard USB Black", ["Black", "USB"], "keyboard"),
        ("Acme 530 Notebook PC", [], "pc"),
        ("Acme Edge X0014 smartphone 17 cm dual SIM", [], "smartphon"),
        ("Acme A1 screen protector Mobile phone/Smartphone 1 pc", ["Mobile phone/Smartphone"], "protector"),
        ("Acme toner Original Black", ["Original", "Black,White"], "toner"),
        ("Notebook- or tablet holder", [], "holder"),
        ("Phone/tablet holder", [], "holder"),
        ("Black", ["Black"], "black"),
        ("Acme", [], "acm"),
    ],
)
def test_the_head_of_a_title_is_the_noun_before_what_describes(
    title: str, said: list[str], expected: str
) -> None:
    assert head.heads(title, "en", said, ["Acme"]) == (f"en:{expected}",)


def test_a_suspended_noun_waits_for_its_end() -> None:
    assert head.heads("Espresso- und Kaffeetassen mit Henkel", "de") == ("de:kaffeetass",)


def test_a_language_without_a_rule_has_no_heads() -> None:
    assert head.heads("Bardak", "tr") == head.kinds("Bardaklar", "tr") == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Cups & saucers", ["cup", "saucer"]),
        ("Phones, accessories and more", ["phone", "accessori", "more"]),
        ("Cases for phones", ["case"]),
        ("Product", ["product"]),
    ],
)
def test_a_category_may_be_of_several_kinds(name: str, expected: list[str]) -> None:
    assert head.kinds(name, "en") == tuple(f"en:{each}" for each in expected)


@pytest.mark.parametrize(
    ("question", "tongue", "word", "said"),
    [
        ("case for phones", "en", "case", True),
        ("cups and saucers for espresso", "en", "cups", False),
        ("ps4 games", "en", "games", False),
        ("tassen für espresso", "de", "tassen", True),
        ("tasse blanche pour espresso", "fr", "tasse", True),
        ("la petite tasse", "fr", "tasse", False),
        ("tazze da caffè", "it", "tazze", True),
        ("zapatos de cuero", "es", "zapatos", True),
        ("chaleira para chá", "pt", "chaleira", True),
    ],
)
def test_a_question_is_for_its_noun(question: str, tongue: str, word: str, said: bool) -> None:
    assert head.asked(question.split(), tongue) == head.Asked(word, said)


def test_a_question_without_a_noun_is_for_nothing_known() -> None:
    assert head.asked(["ps4"], "en") is None
    assert head.asked(["für", "espresso"], "de") is None


@pytest.mark.parametrize(
    ("title", "tongue", "noun"),
    [
        ("Tasse weiß", "de", "tass"),
        ("Kaffee langsam geröstet für Espresso", "de", "kaffe"),
        ("tasse weiß", "de", "weiss"),
        ("Tasse à café blanche", "fr", "tass"),
    ],
)
def test_adjectives_behind_a_noun_are_no_head(title: str, tongue: str, noun: str) -> None:
    assert head.heads(title, tongue) == (f"{tongue}:{noun}",)


@pytest.mark.soak
@pytest.mark.data
@pytest.mark.timeout(1_800)
def test_judged_queries_are_answered_well_and_alike(
    settings: Settings, outside_data: Path, testrun_uid: str
) -> None:
    if LONGER <= 1:
        pytest.skip("All of Icecat is imported, indexed twice and judged: in make soak.")
    with elasticsearch_node.address(testrun_uid) as url:
        ready = settings.model_copy(update={"data": outside_data, "elasticsearch_url": url})
        figures = measure(ready, lambda *_: None)
    means = {name: figures[name]["mean"] for name in ("tantivy", "elasticsearch")}
    for mean in means.values():
        assert mean["ndcg"] >= ENOUGH
    assert means["tantivy"] == pytest.approx(means["elasticsearch"], abs=ALIKE)
