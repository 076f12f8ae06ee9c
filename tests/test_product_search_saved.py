"""Saved searches: kept, shared, changed, run, and closed to storefronts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from hub.db import Database, Json
from hub.errors import Code
from hub.viewer import Viewer
from search.rebuild import rebuild
from search.tantivy_index import TantivyIndex
from tests.capturing import drain
from tests.reading import STAFF, STOREFRONT, Asking, asking, scoped
from tests.search_contract import catalogue

ANNA, BERT = replace(STAFF, system="anna"), replace(STAFF, system="bert")
SHOWN = "id name owner shared channel locale query filter sort version"
CREATE = f"""mutation($input: SavedSearchInput!) {{ savedSearchCreate(input: $input) {{
    savedSearch {{ {SHOWN} }} userErrors {{ field code message }} }} }}"""
UPDATE = f"""mutation($id: ID!, $input: SavedSearchInput!, $ifVersion: Int) {{
    savedSearchUpdate(id: $id, input: $input, ifVersion: $ifVersion) {{
        savedSearch {{ {SHOWN} }} userErrors {{ field code message }} }} }}"""
DELETE = "mutation($id: ID!) { savedSearchDelete(id: $id) { deletedId userErrors { code message } } }"
RUN = """query($id: ID!, $words: String, $filter: ProductSearchFilter) {
    productSearch(savedSearch: $id, query: $words, filter: $filter) { nodes { slug } } }"""

RED: Json = {
    "attribute": [{"code": "colour", "in": ["red", "blue"]}, {"code": "rating", "gte": 4}],
    "listed": True,
    "price": {"lt": "100.00"},
    "createdAt": {"gte": "2020-01-01T00:00:00Z"},
    "not": {"type": ["audio"]},
}
DEAREST = {"field": "PRICE", "direction": "DESC"}


@pytest.fixture(scope="module")
def ask(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    catalogue.fill(module_database)
    drain(module_database)
    index = TantivyIndex(tmp_path_factory.mktemp("search"))
    rebuild(module_database, index)
    with asking(module_database) as opened:
        opened.extras["search"] = index
        yield opened


def saved(ask: Asking, viewer: Viewer = ANNA, **given: Any) -> Json:
    answer: Json = ask(CREATE, viewer, input=given)["savedSearchCreate"]
    assert answer["userErrors"] == []
    made: Json = answer["savedSearch"]
    return made


def refused(answer: Any) -> tuple[str, list[str], str]:
    (error,) = next(iter(answer.values()))["userErrors"]
    return error["code"], error["field"], error["message"]


def run(ask: Asking, id: str, viewer: Viewer = ANNA, **more: Any) -> list[str]:  # noqa: A002 - the API's name
    return [node["slug"] for node in ask(RUN, viewer, id=id, **more)["productSearch"]["nodes"]]


def test_a_search_is_kept_and_run(ask: Asking) -> None:
    made = saved(ask, name="Well rated", channel="web", locale="en", filter=RED, sort=DEAREST)
    kept = {name: each for name, each in made.items() if name != "id"}
    assert kept == {
        "name": "Well rated",
        "owner": "anna",
        "shared": False,
        "channel": "web",
        "locale": "en",
        "query": None,
        "filter": RED,
        "sort": DEAREST | {"attribute": None},
        "version": 1,
    }
    assert run(ask, made["id"]) == ["zeta", "delta"]
    assert run(ask, made["id"], words="kettle") == ["delta"]
    assert run(ask, made["id"], filter={"attribute": {"code": "colour", "eq": "blue"}}) == ["zeta"]
    found = ask(f"query($id: ID!) {{ savedSearch(id: $id) {{ {SHOWN} }} }}", ANNA, id=made["id"])
    assert found["savedSearch"] == made


def test_a_saved_search_is_its_owner_s_until_it_is_shared(ask: Asking) -> None:
    own = saved(ask, name="Mine", query="kettle")
    listing = "{ savedSearches { name } }"
    assert {"name": "Mine"} in ask(listing, ANNA)["savedSearches"]
    assert {"name": "Mine"} not in ask(listing, BERT)["savedSearches"]
    assert ask("query($id: ID!) { savedSearch(id: $id) { name } }", BERT, id=own["id"]) == {
        "savedSearch": None
    }
    assert ask.refused(RUN, BERT, id=own["id"]).code is Code.NOT_FOUND
    assert refused(ask(UPDATE, BERT, id=own["id"], input={"name": "His"}))[0] == "NOT_FOUND"
    assert ask(DELETE, BERT, id=own["id"])["savedSearchDelete"]["deletedId"] is None
    ask(UPDATE, ANNA, id=own["id"], input={"shared": True})
    assert {"name": "Mine"} in ask(listing, BERT)["savedSearches"]
    assert set(run(ask, own["id"], BERT)) == {"delta", "iota", "kappa", "lambda"}


def test_a_change_names_the_version_that_it_is_about(ask: Asking) -> None:
    made = saved(ask, name="Versions", query="shoe")
    changed = ask(UPDATE, ANNA, id=made["id"], input={"query": "kettle"}, ifVersion=1)["savedSearchUpdate"]
    assert changed["savedSearch"] == made | {"query": "kettle", "version": 2}
    code, field, message = refused(ask(UPDATE, ANNA, id=made["id"], input={"query": "lamp"}, ifVersion=1))
    assert (code, field) == ("CONFLICT", ["ifVersion"])
    assert "is at version 2, not 1" in message
    same = ask(UPDATE, ANNA, id=made["id"], input={"query": "kettle"})["savedSearchUpdate"]
    assert same["savedSearch"]["version"] == 2
    bare = ask(UPDATE, ANNA, id=made["id"], input={"query": None})["savedSearchUpdate"]
    assert bare["savedSearch"]["query"] is None


def test_a_deleted_one_is_gone(ask: Asking) -> None:
    made = saved(ask, name="Short-lived")
    assert ask(DELETE, ANNA, id=made["id"])["savedSearchDelete"] == {
        "deletedId": made["id"],
        "userErrors": [],
    }
    assert ask.refused(RUN, ANNA, id=made["id"]).code is Code.NOT_FOUND
    again = ask(DELETE, ANNA, id=made["id"])["savedSearchDelete"]
    assert [each["code"] for each in again["userErrors"]] == ["NOT_FOUND"]


@pytest.mark.parametrize(
    ("given", "code", "field", "said"),
    [
        ({}, "REQUIRED", ["input", "name"], "needs a name"),
        ({"name": "  "}, "INVALID", ["input", "name"], "without a name"),
        ({"name": "x" * 201}, "LIMIT", ["input", "name"], "201 characters"),
        ({"name": "n", "shared": None}, "INVALID", ["input", "shared"], "give true or false"),
        ({"name": "n", "channel": "nope"}, "NOT_FOUND", ["input", "channel"], 'Channel "nope"'),
        ({"name": "n", "locale": "!"}, "INVALID", ["input"], "is not a BCP 47 locale"),
        ({"name": "n", "query": "x" * 1001}, "LIMIT", ["input", "query"], "1001 characters"),
        (
            {"name": "n", "filter": {"attribute": {"code": "nope", "eq": 1}}},
            "NOT_FOUND",
            ["input", "filter"],
            'Attribute "nope"',
        ),
        (
            {"name": "n", "filter": {"attribute": {"code": "colour", "gt": 1}}},
            "INVALID",
            ["input", "filter"],
            "have no order",
        ),
        (
            {"name": "n", "sort": {"field": "PRICE"}},
            "INVALID",
            ["input", "sort"],
            "Prices belong to a channel",
        ),
    ],
)
def test_what_could_not_be_run_is_not_kept(
    ask: Asking, given: Json, code: str, field: list[str], said: str
) -> None:
    found = refused(ask(CREATE, ANNA, input=given))
    assert (found[0], found[1], said in found[2]) == (code, field, True), found


def test_an_owner_has_a_name_once(ask: Asking) -> None:
    saved(ask, name="Twice")
    assert refused(ask(CREATE, ANNA, input={"name": "Twice"}))[0] == "DUPLICATE"
    other = saved(ask, BERT, name="Twice")
    third = saved(ask, BERT, name="Thrice")
    assert refused(ask(UPDATE, BERT, id=third["id"], input={"name": other["name"]}))[0] == "DUPLICATE"


def test_they_are_for_staff_and_apps_with_the_scope(ask: Asking) -> None:
    made = saved(ask, name="Closed", shared=True)
    assert ask.refused("{ savedSearches { name } }", STOREFRONT).code is Code.FORBIDDEN
    run_it = f'{{ productSearch(savedSearch: "{made["id"]}", channel: "web") {{ step }} }}'
    assert ask.refused(run_it, STOREFRONT).code is Code.FORBIDDEN
    reader = scoped(ANNA, "catalogue:read", "search:read")
    assert run(ask, made["id"], reader)
    assert ask.refused(CREATE, reader, input={"name": "No"}).code is Code.FORBIDDEN
