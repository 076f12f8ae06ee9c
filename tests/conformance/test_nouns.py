"""Every noun of the registry is run through every rule. A noun is not there before it passes."""

from __future__ import annotations

from decimal import Decimal
from itertools import chain
from typing import Any

import pytest
import sqlalchemy as sa
from strawberry.utils.str_converters import to_camel_case

from hub import aggregate, ids, registry, verify
from hub.db import Json
from hub.registry import Part
from hub.token import Wish
from schema import root
from schema.spec import Column, Text
from tests.conformance.sample import (
    ROOTS,
    SYSTEM,
    Made,
    Sampler,
    camel,
    command,
    noun_of,
    title,
)
from tests.running import wait_until

EVERY_NOUN = pytest.mark.parametrize("part", ROOTS.values(), ids=ROOTS)


def event(part: Part) -> str:
    """How event types call the noun."""
    return part.name.replace("_", "")


def records(sampler: Sampler, made: Made) -> list[Json]:
    """The feed's records about one object, once everything committed has its sequence."""
    number = ids.decode(made.id)[1]
    found: list[Json] = []
    after: str | None = None
    while True:
        page = sampler.server.data(CHANGES, {"after": after, "types": [f"{event(made.part)}.*"]})["changes"]
        found += [each for each in page["nodes"] if ids.decode(each["entityId"])[1] == number]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return found


CHANGES = """query($after: String, $types: [String!]) {
    changes(after: $after, types: $types, first: 1000) {
        nodes { sequence type events entityType entityId entityVersion kind actor source changedPaths { path old new } }
        pageInfo { endCursor hasNextPage }
    } }"""


def recorded(sampler: Sampler, made: Made, count: int) -> list[Json]:
    """The records about one object, as soon as there are so many."""
    wait_until(lambda: len(records(sampler, made)) >= count)
    return records(sampler, made)


def read(
    sampler: Sampler, part: Part, way: str, value: Any, type_: str, selection: str = "id version"
) -> Any:
    noun = noun_of(part)
    text = f"query($value: {type_}) {{ found: {noun.single}({way}: $value) {{ {selection} }} }}"
    return sampler.server.data(text, {"value": value})["found"]


def plain_fields(part: Part, given: Json) -> dict[str, Any]:
    """What was given for columns that the noun shows as they are, by GraphQL name."""
    noun = noun_of(part)
    columns = {column.name: to_camel_case(name) for name, (column, _) in part.fields().items()}
    return {
        to_camel_case(name): given[columns[spec.name or name]]
        for name, spec in noun.specs.items()
        if isinstance(spec, Column) and spec.of == "own" and columns.get(spec.name or name) in given
    }


def text_fields(part: Part, given: Json) -> dict[str, Any]:
    """What was given for localised texts, by GraphQL name."""
    noun = noun_of(part)
    return {
        to_camel_case(name): given[to_camel_case(spec.name or name)]
        for name, spec in noun.specs.items()
        if isinstance(spec, Text) and to_camel_case(spec.name or name) in given
    }


@EVERY_NOUN
def test_what_is_created_is_read_back(sampler: Sampler, part: Part) -> None:
    made = sampler.create(part)
    plain, texts = plain_fields(part, made.input), text_fields(part, made.input)
    selection = " ".join(["id version", *plain, *(f"{name}Translations {{ locale text }}" for name in texts)])
    found = read(sampler, part, "id", made.id, "ID", selection)
    assert found["version"] == 1
    for name, value in plain.items():
        decimal = isinstance(found[name], str) and isinstance(value, str) and value.endswith(".50")
        assert (Decimal(found[name]) == Decimal(value)) if decimal else (found[name] == value), name
    for name, value in texts.items():
        assert found[f"{name}Translations"] == sorted(value, key=lambda each: each["locale"])


@EVERY_NOUN
def test_it_is_found_by_id_key_and_external_id(sampler: Sampler, part: Part) -> None:
    made = sampler.create(part)
    assert read(sampler, part, "id", made.id, "ID")["id"] == made.id
    assert read(sampler, part, "externalId", made.external_id, "ExternalIdInput")["id"] == made.id
    if made.key is not None:
        assert part.kept.key in root.look_ups(noun_of(part))
        assert read(sampler, part, to_camel_case(part.kept.key), made.key, "String")["id"] == made.id
    other = {"system": SYSTEM, "id": f"{made.external}-other"}
    assert read(sampler, part, "externalId", other, "ExternalIdInput") is None


