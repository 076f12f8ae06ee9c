"""The breaker and the pace of an endpoint, by a clock that tests turn."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.shop import LONGER
from webhooks.breaker import FIRST_PAUSE, LONGEST_PAUSE, MINIMUM, WINDOW_SECONDS, Breaker
from webhooks.pace import Pace
from webhooks.post import Answer

WELL = Answer("delivered", 204)
EXAMPLES = settings(max_examples=int(200 * LONGER), deadline=None)


def state(breaker: Breaker) -> str:
    return breaker.state


def failed(breaker: Breaker, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        breaker.answered(well=False, now=now)


def test_few_failures_leave_it_closed() -> None:
    breaker = Breaker()
    failed(breaker, MINIMUM - 1)
    assert state(breaker) == "closed"
    failed(breaker, 1)
    assert state(breaker) == "open"


def test_it_opens_at_half() -> None:
    breaker = Breaker()
    for _ in range(20):
        breaker.answered(well=True, now=0.0)
    failed(breaker, 19)
    assert state(breaker) == "closed"
    failed(breaker, 1)
    assert state(breaker) == "open"


def test_what_is_long_past_does_not_count() -> None:
    breaker = Breaker()
    failed(breaker, MINIMUM - 1)
    failed(breaker, 1, WINDOW_SECONDS + 1)
    assert state(breaker) == "closed"


def test_one_probe_at_a_time_and_longer_pauses() -> None:
    breaker, now, pauses = Breaker(), 0.0, []
    failed(breaker, MINIMUM)
    for _ in range(10):
        pauses.append(breaker.wait(now))
        now += pauses[-1]
        assert breaker.wait(now) == 0
        breaker.probe()
        assert breaker.wait(now) == math.inf
        assert breaker.answered(well=False, now=now)
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert max(pauses) == pauses[-1] == LONGEST_PAUSE
    breaker.probe()
    assert breaker.answered(well=True, now=now)
    assert (state(breaker), breaker.wait(now), breaker.failures) == ("closed", 0, 0)
    failed(breaker, MINIMUM - 1, now)
    assert state(breaker) == "closed"


def test_failures_under_way_when_it_opened_do_not_lengthen_the_pause() -> None:
    breaker = Breaker()
    failed(breaker, MINIMUM + 20)
    assert breaker.wait(0.0) == FIRST_PAUSE


def test_a_success_under_way_when_it_opened_closes_it() -> None:
    breaker = Breaker()
    failed(breaker, MINIMUM)
    breaker.answered(well=True, now=1.0)
    assert state(breaker) == "closed"


def test_a_probe_that_was_cut_off_is_made_again() -> None:
    breaker = Breaker()
    failed(breaker, MINIMUM)
    breaker.probe()
    breaker.abandon(100.0)
    assert breaker.wait(100.0) == 0
    assert state(breaker) == "open"


def test_the_next_holder_goes_on_from_what_is_stored() -> None:
    breaker = Breaker()
    breaker.adopt("half_open", 3, 7.0, 100.0)
    assert (state(breaker), breaker.failures, breaker.wait(101.0)) == ("open", 3, 6.0)
    breaker.adopt("closed", 0, 0.0, 101.0)
    assert breaker.wait(101.0) == 0


@EXAMPLES
@given(
    rate=st.floats(0.5, 500),
    tries=st.lists(st.floats(0, 0.5), min_size=1, max_size=300),
)
def test_no_window_has_more_than_its_rate_and_a_tenth(rate: float, tries: list[float]) -> None:
    pace, now, sent = Pace(0.0), 0.0, []
    pace.set(rate, 1_000)
    for step in tries:
        now += step
        while pace.wait(now, 0) == 0:
            pace.went()
            sent.append(now)
    for first, start in enumerate(sent):
        for last in range(first, len(sent)):
            seconds = sent[last] - start
            assert last - first + 1 <= rate * seconds + max(1.0, rate * 0.1) + 1e-6


def test_waiting_as_long_as_it_says_is_enough() -> None:
    pace, now = Pace(0.0), 0.0
    pace.set(20.0, 1_000)
    for _ in range(100):
        now += pace.wait(now, 0) + 1e-9
        assert pace.wait(now, 0) == 0
        pace.went()
    assert 4.5 <= now <= 5.1


def test_a_change_of_the_holder_adds_nothing_to_the_rate() -> None:
    pace = Pace(50.0)
    pace.set(10.0, 4)
    assert pace.wait(50.0, 0) > 0


def test_requests_at_one_time() -> None:
    pace = Pace(0.0)
    pace.set(None, 3)
    assert pace.wait(0.0, 2) == 0
    assert pace.wait(0.0, 3) == math.inf


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_receiver_with_too_much_to_do_gets_half_and_then_a_rest(status: int) -> None:
    pace = Pace(0.0)
    pace.set(None, 16)
    pace.answered(Answer("refused", status), 0.0)
    assert (pace.at_once, pace.wait(0.0, 0)) == (8, 0)
    pace.answered(Answer("refused", status), 0.0)
    assert pace.at_once == 4
    assert pace.wait(0.0, 0) > 0
    for _ in range(200):
        pace.answered(WELL, 10.0)
    assert pace.at_once == 16


@pytest.mark.parametrize("status", [400, 404, 500, 501])
def test_other_refusals_leave_the_pace(status: int) -> None:
    pace = Pace(0.0)
    pace.set(None, 16)
    pace.answered(Answer("refused", status), 0.0)
    assert (pace.at_once, pace.wait(0.0, 0)) == (16, 0)


def test_retry_after_puts_everything_off_for_an_hour_at_most() -> None:
    pace = Pace(0.0)
    pace.set(None, 16)
    assert pace.answered(Answer("refused", 429, retry_after=30), 0.0)
    assert pace.wait(0.0, 0) == 30
    pace.answered(Answer("refused", 429, retry_after=86_400), 0.0)
    assert pace.wait(0.0, 0) == 3_600


def test_what_is_ready_ahead_fits_the_rate() -> None:
    pace = Pace(0.0)
    pace.set(2.0, 100)
    assert pace.ahead == 1
    pace.set(None, 100)
    assert pace.ahead == 800
