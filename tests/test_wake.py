"""Bells: nobody who waits sleeps through a ring."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

from hub.wake import Bell


def test_a_ring_wakes_a_thread_and_a_coroutine_at_once() -> None:
    bell = Bell()
    started = time.monotonic()
    with ThreadPoolExecutor() as pool:
        thread = pool.submit(bell.wait, 0, 10)
        coroutine = pool.submit(lambda: asyncio.run(bell.heard(0, 10)))
        time.sleep(0.1)
        bell.ring()
        assert (thread.result(), coroutine.result()) == (1, 1)
    assert time.monotonic() - started < 9


def test_without_a_ring_a_wait_ends_in_time() -> None:
    bell = Bell()
    assert bell.wait(0, 0.01) == 0
    assert asyncio.run(bell.heard(0, 0.01)) == 0
    assert bell._sleepers == set()


def test_a_ring_between_two_waits_is_not_lost() -> None:
    bell = Bell()
    heard = bell.rings
    bell.ring()
    assert bell.wait(heard, 10) == 1
    assert asyncio.run(bell.heard(heard, 10)) == 1


def test_a_thousand_rings_from_another_thread_are_all_heard_of() -> None:
    bell = Bell()

    def ring() -> None:
        for _ in range(1000):
            bell.ring()

    async def hear() -> int:
        ringing, heard = Thread(target=ring), 0
        ringing.start()
        while heard < 1000:
            heard = await bell.heard(heard, 5)
        ringing.join()
        return heard

    assert asyncio.run(hear()) == 1000
    assert bell._sleepers == set()
