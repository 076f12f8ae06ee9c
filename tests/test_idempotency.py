from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from hub.db import HUB, Database, Json
from hub.errors import IdempotencyMismatch, Invalid
from hub.idempotency import once, purge
from tests.shop import all_rows


class Counter:
    """A command that counts how often it was carried out, in Python and in the database."""

    def __init__(self) -> None:
        self.calls = 0

    def in_(self, tx: sa.Connection) -> Callable[[], Json]:
        def command() -> Json:
            self.calls += 1
            tx.execute(sa.text("INSERT INTO locale (code) VALUES (:code)"), {"code": f"x{self.calls}"})
            return {"call": self.calls}

        return command


def run(
    database: Database, counter: Counter, key: str | None, request: Json, token_id: int | None = 1
) -> Json:
    with database.write(HUB) as tx:
        return once(tx, token_id, key, request, counter.in_(tx))


def test_the_second_request_gets_the_first_answer(database: Database) -> None:
    counter = Counter()
    first = run(database, counter, "a", {"n": 1, "m": 2})
    assert run(database, counter, "a", {"m": 2, "n": 1}) == first == {"call": 1}
    assert all_rows(database, "SELECT count(*) FROM locale") == [(1,)]


def test_keys_tokens_and_missing_keys_do_not_meet(database: Database) -> None:
    counter = Counter()
    answers = [
        run(database, counter, "a", {"n": 1}),
        run(database, counter, "b", {"n": 1}),
        run(database, counter, "a", {"n": 1}, token_id=2),
        run(database, counter, None, {"n": 1}),
        run(database, counter, None, {"n": 1}),
    ]
    assert [answer["call"] for answer in answers] == [1, 2, 3, 4, 5]


def test_another_input_under_the_key_is_refused(database: Database) -> None:
    counter = Counter()
    run(database, counter, "a", {"n": 1})
    with pytest.raises(IdempotencyMismatch) as caught:
        run(database, counter, "a", {"n": 2})
    assert caught.value.path == ("idempotency_key",)
    assert counter.calls == 1


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_a_length(database: Database, key: str) -> None:
    with pytest.raises(Invalid):
        run(database, Counter(), key, {})


def test_a_command_that_failed_left_its_key_free(database: Database) -> None:
    def failing() -> Json:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"), database.write(HUB) as tx:
        once(tx, 1, "a", {}, failing)
    assert run(database, Counter(), "a", {}) == {"call": 1}


def test_after_a_week_the_key_is_free_again(database: Database) -> None:
    counter = Counter()
    run(database, counter, "a", {"n": 1})
    with database.write(HUB) as tx:
        tx.execute(sa.text("UPDATE idempotency SET created_at = now() - interval '7 days 1 second'"))
    assert run(database, counter, "a", {"n": 2}) == {"call": 2}
    run(database, counter, "b", {"n": 1})
    with database.write(HUB) as tx:
        tx.execute(sa.text("UPDATE idempotency SET created_at = now() - interval '8 days' WHERE key = 'a'"))
        assert purge(tx) == 1
    assert all_rows(database, "SELECT key FROM idempotency") == [("b",)]


def test_requests_at_the_same_moment_are_carried_out_once(database: Database) -> None:
    counter = Counter()
    together = threading.Barrier(8)

    def ask(_: int) -> Json:
        together.wait()
        return run(database, counter, "a", {"n": 1})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert answers == [{"call": 1}] * 8
    assert counter.calls == 1