@EVERY_NOUN
def test_it_shows_its_external_ids(sampler: Sampler, part: Part) -> None:
    made = sampler.create(part)
    sampler.send(
        part.name, "update", {"id": made.id, "externalIds": [{"system": "other", "id": made.external}]}
    )
    text = """query($id: ID!, $system: String) { node(id: $id) { ... on Aggregate {
        externalIds(system: $system) { system id } } } }"""
    shown = sampler.server.data(text, {"id": made.id, "system": SYSTEM})["node"]["externalIds"]
    assert shown == [made.external_id]
    gone = {"id": made.id, "externalIds": [{"system": "other", "id": made.external, "remove": True}]}
    sampler.send(part.name, "update", gone)
    assert sampler.server.data(text, {"id": made.id})["node"]["externalIds"] == [made.external_id]


@EVERY_NOUN
def test_an_update_is_read_back_and_counts_one_version(sampler: Sampler, part: Part) -> None:
    made = sampler.create(part)
    change = sampler.changed(made)
    payload = sampler.send(part.name, "update", change)
    assert payload["outcome"] == "UPDATED"
    assert payload[camel(part)] == {"id": made.id, "version": 2}
    plain, texts = plain_fields(part, change), text_fields(part, change)
    selection = " ".join(["id", *plain, *(f"{name}Translations {{ locale text }}" for name in texts)])
    found = read(sampler, part, "id", made.id, "ID", selection)
    for name, value in plain.items():
        assert found[name] == value
    for name, value in texts.items():
        assert found[f"{name}Translations"] == sorted(value, key=lambda each: each["locale"])


@EVERY_NOUN
def test_the_same_again_changes_nothing_and_tells_nobody(sampler: Sampler, part: Part) -> None:
    made = sampler.create(part)
    payload = sampler.send(part.name, "update", {**made.input, "id": made.id})
    assert payload["outcome"] == "UNCHANGED"
    assert payload[camel(part)] == {"id": made.id, "version": 1}
    sampler.send(part.name, "update", sampler.changed(made))
    assert [each["entityVersion"] for each in recorded(sampler, made, 2)] == [1, 2]


@EVERY_NOUN
def test_it_is_deleted_and_gone(sampler: Sampler, part: Part) -> None:
    made = sampler.create(part)
    assert sampler.delete(made) == []
    assert not sampler.exists(made)
    assert read(sampler, part, "externalId", made.external_id, "ExternalIdInput") is None
    assert [each["code"] for each in sampler.delete(made)] == ["NOT_FOUND"]
    again = sampler.create(part, made.input)
    assert sampler.version(again) >= 1


@EVERY_NOUN
def test_what_is_created_twice_is_refused(sampler: Sampler, part: Part) -> None:
    made = sampler.create(part)
    payload = sampler.payload(part.name, "create", made.input)
    assert {each["code"] for each in payload["userErrors"]} == {"DUPLICATE"}
    assert payload[camel(part)] is None
    assert sampler.version(made) == 1


@EVERY_NOUN
def test_what_does_not_exist_cannot_be_updated(sampler: Sampler, part: Part) -> None:
    made = sampler.create(part, full=False)
    change = sampler.changed(made)
    assert sampler.delete(made) == []
    payload = sampler.payload(part.name, "update", change)
    assert [each["code"] for each in payload["userErrors"]] == ["NOT_FOUND"]
    assert payload["userErrors"][0]["field"] == ["input", "id"]


@EVERY_NOUN
def test_an_id_of_another_noun_is_refused(sampler: Sampler, part: Part) -> None:
    other = next(each for each in ("locale", "company") if each != part.name)
    wrong = ids.encode(other, 1)
    payload = sampler.payload(part.name, "update", {"id": wrong})
    assert [(each["code"], each["field"]) for each in payload["userErrors"]] == [("INVALID", ["input", "id"])]


@EVERY_NOUN
def test_a_list_holds_it_and_a_filter_picks_it(sampler: Sampler, part: Part) -> None:
    made = [sampler.create(part, full=False) for _ in range(2)]
    noun = noun_of(part)
    text = f"query($filter: {title(part)}Filter) {{ {noun.plural}(filter: $filter, first: 100) {{ nodes {{ id }} }} }}"
    for picked in (made[:1], made):
        found = sampler.server.data(text, {"filter": {"id": {"in": [each.id for each in picked]}}})[
            noun.plural
        ]
        assert sorted(each["id"] for each in found["nodes"]) == sorted(each.id for each in picked)


