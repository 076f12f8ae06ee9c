"""GTINs against numbers that GS1 publishes, and against the database's own check."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub import gtin
from hub.db import Database
from hub.errors import Invalid
from tests.shop import all_rows


@pytest.mark.parametrize("known", ["4006381333931", "96385074", "012345678905", "10614141000415"])
def test_a_published_number_is_taken(known: str) -> None:
    assert gtin.parse(known) == known.zfill(14)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("12345678901", 'GTIN "12345678901" has 11 digits: give 8, 12, 13 or 14.'),
        ("4006381333930", 'GTIN "4006381333930" ends in 0, but its check digit is 1.'),
        (
            "40063813339A1",
            'GTIN "40063813339A1" holds something other than digits: give 8, 12, 13 or 14 digits.',
        ),
        ("٤٠٠٦٣٨١٣", 'GTIN "٤٠٠٦٣٨١٣" holds something other than digits: give 8, 12, 13 or 14 digits.'),
    ],
)
def test_a_wrong_number_is_refused_with_its_reason(text: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        gtin.parse(text)
    assert refused.value.message == message


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(digits=st.text("0123456789", min_size=13, max_size=13))
def test_the_database_knows_the_same_numbers(database: Database, digits: str) -> None:
    right = digits + gtin.check_digit(digits)
    wrong = digits + str((int(right[-1]) + 1) % 10)
    assert all_rows(database, "SELECT gtin_valid(:right), gtin_valid(:wrong)", right=right, wrong=wrong) == [
        (True, False)
    ]
