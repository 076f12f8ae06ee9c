"""What a hit gets its place by: head nouns and kinds, the measures of a ranking, and the judged queries."""

from __future__ import annotations

import pytest

from search import head


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
