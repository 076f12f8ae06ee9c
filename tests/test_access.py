"""Who may do what, as a matrix over the schema: every root field and mutation with every kind of token."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from graphql import GraphQLSchema

from hub.token import REACH, Wish
from hub.viewer import Kind
from schema.app import schema
from tests import access
from tests.running import Server, free_port, serving
from tests.shop import all_rows, opened, written
from tests.test_http import call

KINDS: tuple[Kind, ...] = ("staff", "app", "storefront", "customer")


def known() -> GraphQLSchema:
    return schema()._schema


CASES = [("query", name, scope) for name, scope in access.queries(known()).items()]
CASES += [("mutation", name, scope) for name, scope in access.mutations(known()).items()]


class Asking:
    """Asks a server on one connection, with tokens that are made once for each kind and its scopes."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
        self._tokens: dict[tuple[Kind, frozenset[str]], str] = {}
        ((self._customer,),) = all_rows(server.database, "SELECT id FROM customer")

    def codes(self, text: str, kind: Kind, scopes: frozenset[str]) -> set[str]:
        """The codes of the answer's errors."""
        return {each["extensions"]["code"] for each in self._answer(text, kind, scopes).get("errors", ())}

    def _answer(self, text: str, kind: Kind, scopes: frozenset[str]) -> Any:
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {self.token(kind, scopes)}",
        }
        self._connection.request("POST", "/graphql", json.dumps({"query": text}), headers)
        return json.loads(self._connection.getresponse().read())

    def token(self, kind: Kind, scopes: frozenset[str]) -> str:
        """The token of a kind with these scopes."""
        if (kind, scopes) not in self._tokens:
            channels = ["web"] if kind in ("storefront", "customer") else None
            customer = self._customer if kind == "customer" else None
            wish = Wish(
                kind, "access", sorted(scopes), channels=channels, system="access", customer_id=customer
            )
            self._tokens[kind, scopes] = self._server.new_token(wish)
        return self._tokens[kind, scopes]


@pytest.fixture(scope="module")
def asking(module_server: Server) -> Asking:
    opened(module_server.database)
    written(module_server.database, "customer", {"email": "ada@example.com"})
    return Asking(module_server)


def test_every_root_field_and_mutation_is_open_by_its_scope_and_closed_without(asking: Asking) -> None:
    wrong = []
    for operation, name, scope in CASES:
        text = access.document(known(), operation, name)
        for kind in KINDS:
            reach = frozenset(REACH[kind])
            for scopes in (
                reach,
                reach - {scope},
                *([frozenset({scope, access.BESIDE.get(name, scope)})] if kind == "app" else []),
            ):
                own = kind in ("staff", "app") or name not in access.CLOSED
                found = asking.codes(text, kind, scopes)
                if ("FORBIDDEN" in found) is (scope in scopes and own) or "INTERNAL" in found:
                    wrong.append((name, kind, f"{len(scopes)} scopes", scope in scopes, sorted(found)))
    assert wrong == [], "\n".join(map(str, wrong))


@pytest.mark.parametrize(
    "text",
    [
        "{ __schema { types { name } } }",
        '{ ...A } fragment A on Query { a: __type(name: "Product") { name } }',
    ],
)
def test_in_production_storefronts_and_customers_do_not_introspect(
    asking: Asking, module_server: Server, text: str
) -> None:
    """The schema is no secret, but to read it costs much, and whoever builds a page has it printed."""
    settings = module_server.settings
    update = {"env": "production", "secret_key": settings.secret, "port": free_port()}
    with serving(settings.model_copy(update=update), relay=False) as production:
        for kind in KINDS:
            token = f"Bearer {asking.token(kind, frozenset(REACH[kind]))}"
            assert call(production, {"query": "{ __typename }"}, authorization=token).status == 200
            answers = [call(production, {"query": text}, authorization=token) for _ in range(2)]
            closed = kind in ("storefront", "customer")
            assert [each.status for each in answers] == [403 if closed else 200] * 2
            if closed:
                assert answers[1].code == "FORBIDDEN"
                assert "data" not in answers[1].json
                assert not asking.codes(text, kind, frozenset(REACH[kind]))


def test_nothing_is_open_to_who_has_no_token(module_server: Server) -> None:
    for operation, name, _ in CASES:
        answer = call(module_server, {"query": access.document(known(), operation, name)}, authorization=None)
        assert (answer.status, answer.code) == (401, "UNAUTHENTICATED"), name
