"""GTINs: 8, 12, 13 or 14 digits with a check digit, compared as 14.

Check digit: GS1 General Specifications, section 7.9: weights 3 and 1 from the right, the sum filled up to ten.
"""

from __future__ import annotations

from hub.errors import Invalid

LENGTHS = (8, 12, 13, 14)


def check_digit(digits: str) -> str:
    """The check digit that belongs after ``digits``."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def parse(text: str) -> str:
    """The 14 digits of a GTIN. Raises ``Invalid`` for a wrong length, a character that is no digit or a wrong check digit."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()):
        raise Invalid(f'GTIN "{text}" holds something other than digits: give 8, 12, 13 or 14 digits.')
    if len(digits) not in LENGTHS:
        raise Invalid(f'GTIN "{text}" has {len(digits)} digits: give 8, 12, 13 or 14.')
    expected = check_digit(digits[:-1])
    if digits[-1] != expected:
        raise Invalid(f'GTIN "{text}" ends in {digits[-1]}, but its check digit is {expected}.')
    return digits.zfill(14)