@EVERY_NOUN
def test_pages_forwards_and_backwards_hold_everything_once(sampler: Sampler, part: Part) -> None:
    made = [sampler.create(part, full=False).id for _ in range(5)]
    noun = noun_of(part)
    only = {"id": {"in": made}}

    def pages(size: str, cursor: str, more: str, at: str) -> list[list[str]]:
        text = (
            f"query($filter: {title(part)}Filter, $at: String) {{ {noun.plural}(filter: $filter, {size}: 2, {cursor}: $at)"
            f" {{ nodes {{ id }} totalCount pageInfo {{ {more} {at} }} }} }}"
        )
        found, place = [], None
        while True:
            page = sampler.server.data(text, {"filter": only, "at": place})[noun.plural]
            assert page["totalCount"] == 5
            found.append([each["id"] for each in page["nodes"]])
            place = page["pageInfo"][at]
            if not page["pageInfo"][more]:
                return found

    forwards = pages("first", "after", "hasNextPage", "endCursor")
    backwards = pages("last", "before", "hasPreviousPage", "startCursor")
    assert [len(page) for page in forwards] == [len(page) for page in backwards] == [2, 2, 1]
    assert sorted(chain(*forwards)) == sorted(made)
    assert list(chain(*forwards)) == list(chain(*reversed(backwards)))


@EVERY_NOUN
def test_a_stale_version_is_a_conflict_that_names_the_current_one(sampler: Sampler, part: Part) -> None:
    made = sampler.create(part)
    sampler.send(part.name, "update", sampler.changed(made), ifVersion=1)
    for refused in (
        sampler.payload(part.name, "update", sampler.changed(made), ifVersion=1)["userErrors"],
        sampler.delete(made, ifVersion=1),
    ):
        assert [(each["code"], each["field"], each["version"]) for each in refused] == [
            ("CONFLICT", ["ifVersion"], 2)
        ]
    assert sampler.version(made) == 2
    assert sampler.delete(made, ifVersion=2) == []


@EVERY_NOUN
def test_an_idempotency_key_makes_once_and_answers_alike(sampler: Sampler, part: Part) -> None:
    given, key = sampler.input(part), f"key-{part.name}"
    first = sampler.send(part.name, "create", given, idempotencyKey=key)
    assert sampler.send(part.name, "create", given, idempotencyKey=key) == first
    other = sampler.payload(part.name, "create", sampler.input(part), idempotencyKey=key)
    assert [(each["code"], each["field"]) for each in other["userErrors"]] == [
        ("IDEMPOTENCY_MISMATCH", ["idempotencyKey"])
    ]
    assert other[camel(part)] is None


@EVERY_NOUN
def test_every_kind_of_token_reads_and_writes_as_its_scopes_say(sampler: Sampler, part: Part) -> None:
    made = sampler.create(part)
    scope = part.kept.scope
    reader, writer, other = (app(sampler, name) for name in (f"{scope}:read", f"{scope}:write", "feed:read"))
    text, variables = f"query($id: ID) {{ {noun_of(part).single}(id: $id) {{ id }} }}", {"id": made.id}
    assert sampler.server.data(text, variables, token=reader)[noun_of(part).single] == {"id": made.id}
    for token in (writer, other):
        assert codes(sampler.server.graphql(text, variables, token=token)) == ["FORBIDDEN"]
    change = command(part.name, "update", sampler.changed(made))
    for token in (reader, other, storefront(sampler)):
        assert codes(sampler.server.graphql(*change, token=token)) == ["FORBIDDEN"]
    assert sampler.version(made) == 1
    written = sampler.server.data(*change, token=writer)["answer"]
    # A token that may write but not read is told that it was done, and shown nothing.
    assert (written["outcome"], written["userErrors"], written[camel(part)]) == ("UPDATED", [], None)
    assert sampler.version(made) == 2


def codes(answer: Json) -> list[str]:
    return [each["extensions"]["code"] for each in answer["errors"]]


def app(sampler: Sampler, scope: str) -> str:
    return sampler.server.new_token(Wish(kind="app", name="app", scopes=[scope]))


def storefront(sampler: Sampler) -> str:
    channel = sampler.create(ROOTS["channel"], full=False)
    return sampler.server.new_token(Wish(kind="storefront", name="shop", channels=[channel.key]))


