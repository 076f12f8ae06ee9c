"""Documents and clients that mean harm: what they cost the hub, in CPU of an ordinary query."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from hub.token import Wish
from tests.running import Server
from tests.shop import opened, shirt, written
from tests.test_http import call, chain

LIST = """
    query Own{n} {{ own{n}: products(first: 24) {{
      nodes {{ id slug name nameLocale type {{ code }} categories {{ nodes {{ code name }} }}
        assets {{ asset {{ address }} }} attributes {{ code }}
        variants(first: 5) {{ nodes {{ sku name price {{ amount currency compareAt }} axes {{ code value }} }} }} }}
      pageInfo {{ hasNextPage endCursor }} totalCount
    }} }}
"""
"""An ordinary query: a storefront's list of products, at first sight."""
LARGE = 5 * 1024 * 1024
ROUNDS = 4
CLIENTS = 50


@pytest.fixture(scope="module")
def hub(module_server: Server) -> Server:
    opened(module_server.database)
    written(module_server.database, "product", *(shirt(f"shirt-{n}") for n in range(24)))
    return module_server


@pytest.fixture(scope="module")
def token(hub: Server) -> str:
    """A storefront's token: who means harm has found it in a page."""
    return "Bearer " + hub.new_token(Wish(kind="storefront", name="shop", channels=["web"]))


def deep_introspection(number: int) -> str:
    inside = "{ fields { type " * 12 + "{ name }" + " } }" * 12
    return f"query Deep{number} {{ __schema {{ types {inside} }} }}"


ATTACKS: dict[str, Callable[[int], dict[str, Any]]] = {
    "a fragment bomb": lambda n: {"query": f"query Q{n} " + chain(90)},
    "a thousand aliases": lambda n: {
        "query": "{ " + " ".join(f"a{n}x{i}: __typename" for i in range(1_000)) + " }"
    },
    "a deep introspection": lambda n: {"query": deep_introspection(n)},
    "ten thousand directives": lambda n: {
        "query": f"query D{n} {{ __typename " + "@include(if: true) " * 10_000 + "}"
    },
    "ten thousand unknown directives": lambda n: {
        "query": f"query U{n} {{ __typename " + "@aa" * 10_000 + "}"
    },
    "five megabytes of a document": lambda n: {"query": f"query M{n} {{ __typename }} #" + "x" * LARGE},
    "five megabytes of variables": lambda n: {
        "query": f"query V{n} {{ __typename }}",
        "variables": {"x": "x" * LARGE},
    },
}


DEARER = {"a thousand aliases": 2.5, "ten thousand directives": 5, "ten thousand unknown directives": 5}
"""Attacks that cost more, because reading up to 10,000 tokens does: ``docs/limits.md`` says so."""


def cpu_of(hub: Server, token: str, bodies: list[bytes]) -> float:
    """The fewest seconds of CPU that one of the bodies took, the client's part in this process included."""
    took = []
    for body in bodies:
        began = time.process_time()
        # The hub stops reading what is too large; whether its answer is still read is the network's luck.
        with suppress(urllib.error.URLError, ConnectionError):
            call(hub, body, authorization=token)
        took.append(time.process_time() - began)
    return min(took)


@pytest.fixture(scope="module")
def ordinary(hub: Server, token: str) -> float:
    """What an ordinary query costs at first sight."""
    bodies = [json.dumps({"query": LIST.format(n=n)}).encode() for n in range(ROUNDS)]
    assert "errors" not in call(hub, bodies[0], authorization=token).json
    return cpu_of(hub, token, bodies[1:])


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_costs_about_what_an_ordinary_query_does_at_most(
    hub: Server, token: str, ordinary: float, attack: str
) -> None:
    bodies = [json.dumps(ATTACKS[attack](n)).encode() for n in range(ROUNDS)]
    ratio = cpu_of(hub, token, bodies) / ordinary
    assert ratio < DEARER.get(attack, 1), f"{attack} costs {ratio:.2f} times what an ordinary query does"


def test_a_client_that_dribbles_costs_less_than_an_ordinary_query(hub: Server, ordinary: float) -> None:
    where = urlsplit(hub.url)
    head = b"POST /graphql HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
    began = time.process_time()
    clients = [socket.create_connection((where.hostname, where.port)) for _ in range(CLIENTS)]
    try:
        for byte in head:
            for client in clients:
                client.send(bytes([byte]))
        assert call(hub, {"query": "{ __typename }"}).status == 200
    finally:
        for client in clients:
            client.close()
    ratio = (time.process_time() - began) / CLIENTS / ordinary
    assert ratio < 1, f"a slow client costs {ratio:.2f} times what an ordinary query does"
