"""Money: nothing is lost in rounding, splitting and taxing, whatever the currency."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import money, value
from tests.shop import LONGER

CURRENCIES = ("JPY", "EUR", "KWD")
RATES = ("0", "0.055", "0.07", "0.1", "0.19", "0.25")
EXAMPLES = settings(max_examples=int(300 * LONGER), deadline=None)


def amounts(currency: str, least: int = 0) -> st.SearchStrategy[Decimal]:
    return st.integers(least, 10**9).map(lambda units: units * money.unit(currency))


priced = st.sampled_from(CURRENCIES).flatmap(
    lambda currency: st.tuples(
        st.just(currency),
        st.lists(st.tuples(amounts(currency), st.sampled_from(RATES).map(Decimal)), min_size=1, max_size=12),
    )
)


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("0.005", "EUR", "0.01"),
        ("-0.005", "EUR", "-0.01"),
        ("0.0049", "EUR", "0.00"),
        ("2.5", "JPY", "3"),
        ("0.0005", "KWD", "0.001"),
        ("1.015", "EUR", "1.02"),
    ],
)
def test_halves_are_rounded_away_from_zero(amount: str, currency: str, expected: str) -> None:
    assert str(money.rounded(Decimal(amount), currency)) == expected


def test_ten_euros_for_three_lose_no_cent() -> None:
    shares = money.split(Decimal(10), [Decimal(1)] * 3, "EUR")
    assert [str(share) for share in shares] == ["3.34", "3.33", "3.33"]


def test_nobody_cannot_share() -> None:
    with pytest.raises(ValueError, match="among nobody"):
        money.split(Decimal(1), [], "EUR")


@EXAMPLES
@given(
    st.sampled_from(CURRENCIES).flatmap(
        lambda currency: st.tuples(
            st.just(currency),
            amounts(currency, -(10**9)),
            st.lists(amounts(currency), min_size=1, max_size=20),
        )
    )
)
def test_shares_add_up_and_are_within_a_unit_of_the_exact_ones(
    case: tuple[str, Decimal, list[Decimal]],
) -> None:
    currency, amount, weights = case
    shares = money.split(amount, weights, currency)
    assert sum(shares) == amount
    parts = [Fraction(weight) for weight in weights] if sum(weights) else [Fraction(1)] * len(weights)
    for share, part in zip(shares, parts, strict=True):
        assert value.fitting(share, currency) == share
        assert abs(Fraction(share) - Fraction(amount) * part / sum(parts)) < Fraction(money.unit(currency))


@EXAMPLES
@given(priced, st.booleans())
def test_taxes_per_rate_add_up_to_the_amounts(
    case: tuple[str, list[tuple[Decimal, Decimal]]], included: bool
) -> None:
    currency, lines = case
    taxes = money.taxes(lines, currency, included=included)
    assert [each.rate for each in taxes] == sorted({rate for _, rate in lines})
    whole = sum(amount for amount, _ in lines)
    if included:
        assert sum(each.base + each.amount for each in taxes) == whole
    else:
        assert sum(each.base for each in taxes) == whole
    for each in taxes:
        assert value.fitting(each.amount, currency) == each.amount
        exact = Fraction(each.rate) * (
            sum((Fraction(amount) for amount, rate in lines if rate == each.rate), Fraction(0))
            / ((1 + Fraction(each.rate)) if included else 1)
        )
        assert abs(Fraction(each.amount) - exact) <= Fraction(money.unit(currency)) / 2
