"""Several writers: what each is told agrees with a model, and no write is lost, whoever comes first."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub import verify
from hub.db import Json
from tests.running import Server
from tests.shop import LONGER, all_rows, opened

OBJECTS, ACTORS, NAMES = 3, 3, ("A", "B", "C")
ERRORS = "userErrors { code version field }"
examples = count(1)


@pytest.fixture(scope="module")
def shop(module_server: Server) -> Server:
    opened(module_server.database)
    return module_server


@dataclass
class Model:
    """What must be there: for each object its version and name, null where there is none; and what each actor saw."""

    shop: Server
    prefix: str
    objects: list[tuple[int, str] | None] = field(default_factory=lambda: [None] * OBJECTS)
    seen: dict[tuple[int, int], int] = field(default_factory=dict)

    def slug(self, which: int) -> str:
        return f"{self.prefix}-{which}"

    def expected(self, actor: int, which: int, *, guarded: bool) -> int | None:
        """The version that an actor names: the one it saw last, however old."""
        return self.seen.get((actor, which)) if guarded else None

    def read(self, actor: int, which: int, **_: Any) -> None:
        text = 'query($slug: String) { product(slug: $slug, locale: "en") { version name } }'
        found = self.shop.data(text, {"slug": self.slug(which)})["product"]
        stored = self.objects[which]
        assert found == (None if stored is None else {"version": stored[0], "name": stored[1]})
        if stored is not None:
            self.seen[actor, which] = stored[0]

    def create(self, actor: int, which: int, name: str, **_: Any) -> None:
        answer = change(self.shop, "Create", {**product(self.slug(which), name), "type": {"key": "shirt"}})
        if self.objects[which] is not None:
            assert codes(answer) == ["DUPLICATE"]
            return
        self.objects[which] = (1, name)
        self.seen[actor, which] = 1
        assert (answer["outcome"], answer["product"]) == ("CREATED", {"version": 1})

    def update(self, actor: int, which: int, name: str, *, guarded: bool) -> None:
        expected = self.expected(actor, which, guarded=guarded)
        answer = change(self.shop, "Update", product(self.slug(which), name), expected)
        if not self._may(answer, which, expected):
            return
        version, old = self.objects[which] or (0, "")
        changed = name != old
        self.objects[which] = (version + changed, name)
        self.seen[actor, which] = version + changed
        assert answer["outcome"] == ("UPDATED" if changed else "UNCHANGED")
        assert answer["product"] == {"version": version + changed}

    def delete(self, actor: int, which: int, *, guarded: bool, **_: Any) -> None:
        expected = self.expected(actor, which, guarded=guarded)
        text = "mutation($key: String, $v: Long) { answer: productDelete(key: $key, ifVersion: $v) { deletedId %s } }"
        answer = self.shop.data(text % ERRORS, {"key": self.slug(which), "v": expected})["answer"]
        if self._may(answer, which, expected):
            self.objects[which] = None
            assert answer["deletedId"] is not None

    def upsert(self, which: int, name: str, **_: Any) -> None:
        """Two objects at once, of which the second is also given a variant that it cannot have."""
        other = (which + 1) % OBJECTS
        rows = [
            {**product(self.slug(which), name), "type": {"key": "shirt"}},
            {**product(self.slug(other), name), "type": {"key": "nowhere"}},
        ]
        text = "mutation($rows: [ProductInput!]!) { answer: productBulkUpsert(rows: $rows, policy: SKIP_INVALID) "
        answer = self.shop.data(text + "{ results { outcome } } }", {"rows": rows})["answer"]
        version, old = self.objects[which] or (0, "")
        self.objects[which] = (version + (name != old), name)
        outcome = "CREATED" if not version else "UPDATED" if name != old else "UNCHANGED"
        assert [each["outcome"] for each in answer["results"]] == [outcome, "REFUSED"]

    def _may(self, answer: Json, which: int, expected: int | None) -> bool:
        """Whether a command must have been carried out; checks the refusal where it must not."""
        stored = self.objects[which]
        if stored is None:
            assert codes(answer) == ["NOT_FOUND"]
            return False
        if expected not in (None, stored[0]):
            assert answer["userErrors"] == [
                {"code": "CONFLICT", "version": stored[0], "field": ["ifVersion"]}
            ]
            return False
        assert answer["userErrors"] == []
        return True


def product(slug: str, name: str) -> Json:
    return {"slug": slug, "name": [{"locale": "en", "text": name}]}


def change(shop: Server, verb: str, given_: Json, expected: int | None = None) -> Json:
    guard = ("", "") if verb == "Create" else (", $v: Long", ", ifVersion: $v")
    text = (
        f"mutation($input: ProductInput!{guard[0]}) {{ answer: product{verb}(input: $input{guard[1]})"
        f" {{ outcome product {{ version }} {ERRORS} }} }}"
    )
    variables = {"input": given_} if verb == "Create" else {"input": given_, "v": expected}
    answer: Json = shop.data(text, variables)["answer"]
    return answer


def codes(answer: Json) -> list[str]:
    return [each["code"] for each in answer["userErrors"]]


COMMANDS = st.lists(
    st.tuples(
        st.sampled_from(["read", "create", "update", "update", "delete", "upsert"]),
        st.integers(0, ACTORS - 1),
        st.integers(0, OBJECTS - 1),
        st.sampled_from(NAMES),
        st.booleans(),
    ),
    min_size=5,
    max_size=25,
)


@pytest.mark.soak
@settings(
    max_examples=int(40 * LONGER),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(commands=COMMANDS)
def test_interleaved_commands_agree_with_a_model(
    shop: Server, commands: list[tuple[str, int, int, str, bool]]
) -> None:
    model = Model(shop, f"model-{next(examples)}")
    for verb, actor, which, name, guarded in commands:
        act: Callable[..., None] = getattr(model, verb)
        act(actor=actor, which=which, name=name, guarded=guarded)
    for which in range(OBJECTS):
        model.read(0, which)


def test_the_commands_before_left_a_feed_that_replays(shop: Server) -> None:
    assert verify.verify(shop.database).faults == []


def test_of_two_writers_one_wins_and_the_other_is_told_the_current_version(shop: Server) -> None:
    change(shop, "Create", {**product("contested", "A"), "type": {"key": "shirt"}})
    for version in range(1, 21):
        together = threading.Barrier(2)

        def write(name: str, version: int = version, together: threading.Barrier = together) -> Json:
            together.wait()
            return change(shop, "Update", product("contested", name), version)

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(write, [f"one {version}", f"two {version}"]))
        won = [each for each in answers if not each["userErrors"]]
        lost = [each for each in answers if each["userErrors"]]
        assert [each["product"]["version"] for each in won] == [version + 1]
        assert [each["userErrors"] for each in lost] == [
            [{"code": "CONFLICT", "version": version + 1, "field": ["ifVersion"]}]
        ]


def test_of_two_that_create_the_same_one_wins(shop: Server) -> None:
    for number in range(10):
        together = threading.Barrier(2)

        def write(_: int, number: int = number, together: threading.Barrier = together) -> Json:
            together.wait()
            return change(shop, "Create", {**product(f"same-{number}", "A"), "type": {"key": "shirt"}})

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(write, range(2)))
        assert sorted(codes(each) for each in answers) == [[], ["DUPLICATE"]]


def test_writers_of_different_parts_of_one_product_lose_nothing(shop: Server) -> None:
    change(shop, "Create", {**product("shared", "A"), "type": {"key": "shirt"}})

    def write(which: int) -> list[Json]:
        return [
            change(shop, "Update", {"slug": "shared", "variants": [{"sku": f"shared-{which}-{number}"}]})
            for number in range(10)
        ]

    with ThreadPoolExecutor(4) as pool:
        answers = [answer for each in pool.map(write, range(4)) for answer in each]
    assert [codes(each) for each in answers] == [[]] * 40
    assert max(each["product"]["version"] for each in answers) == 41
    assert all_rows(shop.database, "SELECT count(*) FROM variant WHERE sku LIKE 'shared-%'") == [(40,)]


def test_batches_in_opposite_orders_do_not_stand_in_each_others_way(shop: Server) -> None:
    slugs = [f"crossed-{number}" for number in range(20)]
    text = "mutation($rows: [ProductInput!]!) { answer: productBulkUpsert(rows: $rows) { userErrors { code message } } }"

    def write(which: int) -> list[list[Json]]:
        shuffled = random.Random(which)
        found: list[list[Json]] = []
        for number in range(10):
            order = shuffled.sample(slugs, len(slugs))
            rows = [{**product(slug, f"{which} {number}"), "type": {"key": "shirt"}} for slug in order]
            found.append(shop.data(text, {"rows": rows})["answer"]["userErrors"])
        return found

    write(99)
    with ThreadPoolExecutor(4) as pool:
        refusals = [refused for each in pool.map(write, range(4)) for refused in each]
    assert refusals == [[]] * 40
    assert verify.verify(shop.database).faults == []
