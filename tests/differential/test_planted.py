"""Faults planted in the compiled executor: the comparison must see each of them, or it proves nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from hub.db import Database
from hub.recent import Recent
from schema import (
    compiled_field,
    compiled_level,
    compiled_page,
    compiled_value,
    compiler,
    joined,
    planner,
    selection,
    sql,
)
from schema.compiled_page import Page, Shown
from schema.spec import Text
from tests.differential.asking import Answer
from tests.differential.comparing import DifferenceError, Pair, pair
from tests.reading import STAFF

PATIENCE = 400
"""Documents after which a fault counts as not seen."""

Plant = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(scope="module")
def both(module_database: Database) -> Iterator[Pair]:
    with pair(module_database) as opened:
        yield opened


def row_rules_lost(patch: pytest.MonkeyPatch) -> None:
    """Of rows that are joined, or found by their parents."""
    patch.setattr(joined.Joined, "seen_by", lambda *_: [], raising=False)


def row_rule_lost_in_a_page(patch: pytest.MonkeyPatch) -> None:
    class Blind(sql.Frame):
        def seen_by(self, _: Any) -> list[Any]:
            return []

    own = type("sql", (), {**vars(sql), "Frame": Blind})
    patch.setattr(compiled_page, "sql", own)


def page_too_long(patch: pytest.MonkeyPatch) -> None:
    def arrange(self: Page, reading: Any, rows: Sequence[Any]) -> Sequence[Any]:
        found = defaultdict(list)
        for row in rows:
            found[row[1]].append(row)
        reading.index[self.place] = {key: Shown(some, False, False) for key, some in found.items()}
        return rows

    patch.setattr(Page, "arrange", arrange)


def field_rule_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(compiler.Builder, "permitted", lambda *_: None)


def scope_of_a_noun_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(compiler.Builder, "opened", lambda *_: None)


def wrong_fallback(patch: pytest.MonkeyPatch) -> None:
    def text(_: Any, seat: Any, spec: Any, asked: Any) -> Any:
        def backwards(frame: Any, scope: Any) -> Any:
            return sql.localised(frame.c[spec.name], scope.locales[::-1])

        return asked.guarded(seat.made(f"text {spec.name}", backwards, scoped=True))

    patch.setitem(compiled_field.COMPILERS, Text, text)


def aliases_collide(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(compiled_field, "_constant", lambda _: None)


def plans_shared(patch: pytest.MonkeyPatch) -> None:
    """Everyone reads by the plans of staff."""
    patch.setattr(planner, "class_of", lambda viewer: replace(STAFF, customer_id=viewer.customer_id and 0))


def skip_overlooked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(selection.Selections, "_included", lambda *_: True)


def fragment_for_another_type(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        selection.Selections,
        "_fits",
        lambda _, fragment, type_: (
            fragment.type_condition is None or fragment.type_condition.name.value == type_.name
        ),
    )


def fraction_of_a_second_as_postgresql_has_it(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(
        compiled_value.NAMES, "moment_text", lambda text: text.replace(" ", "T").removesuffix("+00") + "Z"
    )


FAULTS: list[Plant] = [
    row_rules_lost,
    row_rule_lost_in_a_page,
    page_too_long,
    field_rule_lost,
    scope_of_a_noun_lost,
    wrong_fallback,
    aliases_collide,
    plans_shared,
    skip_overlooked,
    fragment_for_another_type,
    fraction_of_a_second_as_postgresql_has_it,
]


SEEN = ("The executors differ", "It gave up")
"""How a fault may show: a page with one object too many has an owner whose own objects nobody asked for."""


@pytest.fixture(scope="module")
def answers() -> dict[int, Answer]:
    """What the ordinary executor answers to the questions that were asked already, by seed."""
    return {}


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_seen(
    both: Pair, answers: dict[int, Answer], plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Statements are shared by all executors of a process: those made before would hide the fault, and its own stay behind.
    monkeypatch.setattr(compiled_level, "MADE", Recent(5_000))
    monkeypatch.setattr(compiled_level, "SHAPES", Recent(2_000))
    plant(monkeypatch)
    planted = replace(both, compiled=both.compiled.anew())
    seen = next((message for seed in range(PATIENCE) if (message := _said(planted, answers, seed))), None)
    assert seen is not None, f"Nobody saw it in {PATIENCE} documents."
    assert seen.startswith(SEEN), seen


def _said(planted: Pair, answers: dict[int, Answer], seed: int) -> str | None:
    """What the comparison says of one question; null where it is content."""
    asked, viewer = planted.draw(Random(seed))
    if seed not in answers:
        answers[seed] = planted.ordinary.ask(asked, planted.viewers[viewer])
    try:
        planted.check(asked, viewer, answers[seed])
    except DifferenceError as difference:
        return str(difference)
    return None


def _answer(data: bytes, *paths: str, actual: int = 1) -> Answer:
    errors = [{"path": path.split("."), "message": path, "extensions": {"code": "INVALID"}} for path in paths]
    return Answer(data, tuple(errors), early=False, actual=actual, executor="ordinary", bailed=None)


def test_errors_may_differ_only_where_another_emptied_what_both_are_in() -> None:
    assert _answer(b"null", "a", "b").agrees(_answer(b"null", "b", actual=3))
    assert _answer(b'{"p":{"c":null}}', "p.c.d", "p.c.e").agrees(_answer(b'{"p":{"c":null}}', "p.c.d"))
    assert not _answer(b"null", "a").agrees(_answer(b"null", "b"))
    assert not _answer(b"null", "a").agrees(_answer(b"null", "a", actual=2))
    assert not _answer(b"null", "a", "b").agrees(_answer(b'{"a":null}', "a"))
    assert not _answer(b'{"a":null,"b":null}', "a", "b").agrees(_answer(b'{"a":null,"b":null}', "b"))
