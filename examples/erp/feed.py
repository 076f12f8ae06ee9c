"""Catching up: what happened since the cursor, or everything where the cursor leads nowhere any more.

Webhooks are quick; the feed is complete. Both only say which order is to be looked at, and up to which version.
"""

import gzip
import json
import time

from book import Book
from client import Hub, RefusedError

TYPES = ["order.*"]
OPEN = ("placed", "confirmed", "partly_fulfilled")
"""What of a snapshot is taken by an ERP that did not begin with all of history."""

FOLLOW = """query ($after: String, $types: [String!]) { changes(after: $after, types: $types, first: 1000) {
  nodes { entityId entityVersion source } pageInfo { hasNextPage endCursor } } }"""
NOW = "{ feed { lastCursor } }"
BEGIN = 'mutation { bulkExport(input: { types: ["order"] }) { job { id } userErrors { message } } }'
WAY_BACK = ("GONE", "INVALID")
"""Codes of a cursor that leads nowhere: too old, or of another database."""

JOB = "query ($id: ID!) { job(id: $id) { finishedAt url error cursor } }"


def begin(hub: Hub, book: Book, *, everything: bool) -> None:
    """The first cursor of an empty book: now, or behind a snapshot of everything. A later snapshot takes the same."""
    if book.setting("cursor") is None:
        book.keep("takes", "all" if everything else "open")
        if everything:
            snapshot(hub, book)
        else:
            book.keep("cursor", hub.ask(NOW)["feed"]["lastCursor"])


def catch_up(hub: Hub, book: Book) -> None:
    """Note every order that changed since the cursor, but not our own changes; then move the cursor."""
    more = True
    while more:
        try:
            page = hub.ask(FOLLOW, after=book.setting("cursor"), types=TYPES)["changes"]
        except RefusedError as refused:
            if refused.code not in WAY_BACK:
                raise
            print(f"The cursor leads nowhere: {refused}", flush=True)
            snapshot(hub, book)
            continue
        with book.transaction():
            for change in page["nodes"]:
                if change["source"] != "erp":
                    book.note(change["entityId"], change["entityVersion"])
            book.keep("cursor", page["pageInfo"]["endCursor"])
        more = page["pageInfo"]["hasNextPage"]


def snapshot(hub: Hub, book: Book) -> None:
    """Note every order that there is, and go on from where that is true. A kill does not make the hub begin anew."""
    job_id = book.setting("job")
    if job_id is None:
        payload, trouble = hub.command(BEGIN)
        if trouble is not None:
            raise RefusedError(trouble)
        job_id = payload["job"]["id"]
        book.keep("job", job_id)
    while (job := hub.ask(JOB, id=job_id)["job"]) and job["finishedAt"] is None:
        time.sleep(0.1)
    book.run("DELETE FROM setting WHERE name = 'job'")
    if job is None or job["url"] is None:
        raise RefusedError(f"The snapshot failed: {job and job['error']}")
    _note_all(book, _orders(hub.get(job["url"]), book.setting("takes") == "all"), job["cursor"])


def _orders(file: bytes, everything: bool) -> dict[str, tuple[int, bool]]:
    """The orders of a snapshot, each with its version and whether it is to be taken where we do not have it."""
    lines = [json.loads(line) for line in gzip.decompress(file).splitlines()]
    orders = [line for line in lines if line.get("type") == "order"]
    return {each["id"]: (each["version"], everything or each["state"]["status"] in OPEN) for each in orders}


def _note_all(book: Book, orders: dict[str, tuple[int, bool]], cursor: str) -> None:
    with book.transaction():
        for order_id, (version, wanted) in orders.items():
            if wanted or book.one("SELECT 1 FROM sale WHERE order_id = ?", order_id):
                book.note(order_id, version)
        for row in book.rows("SELECT order_id, version FROM sale"):
            if (
                row["order_id"] not in orders
            ):  # it is younger than the snapshot, or was deleted: it is looked at
                book.look_again(row["order_id"], row["version"])
        book.keep("cursor", cursor)
    print(f"A snapshot of {len(orders)} orders was read.", flush=True)
