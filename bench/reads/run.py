"""One run: the shop filled, the servers started, their answers compared, and each asked in turn."""

from __future__ import annotations

import secrets
import tempfile
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psycopg

from bench import Figures, Tell
from bench.reads import novelty
from bench.reads.client import client
from bench.reads.contender import COMPILED, HAND, NAMES, ORDINARY, PLAIN, Contender, running
from bench.reads.ground import prepared
from bench.reads.process import Tree, parent
from bench.reads.questions import Question, questions
from bench.reads.slots import Slots
from bench.reads.table import Table
from hub.config import Settings
from hub.db import HUB, Database
from hub.postgres import libpq
from hub.token import Wish, create
from schema import sort, sql
from schema.connection import mark
from schema.context import Scope
from schema.nouns import load

CHECKED = 12
"""Sets of variables for which the answers of all contenders are compared."""


@dataclass(frozen=True)
class Options:
    """What ``measure`` is asked for. ``only``: one question's name; null for all of them."""

    scale: float
    seconds: float
    rounds: int
    only: str | None
    keep: bool
    known: bool


def run(settings: Settings, tell: Tell, options: Options) -> Figures:
    """The figures of every question, and of documents that were never seen before."""
    with ExitStack() as stack:
        ground = stack.enter_context(prepared(settings, options.scale, keep=options.keep))
        asked = [each for each in questions(ground, _marks()) if options.only in (None, each.name)]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hub-bench-")))
        secret = secrets.token_hex(32)
        tokens = _tokens(ground.url, secret)
        contenders = [stack.enter_context(running(name, ground.url, folder, secret)) for name in NAMES]
        for question in asked:
            _compare(contenders, question, tokens[question.kind])
        slots = Slots(stack.enter_context(client()), _database(ground.url), folder, tokens)
        for done in slots.run(contenders, asked, options.seconds, options.rounds):
            tell(done, options.rounds * len(asked) * 2 * len(contenders))
        figures: dict[str, Any] = {each.name: _table(slots, contenders, each) for each in asked}
        return figures | ({} if options.known else _novelty(contenders, tokens["storefront"], tell))


def _marks() -> dict[str, str]:
    """The mark of cursors in lists by id."""
    nouns = load()
    return {
        name: mark(sort.ordering(sql.Frame(nouns[title]), Scope(), None))
        for name, title in (("products", "Product"), ("customers", "Customer"))
    }


def _tokens(url: str, secret: str) -> dict[str, str]:
    wishes = {
        "storefront": Wish(kind="storefront", name="bench", channels=["web"], default_locale="de"),
        "staff": Wish(kind="staff", name="bench", default_channel="web", default_locale="de"),
    }
    database = Database(url)
    with database.write(HUB) as tx:
        made = {kind: create(tx, secret, wish)[1] for kind, wish in wishes.items()}
    database.close()
    return made


def _database(url: str) -> Tree:
    """The processes of PostgreSQL, which has to run on this machine."""
    with psycopg.connect(libpq(url)) as connection:
        return Tree(parent(connection.info.backend_pid))


def _compare(contenders: Sequence[Contender], question: Question, token: str) -> None:
    for body in question.bodies[:CHECKED]:
        answers = {each.name: _ask(each, body, token) for each in contenders}
        for name, answer in answers.items():
            assert answer == answers[HAND], (
                f"{name} answers {question.name} unlike {HAND}: {answer!r:.2000} instead of {answers[HAND]!r:.2000}"
            )


def _ask(contender: Contender, body: bytes, token: str) -> Any:
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"http://127.0.0.1:{contender.port}/graphql", body, headers)
    with urllib.request.urlopen(request) as response:  # noqa: S310 - an address of this machine
        answer = orjson.loads(response.read())
    return answer.get("errors") or answer["data"]


def _table(slots: Slots, contenders: Sequence[Contender], question: Question) -> Table:
    rows = {each.name: slots.row(question, each) for each in contenders}
    assert not any(row.failed for row in rows.values()), f"{question.name}: some requests failed."
    cpu = {name: row.cpu for name, row in rows.items()}
    ratios = {
        "compiled/by hand": cpu[COMPILED] / cpu[HAND],
        "aim": question.within,
        "ordinary/compiled": cpu[ORDINARY] / cpu[COMPILED],
        "plain/compiled": cpu[PLAIN] / cpu[COMPILED],
        "plain/compiled req/s": rows[COMPILED].per_second / rows[PLAIN].per_second,
    }
    return Table(rows, HAND, ratios)


def _novelty(contenders: Sequence[Contender], token: str, tell: Tell) -> dict[str, Any]:
    (compiled,) = (each for each in contenders if each.name == COMPILED)
    figures: dict[str, Any] = dict(novelty.sights(compiled, token))
    for done, more in enumerate(novelty.flood(compiled, token)):
        tell(done * 100, novelty.DOCUMENTS)
        figures |= more
    return figures
