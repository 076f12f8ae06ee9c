"""A writer of the soak that speaks GraphQL, and repeats what had no answer under its idempotency key."""

from __future__ import annotations

import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from multiprocessing.synchronize import Event
from typing import Any

from bench.soak.draft import Draft
from bench.soak.ground import PRODUCTS, Ground
from bench.soak.journal import Journal
from hub import ids

AGAIN_SECONDS = 0.2
ANSWER_SECONDS = 15

PRODUCT = "outcome userErrors { code message } product { id }"
RENAME = f"""mutation ($key: String!, $input: ProductInput!) {{
    done: productUpdate(idempotencyKey: $key, input: $input) {{ {PRODUCT} }} }}"""
MAKE = f"""mutation ($key: String!, $input: ProductInput!) {{
    done: productCreate(idempotencyKey: $key, input: $input) {{ {PRODUCT} }} }}"""
DROP = """mutation ($key: String!, $id: ID!) {
    done: productDelete(idempotencyKey: $key, id: $id) { deletedId userErrors { code message } } }"""
REPRICE = f"""mutation ($key: String!, $sku: String!, $input: PriceInput!) {{
    done: priceUpsert(idempotencyKey: $key, variant: {{ key: $sku }}, input: $input) {{ {PRODUCT} }} }}"""
BULK = """mutation ($key: String!, $rows: [ProductInput!]!) {
    done: productBulkUpsert(idempotencyKey: $key, rows: $rows) {
        results { outcome product { id } } userErrors { code message } } }"""


class Api:
    """GraphQL over HTTP, by whoever holds the token."""

    def __init__(self, ground: Ground) -> None:
        self._url = f"{ground.settings.url}/graphql"
        self._headers = {"content-type": "application/json", "authorization": f"Bearer {ground.token}"}

    def ask(self, document: str, **variables: Any) -> Any:
        """The data of an answer. Raises ``OSError`` where there is none, also for one with errors."""
        body = json.dumps({"query": document, "variables": variables}).encode()
        request = urllib.request.Request(self._url, body, self._headers)  # noqa: S310 - the hub's own address
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:  # noqa: S310
                answer = json.loads(response.read())
        except urllib.error.HTTPError as refused:
            with refused:
                raise ConnectionError(f"{refused.code}: {refused.read().decode()}") from refused
        except HTTPException as broken:
            raise ConnectionError(str(broken)) from broken
        if answer.get("errors"):
            raise ConnectionError(json.dumps(answer["errors"]))
        return answer["data"]

    def insist(self, document: str, seconds: float = 60, **variables: Any) -> Any:
        """The data, however often it has to be asked for. Raises ``OSError`` when time is up."""
        until = time.monotonic() + seconds
        while True:
            try:
                return self.ask(document, **variables)
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(AGAIN_SECONDS)


class ApiWriter:
    """One client."""

    def __init__(self, ground: Ground, name: str, seed: int) -> None:
        self.api, self.name = Api(ground), name
        self.journal = Journal(ground.journal(name))
        self.chance = random.Random(seed)
        self.own: list[str] = []
        self.count = 0

    def run(self, stop: Event) -> None:
        """Write until told to stop."""
        acts: tuple[Callable[[Draft], bool], ...] = (
            self._rename, self._rename, self._reprice, self._reprice, self._make, self._drop, self._bulk, self._refused,
        )  # fmt: skip
        while not stop.is_set():
            self.count += 1
            draft = Draft(f"{self.name}-{self.count}")
            done = self.chance.choice(acts)(draft)
            self.journal.note(fate="committed" if done else "undone", unsigned=True, **draft.line())
            time.sleep(self.chance.uniform(0, 0.05))

    def _rename(self, draft: Draft) -> bool:
        number = self.chance.randint(1, PRODUCTS)
        given = {"id": ids.encode("product", number), "name": self._named(draft, number)}
        return self._done(RENAME, draft, input=given)

    def _reprice(self, draft: Draft) -> bool:
        number, place = self.chance.randint(1, PRODUCTS), self.chance.randint(1, 2)
        amount = draft.amount()
        draft.wrote("product", number, "amount", amount)
        given = {"priceList": {"key": "soak"}, "currency": "EUR", "amount": amount}
        return self._done(REPRICE, draft, sku=f"soak-{number}-{place}", input=given)

    def _make(self, draft: Draft) -> bool:
        slug = draft.token()
        given = {"slug": slug, "type": {"key": "soak"}, "variants": [{"sku": draft.token()}]}
        answer = self._answer(MAKE, draft, input=given)
        if answer["product"] is None:
            draft.never.append(slug)
            return False
        self.own.append(answer["product"]["id"])
        draft.wrote(*ids.decode(answer["product"]["id"]), "slug", slug, kind="CREATED")
        return True

    def _drop(self, draft: Draft) -> bool:
        if not self.own:
            return False
        gone = self.own.pop()
        draft.deleted(*ids.decode(gone))
        return self._done(DROP, draft, id=gone)

    def _bulk(self, draft: Draft) -> bool:
        numbers = self.chance.sample(range(1, PRODUCTS + 1), self.chance.randint(2, 12))
        rows = [{"id": ids.encode("product", each), "name": self._named(draft, each)} for each in numbers]
        return self._done(BULK, draft, rows=rows)

    def _refused(self, draft: Draft) -> bool:
        """One bad row, and nothing of the batch may be seen."""
        good = [{"slug": f"soak-{each}", "name": self._named(draft, each)} for each in (1, 2, 3)]
        answer = self._answer(
            BULK, draft, rows=[*good, {"slug": draft.token(), "type": {"key": "no such type"}}]
        )
        assert answer["userErrors"]
        return False

    def _named(self, draft: Draft, number: int) -> list[dict[str, str]]:
        text = draft.token()
        draft.wrote("product", number, "name", text)
        return [{"locale": "de", "text": text}]

    def _done(self, document: str, draft: Draft, **variables: Any) -> bool:
        return not self._answer(document, draft, **variables)["userErrors"]

    def _answer(self, document: str, draft: Draft, **variables: Any) -> Any:
        return self.api.insist(document, key=draft.name, **variables)["done"]


def write(ground: Ground, name: str, seed: int, stop: Event) -> None:
    """A process that writes by GraphQL."""
    ApiWriter(ground, name, seed).run(stop)
