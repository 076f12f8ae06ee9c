"""Questions to a slow engine: they fail in time, leave the server's other threads alone, and stop when it hangs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from search.asking import FAILURES, Asking
from search.engine import UnavailableError


def hang(released: threading.Event) -> Callable[[], str]:
    def work() -> str:
        released.wait(30)
        return "late"

    return work


def figure(asking: Asking, name: str, **labels: str) -> float:
    registry = CollectorRegistry()
    registry.register(asking)
    return registry.get_sample_value(name, labels) or 0.0


def test_an_answer_comes_back_and_is_timed() -> None:
    asking = Asking()
    assert asyncio.run(asking.ask(lambda: "found")) == "found"
    assert figure(asking, "hub_search_seconds_count", part="hub") == 1


def test_a_question_that_takes_too_long_is_refused_and_the_default_threads_stay_free() -> None:
    released = threading.Event()

    async def ask() -> float:
        asking = Asking(threads=2, waiting=100, seconds=0.3)
        asked = [asyncio.create_task(asking.ask(hang(released))) for _ in range(60)]
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        await asyncio.to_thread(time.sleep, 0)
        took = time.perf_counter() - began
        failed = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(each, UnavailableError) and "0.3 seconds" in str(each) for each in failed)
        assert figure(asking, "hub_search_refused_total", cause="timeout") == 60
        return took

    try:
        assert asyncio.run(ask()) < 0.2
    finally:
        released.set()


def test_a_crowd_is_refused_at_once() -> None:
    released = threading.Event()

    async def ask() -> None:
        asking = Asking(threads=1, waiting=2)
        waiting = [asyncio.create_task(asking.ask(hang(released))) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(UnavailableError, match="3 searches are waiting"):
            await asking.ask(lambda: "more")
        released.set()
        assert await asyncio.gather(*waiting) == ["late"] * 3
        assert await asking.ask(lambda: "again") == "again"

    try:
        asyncio.run(ask())
    finally:
        released.set()


def failing() -> str:
    raise UnavailableError("It is away.")


def test_an_engine_that_hangs_is_left_alone_and_tried_again() -> None:
    async def ask() -> None:
        asking = Asking(slow_seconds=0.0, pause_seconds=0.2)
        for _ in range(FAILURES):
            with pytest.raises(UnavailableError, match="away"):
                await asking.ask(failing)
        with pytest.raises(UnavailableError, match="left alone"):
            await asking.ask(lambda: "found")
        await asyncio.sleep(0.25)
        with pytest.raises(UnavailableError, match="away"):
            await asking.ask(failing)
        with pytest.raises(UnavailableError, match="left alone"):
            await asking.ask(lambda: "found")
        await asyncio.sleep(0.25)
        assert await asking.ask(lambda: "found") == "found"
        assert await asking.ask(lambda: "found") == "found"

    asyncio.run(ask())


def test_an_engine_that_fails_quickly_breaks_nothing() -> None:
    async def ask() -> None:
        asking = Asking()
        for _ in range(FAILURES * 2):
            with pytest.raises(UnavailableError, match="away"):
                await asking.ask(failing)
        assert await asking.ask(lambda: "found") == "found"

    asyncio.run(ask())
