"""Money: amounts with as many decimals as their currency has, and sums that lose nothing.

Rounding is to the nearest unit of the currency, halves away from zero: Council Regulation (EC) No 1103/97, article 5,
and what tax offices expect of invoices. Tax is worked out once per rate over all lines of that rate and rounded there:
EN 16931-1, rule BR-CO-17.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal

from hub import value

EXACT = Context(prec=200)
"""Enough digits that nothing is rounded on the way: amounts have at most 30 before and 30 behind the point."""


@dataclass(frozen=True)
class Tax:
    """The tax of one rate. ``base`` is what it is on, without the tax; ``rate`` a fraction, 0.19 for 19 %."""

    rate: Decimal
    base: Decimal
    amount: Decimal


def unit(currency: str) -> Decimal:
    """The smallest amount of a currency: 0.01 EUR, 1 JPY, 0.001 KWD (Unicode CLDR)."""
    return Decimal(1).scaleb(-value.currency_digits(currency))


def rounded(amount: Decimal, currency: str) -> Decimal:
    """The nearest amount that the currency can pay, halves away from zero."""
    return amount.quantize(unit(currency), ROUND_HALF_UP, EXACT)


def split(amount: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """An amount shared out in the proportion of weights, to the last cent: one share for each, which add up to it.

    Largest remainder (Hamilton): each gets its share rounded towards zero, and the units that are left go to those who
    lost most by it, the first of equals first. Weights are not negative; when all are zero they count as equal.
    Raises ``ValueError`` without weights.
    """
    if not weights:
        raise ValueError("An amount cannot be shared among nobody.")
    smallest = unit(currency)
    whole = sum(weights, Decimal(0))
    parts = weights if whole else [Decimal(1)] * len(weights)
    whole = whole or Decimal(len(weights))
    exact = [EXACT.divide(EXACT.multiply(amount, part), whole) for part in parts]
    shares = [share.quantize(smallest, ROUND_DOWN, EXACT) for share in exact]
    left = int(abs(EXACT.divide(amount - sum(shares, Decimal(0)), smallest)))
    step = smallest.copy_sign(amount)
    lost = sorted(range(len(shares)), key=lambda place: -abs(exact[place] - shares[place]))
    for place in lost[:left]:
        shares[place] += step
    return shares


def tax_on_top(net: Decimal, rate: Decimal, currency: str) -> Decimal:
    """The tax that is added to a net amount."""
    return rounded(EXACT.multiply(net, rate), currency)


def tax_within(gross: Decimal, rate: Decimal, currency: str) -> Decimal:
    """The tax that is in a gross amount."""
    return rounded(EXACT.divide(EXACT.multiply(gross, rate), 1 + rate), currency)


def taxes(amounts: Iterable[tuple[Decimal, Decimal]], currency: str, *, included: bool) -> list[Tax]:
    """The tax per rate of ``(amount, rate)`` pairs, the smallest rate first."""
    sums: dict[Decimal, Decimal] = defaultdict(Decimal)
    for amount, rate in amounts:
        sums[rate] += amount
    return [_tax(amount, rate, currency, included=included) for rate, amount in sorted(sums.items())]


def _tax(amount: Decimal, rate: Decimal, currency: str, *, included: bool) -> Tax:
    if included:
        within = tax_within(amount, rate, currency)
        return Tax(rate, amount - within, within)
    return Tax(rate, amount, tax_on_top(amount, rate, currency))
