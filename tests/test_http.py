"""GraphQL over HTTP: who is let in, what is understood, and what is too much."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hub import token
from hub.db import HUB
from hub.token import Wish
from tests.running import Server, wait_until
from tests.shop import all_rows

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
QUERY = {"query": "{ __typename }"}
ANSWER = {"__typename": "Query"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """The code of the only error."""
        errors = self.json["errors"]
        assert len(errors) == 1, errors
        code: str = errors[0]["extensions"]["code"]
        return code


def call(
    server: Server,
    body: Any = None,
    *,
    method: str = "POST",
    query: str = "",
    authorization: str | None = "ours",
    **headers: str,
) -> Answer:
    """One request. ``body`` is sent as JSON unless it is bytes; a header of ``""`` is left out."""
    sent = {
        "content-type": JSON,
        "authorization": authorization,
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    if authorization == "ours":
        sent["authorization"] = f"Bearer {server.token}"
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{server.url}/graphql{query}", data, {k: v for k, v in sent.items() if v}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return Answer(response.status, dict(response.headers.items()), response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers.items()), error.read().decode())


@pytest.fixture(scope="module")
def hub(module_server: Server) -> Server:
    return module_server


@pytest.mark.parametrize(
    "authorization",
    [None, "Basic eDp5", "Bearer", "Bearer nonsense", f"Bearer {token.generate('staff')}"],
    ids=["none", "another scheme", "empty", "no token", "a token that the hub never gave out"],
)
def test_nobody_comes_in_without_a_token(hub: Server, authorization: str | None) -> None:
    answer = call(hub, QUERY, authorization=authorization)
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "hub token create" in answer.json["errors"][0]["message"]
    assert "data" not in answer.json


def test_an_expired_or_revoked_token_opens_nothing(hub: Server) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    text = hub.new_token(Wish(kind="staff", name="short", expires_at=later))
    assert call(hub, QUERY, authorization=f"bearer {text}").status == 200
    for column in ("revoked_at", "expires_at"):
        with hub.database.write(HUB) as tx:
            tx.execute(sa.text(f"UPDATE token SET {column} = now() WHERE name = 'short'"))
        assert call(hub, QUERY, authorization=f"Bearer {text}").code == "UNAUTHENTICATED"


def test_use_is_noted_after_the_answer(hub: Server) -> None:
    text = hub.new_token(Wish(kind="staff", name="noted"))
    assert all_rows(hub.database, "SELECT last_used_at FROM token WHERE name = 'noted'") == [(None,)]
    call(hub, QUERY, authorization=f"Bearer {text}")
    wait_until(
        lambda: (
            all_rows(hub.database, "SELECT last_used_at FROM token WHERE name = 'noted'")[0][0] is not None
        )
    )


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", JSON),
        ("*/*", JSON),
        (JSON, JSON),
        (GRAPHQL_JSON, GRAPHQL_JSON),
        (f"{GRAPHQL_JSON}, {JSON};q=0.9", GRAPHQL_JSON),
    ],
)
def test_the_answer_comes_in_the_media_type_asked_for(hub: Server, accept: str, media: str) -> None:
    answer = call(hub, QUERY, accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, f"{media}; charset=utf-8")
    assert answer.json["data"] == ANSWER


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"query": "\xff"}', "not JSON"),
        (b"[]", "not a JSON object"),
        ({}, 'no "query"'),
        ({"query": ""}, 'no "query"'),
        ({"query": 1}, '"query" is not a JSON text'),
        ({**QUERY, "operationName": {}}, '"operationName" is not a JSON text'),
        ({**QUERY, "variables": "x"}, '"variables" is not a JSON object'),
        ({**QUERY, "variables": [1]}, '"variables" is not a JSON object'),
        ({**QUERY, "extensions": 1}, '"extensions" is not a JSON object'),
    ],
)
def test_what_is_no_graphql_request_is_refused(hub: Server, body: Any, said: str) -> None:
    answer = call(hub, body)
    assert (answer.status, answer.code) == (400, "BAD_REQUEST")
    assert said in answer.json["errors"][0]["message"]


@pytest.mark.parametrize("name", ["operationName", "variables", "extensions"])
def test_a_null_stands_for_nothing_given(hub: Server, name: str) -> None:
    assert call(hub, {**QUERY, name: None}).json["data"] == ANSWER


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_only_json_is_taken(hub: Server, media: str) -> None:
    answer = call(hub, QUERY, content_type=media)
    assert (answer.status, answer.code) == (415, "MEDIA")


def test_a_query_may_be_a_link_and_a_mutation_may_not(hub: Server) -> None:
    def get(**given: str) -> Answer:
        return call(hub, method="GET", query="?" + urllib.parse.urlencode(given))

    assert get(query="{ __typename }").json["data"] == ANSWER
    text = "query A($id: ID!) { node(id: $id) { id } } query B { __typename }"
    assert get(query=text, operationName="B", variables='{"id": "x"}').json["data"] == ANSWER
    assert get(query="{ __typename }", variables="{").code == "BAD_REQUEST"
    refused = get(query='mutation { localeCreate(input: {code: "de"}) { outcome } }')
    assert (refused.status, refused.headers["allow"]) == (405, "POST")
    assert all_rows(hub.database, "SELECT count(*) FROM locale") == [(0,)]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_are_told_the_right_ones(hub: Server, method: str) -> None:
    answer = call(hub, QUERY, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"query": "{"}, "Syntax Error"),
    ({"query": "{ nothing }"}, "Cannot query field 'nothing'"),
    ({"query": "query($id: ID!) { node(id: $id) { id } }"}, "non-null type"),
    (
        {"query": "query($n: Int) { locales(first: $n) { nodes { id } } }", "variables": {"n": "x"}},
        "Int cannot represent",
    ),
    ({"query": "query A { __typename } query B { __typename }"}, "several operations"),
    ({"query": "{ __typename }", "operationName": "Nope"}, "Nope"),
    ({"query": "fragment A on Query { __typename }"}, "never used"),
]


@pytest.mark.parametrize(("body", "said"), WRONG)
@pytest.mark.parametrize(("accept", "status"), [(JSON, 200), (GRAPHQL_JSON, 400)])
def test_a_document_that_cannot_be_executed_has_no_data(
    hub: Server, body: dict[str, Any], said: str, accept: str, status: int
) -> None:
    answer = call(hub, body, accept=accept)
    assert answer.status == status, answer.text
    assert "data" not in answer.json
    assert said in answer.json["errors"][0]["message"]


@pytest.mark.parametrize(
    ("kind", "given", "remedy"),
    [
        ("DateTime", '"yesterday"', '"2026-01-31T12:00:00Z"'),
        ("DateTime", '"2026-01-31"', '"2026-01-31T12:00:00Z"'),
        ("Decimal", '"abc"', '"12.50"'),
        ("Decimal", '"NaN"', '"12.50"'),
        ("Long", '"abc"', "12"),
        ("Long", '"99999999999999999999"', "64 bits"),
    ],
)
@pytest.mark.parametrize("variable", [False, True])
def test_a_wrong_value_of_a_scalar_is_the_callers_error(
    hub: Server, kind: str, given: str, remedy: str, variable: bool
) -> None:
    argument = {
        "DateTime": "products(asOf: {})",
        "Decimal": "variants(filter: {{ prices: {{ amount: {{ gt: {} }} }} }})",
        "Long": "products(filter: {{ variants: {{ prices: {{ minQuantity: {{ gt: {} }} }} }} }})",
    }[kind]
    field = argument.format("$given" if variable else given)
    text = (
        f"query($given: {kind}) {{ {field} {{ nodes {{ id }} }} }}"
        if variable
        else f"{{ {field} {{ nodes {{ id }} }} }}"
    )
    answer = call(hub, {"query": text, "variables": {"given": json.loads(given)} if variable else {}})
    message = answer.json["errors"][0]["message"]
    assert answer.code == "INVALID", answer.text
    assert given.strip('"') in message
    assert remedy in message


def test_what_the_schema_does_not_know_has_a_code_too(hub: Server) -> None:
    for text in ('{ products(first: "a") { nodes { id } } }', "{ nonsense }", "{"):
        assert call(hub, {"query": text}).code == "BAD_REQUEST", text


def test_every_answer_says_what_it_cost(hub: Server) -> None:
    first = call(hub, {"query": "{ locales(first: 50) { nodes { id } pageInfo { endCursor } } }"}).json
    cost = first["extensions"]["cost"]
    assert cost["requested"] == 1 + 50 * 2
    assert cost["actual"] == 2
    after = call(hub, {"query": "{ locales(first: 50) { nodes { id } } }"}).json["extensions"]["cost"]
    assert after["restoreRate"] == 2_000_000
    assert 0 < after["remaining"] <= cost["remaining"] + 10_000_000


def test_what_would_cost_too_much_is_not_begun(hub: Server) -> None:
    text = (
        "{ "
        "products(first: 100) { nodes { variants(first: 100) { nodes { product { variants(first: 100) { nodes { prices { amount } sku } } } } } } }"
        " }"
    )
    answer = call(hub, {"query": text})
    assert (answer.status, answer.code) == (400, "BAD_REQUEST")
    assert "smaller pages" in answer.json["errors"][0]["message"]


def test_an_error_of_ours_is_masked_and_named(hub: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from hub import save

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(save, "save", broken)
    answer = call(hub, {"query": 'mutation { localeCreate(input: {code: "de"}) { outcome } }'})
    assert answer.code == "INTERNAL"
    error = answer.json["errors"][0]
    assert "swordfish" not in answer.text
    assert "Traceback" not in answer.text
    assert error["extensions"]["reference"] in error["message"]
    assert error["path"] == ["localeCreate"]


def nested(levels: int) -> str:
    return '{ category(id: "x") ' + "{ parent " * levels + "{ id }" + " }" * levels + " }"


def chain(links: int) -> str:
    """Fragments that each spread the next one twice: 2 to the power of ``links`` fields when written out."""
    parts = [
        f"fragment F{n} on Category {{ a: parent {{ ...F{n + 1} }} b: parent {{ ...F{n + 1} }} }}"
        for n in range(links)
    ]
    return (
        "{ categories { nodes { ...F0 } } } " + " ".join(parts) + f" fragment F{links} on Category {{ id }}"
    )


TOO_MUCH = {
    "levels": (nested(30), "levels"),
    "a thousand levels": (nested(3_000), "deep"),
    "aliases": ("{ " + " ".join(f"a{n}: __typename" for n in range(101)) + " }", "101 aliases"),
    "root fields": ("{ " + "__typename " * 51 + "}", "51 root fields"),
    "directives": ("{ __typename " + "@include(if: true) " * 51 + "}", "51 directives"),
    "aliases by fragments": (chain(12), "aliases"),
    "fragments that double": (chain(90), ""),
    "tokens": ("{ " + "__typename " * 10_001 + "}", "token"),
    "characters": ("{ __typename } # " + "x" * 200_001, ""),
    "comments": ("#\n" * 10_001 + "{ __typename }", ""),
    "introspection in circles": (
        "{ __schema { types " + "{ fields { type " * 12 + "{ name }" + " } }" * 12 + " } }",
        "levels",
    ),
}


@pytest.mark.parametrize("case", TOO_MUCH)
def test_what_is_too_much_is_refused_at_once(hub: Server, case: str) -> None:
    text, said = TOO_MUCH[case]
    began = time.perf_counter()
    answer = call(hub, {"query": text}, accept=GRAPHQL_JSON)
    assert time.perf_counter() - began < 10
    assert answer.status == 400
    assert len(answer.json["errors"]) == 1
    assert said in answer.json["errors"][0]["message"]
    assert "data" not in answer.json


@pytest.mark.parametrize(
    "text",
    [
        "{ ...A } fragment A on Query { ...A }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
    ],
)
def test_fragments_in_a_circle_are_told_so(hub: Server, text: str) -> None:
    assert "within itself" in call(hub, {"query": text}).json["errors"][0]["message"]


def test_a_usual_introspection_is_not_too_much(hub: Server) -> None:
    from graphql import get_introspection_query

    answer = call(hub, {"query": get_introspection_query(input_value_deprecation=True)})
    assert "errors" not in answer.json
    assert len(answer.json["data"]["__schema"]["types"]) > 100


def test_a_body_has_a_largest_size(hub: Server) -> None:
    answer = call(hub, {**QUERY, "variables": {"x": "x" * (24 * 1024 * 1024)}})
    assert (answer.status, answer.code) == (413, "TOO_LARGE")


def test_the_page_for_trying_out_needs_no_token_and_is_there_in_development_only(hub: Server) -> None:
    page = call(hub, method="GET", authorization=None, accept="text/html")
    assert page.status == 200
    assert "GraphiQL" in page.text
    assert (
        call(hub, method="GET", query="?query={__typename}", authorization=None, accept="text/html").status
        == 401
    )


def test_the_printed_schema_describes_everything() -> None:
    from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType

    from schema.app import schema

    lacking = []
    for name, type_ in schema()._schema.type_map.items():
        if name.startswith("__"):
            continue
        if not type_.description and name not in ("Int", "String", "ID", "Boolean", "Float"):
            lacking.append(name)
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for field, declared in type_.fields.items():
                lacking += [] if declared.description else [f"{name}.{field}"]
                lacking += [
                    f"{name}.{field}({a})"
                    for a, b in getattr(declared, "args", {}).items()
                    if not b.description
                ]
        if isinstance(type_, GraphQLEnumType):
            lacking += []
    assert lacking == []
