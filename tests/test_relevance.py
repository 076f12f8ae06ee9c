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


def test_a_language_with_adjectives_behind_the_noun_has_no_heads() -> None:
    assert head.heads("Tasse à café blanche", "fr") == head.kinds("Tasses", "fr") == ()


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


def test_a_question_is_for_its_last_noun() -> None:
    assert head.asked(["case", "for", "phones"], "en") == "en:case"
    assert head.asked(["ps4", "games"], "en") == "en:game"
    assert head.asked(["ps4"], "en") is None


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