@EVERY_NOUN
def test_a_storefront_sees_nothing_of_customers_and_orders(sampler: Sampler, part: Part) -> None:
    made = sampler.create(part)
    text = f"query($id: ID) {{ {noun_of(part).single}(id: $id) {{ id }} }}"
    answer = sampler.server.graphql(text, {"id": made.id}, token=storefront(sampler))
    if part.kept.scope in ("customers", "orders") or noun_of(part).requires is not None:
        assert codes(answer) == ["FORBIDDEN"]
    else:
        assert "errors" not in answer
    if part.name == "product":
        assert answer["data"]["product"] is None, "it is listed nowhere in the storefront's channel"


@EVERY_NOUN
def test_the_feed_tells_kind_version_and_writer(sampler: Sampler, part: Part) -> None:
    made = sampler.create(part)
    sampler.send(part.name, "update", sampler.changed(made))
    assert sampler.delete(made) == []
    found = recorded(sampler, made, 3)
    assert [(each["kind"], each["entityVersion"]) for each in found] == [
        ("CREATED", 1),
        ("UPDATED", 2),
        ("DELETED", 3),
    ]
    for each in found:
        assert each["entityType"] == part.name
        assert each["entityId"] == made.id
        assert each["type"] == f"{event(part)}.{each['kind'].lower()}"
        assert each["type"] in each["events"]
        assert each["source"] == "tests"
        assert each["actor"].startswith("token:")
        assert each["changedPaths"]
    assert [each["sequence"] for each in found] == sorted({each["sequence"] for each in found})


def test_the_changes_of_every_noun_replay(sampler: Sampler) -> None:
    for part in ROOTS.values():
        made = [sampler.create(part) for _ in range(2)]
        sampler.send(part.name, "update", sampler.changed(made[0]))
        assert sampler.delete(made[1]) == []
    report = verify.verify(sampler.server.database)
    assert report.faults == []
    assert report.records >= 4 * len(ROOTS)


@EVERY_NOUN
def test_a_batch_creates_changes_and_leaves_alone(sampler: Sampler, part: Part) -> None:
    made = sampler.create(part)
    rows = [sampler.input(part), sampler.changed(made), {**sampler.create(part, full=False).input}]
    payload = sampler.bulk(part, rows)
    assert payload["userErrors"] == []
    assert [each["outcome"] for each in payload["results"]] == ["CREATED", "UPDATED", "UNCHANGED"]
    assert [each["index"] for each in payload["results"]] == [0, 1, 2]
    assert [each[camel(part)]["version"] for each in payload["results"]] == [1, 2, 1]


def bad(part: Part, given: Json) -> Json:
    """An input with something that no hub has ever given out."""
    return {**given, "externalIds": [{"system": "not a code", "id": "x"}]}


@EVERY_NOUN
def test_a_batch_with_a_bad_row_is_rejected_whole_or_without_it(sampler: Sampler, part: Part) -> None:
    made = sampler.create(part)
    rows = [sampler.input(part), bad(part, sampler.input(part)), sampler.changed(made)]
    rejected = sampler.bulk(part, rows, policy="REJECT_ALL")
    assert {each["outcome"] for each in rejected["results"]} == {"REFUSED"}
    assert [each[camel(part)] for each in rejected["results"]] == [None] * 3
    assert [each["field"][:2] for each in rejected["userErrors"]] == [["rows", "1"]]
    assert sampler.version(made) == 1
    skipped = sampler.bulk(part, rows, policy="SKIP_INVALID")
    assert [each["outcome"] for each in skipped["results"]] == ["CREATED", "REFUSED", "UPDATED"]
    assert skipped["results"][1]["userErrors"] == skipped["userErrors"]
    assert sampler.version(made) == 2


@EVERY_NOUN
def test_bad_input_leaves_nothing_behind(sampler: Sampler, part: Part) -> None:
    given = sampler.input(part)
    before = counts(sampler)
    payload = sampler.payload(part.name, "create", bad(part, given))
    assert [each["code"] for each in payload["userErrors"]] == ["INVALID"]
    assert payload["userErrors"][0]["field"] == ["input", "externalIds", "0", "system"]
    assert '"not a code"' in payload["userErrors"][0]["message"]
    assert counts(sampler) == before
    assert sampler.create(part, given).external == given["externalIds"][0]["id"]


def counts(sampler: Sampler) -> dict[str, int]:
    """How many rows every kept table has, and how many changes were recorded."""
    with sampler.server.database.read() as tx:
        found = {
            each.name: tx.execute(sa.select(sa.func.count()).select_from(each.table)).scalar_one()
            for each in registry.parts()
        }
        return found | {
            "versions": tx.execute(sa.select(sa.func.sum(aggregate.Aggregate.version))).scalar_one()
        }
