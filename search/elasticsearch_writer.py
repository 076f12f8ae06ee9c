"""Writing to Elasticsearch: documents with the feed's sequence as their version, so that late work changes nothing.

A document that is gone is replaced by a mark with its sequence: the engine itself remembers a delete for a minute only.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import orjson
from elasticsearch import Elasticsearch

from search import entry, fields
from search.document import Batch, Document, Key
from search.elasticsearch_client import BLOCKED, WRITE_SECONDS, told
from search.elasticsearch_mapping import sortable
from search.elasticsearch_reader import STATE_ID, document_id
from search.engine import BusyError, Held, MissingError, Refused, State, UnavailableError, Written

BULK_BYTES = 1_000_000
CONFLICT = 409
"""What is there is newer: the work was late, and is done."""

TRIES = 3
"""How often a document is sent whose refusal may be the engine's fault."""

PAUSE_SECONDS = 0.2
OWN_FAULT = frozenset({400, 413})
"""Statuses that speak of the document. With all others it is the engine: its disk, its queue, its end."""

SERVER_FAULT = 500
PURGED_AT_ONCE = 5_000
READ_AT_ONCE = 1_000

NOTED_SECONDS = 1.0
"""How old the state that an index tells may be: a restart repeats so much work, which changes nothing."""


@dataclass(frozen=True)
class Operation:
    """One document to put, or a mark in its place; both lines of a bulk request."""

    key: Key
    lines: bytes


class ElasticsearchWriter:
    """The writer of one index. Several may write at once: versions decide."""

    def __init__(self, client: Elasticsearch, generation: str) -> None:
        self._client = client.options(request_timeout=WRITE_SECONDS)
        self._generation = generation
        self._noted: State | None = None
        self._noted_at = -NOTED_SECONDS
        self._unnoted: State | None = None

    def put(self, batch: Batch, *, repair: bool = False, trusting: bool = True, new: bool = False) -> Written:
        """Write what differs from what is there, document by document."""
        held = {} if new else self._held(batch)
        wanted = {document.key: document for document in batch.documents}
        same = {
            key
            for key, document in wanted.items()
            if trusting and not repair and key in held and held[key].hash == document.hash
        }
        gone = [
            key for key in _places(batch) if not new and key not in wanted and (key in held or not trusting)
        ]
        operations = chain(
            (indexing(wanted[key], _version(batch, held.get(key), repair)) for key in wanted.keys() - same),
            (_mark(key, batch.sequence, _version(batch, held.get(key), repair)) for key in gone),
        )
        return self._send_all(operations, Written(same=len(same)))

    def stocked(self, product_ids: Collection[int]) -> dict[Key, dict[int, bool]]:
        """The variants in the documents of some products, and whether each is in stock."""
        found: dict[Key, dict[int, bool]] = {}
        for said in self._contents(sorted(product_ids)):
            variants = {each["id"]: each["available"] for each in said["variants"]}
            found[said["product"], said["channel"]] = variants
        return found

    def _contents(self, product_ids: Sequence[int]) -> Iterator[dict[str, Any]]:
        """By search, which shows what the last commit made findable: what is not there yet is taken as unknown."""
        after: list[Any] | None = None
        while product_ids:
            with told():
                hits = self._client.search(
                    index=self._generation,
                    query={"terms": {"product": list(product_ids)}},
                    sort=[{"product": "asc"}, {"channel": "asc"}],
                    search_after=after,
                    size=READ_AT_ONCE,
                    source_includes=["content.product", "content.channel", "content.variants"],
                )["hits"]["hits"]
            yield from (each["_source"]["content"] for each in hits if each["_source"].get("content"))
            if len(hits) < READ_AT_ONCE:
                return
            after = hits[-1]["sort"]

    def _send_all(self, operations: Iterable[Operation], done: Written) -> Written:
        """Send them, and make the next ones while the engine works on those before."""
        sent: Future[Written] | None = None
        with ThreadPoolExecutor(1, "bulk") as sending:
            for chunk in _chunks(operations):
                done = done if sent is None else done.plus(sent.result())
                sent = sending.submit(self._send, chunk)
            return done if sent is None else done.plus(sent.result())

    def _held(self, batch: Batch) -> dict[Key, Held]:
        """What is there of the batch's products, as it was written last."""
        keys = {document_id(key): key for key in _places(batch)}
        if not keys:
            return {}
        with told():
            said = self._client.mget(
                index=self._generation, ids=list(keys), source_includes=["hash", "sequence", "channel"]
            )
        found: dict[Key, Held] = {}
        for each in said["docs"]:
            if each.get("error"):
                raise UnavailableError(f"The search engine could not be read: {each['error'].get('reason')}")
            if each["found"] and each["_source"]["channel"] != fields.GONE:
                key = keys[each["_id"]]
                found[key] = Held(key, each["_source"]["sequence"], each["_source"]["hash"])
        return found

    def _send(self, chunk: list[Operation], tried: int = 1) -> Written:
        # The client takes lines that are JSON already, which its types leave out.
        lines: list[Any] = [operation.lines for operation in chunk]
        with told():
            said = self._client.bulk(index=self._generation, operations=lines)
        results = [next(iter(item.values())) for item in said["items"]]
        refused, again = list[Refused](), list[Operation]()
        for operation, result in zip(chunk, results, strict=True):
            if result["status"] >= SERVER_FAULT and tried < TRIES:
                again.append(operation)
            elif result.get("error") and result["status"] != CONFLICT:
                refused.append(Refused(operation.key, _reason(result["error"], result["status"])))
        late = sum(result["status"] == CONFLICT for result in results)
        done = Written(len(chunk) - late - len(refused) - len(again), late, tuple(refused))
        if not again:
            return done
        time.sleep(PAUSE_SECONDS * 2**tried)
        return done.plus(self._send(again, tried + 1))

    def purge(self, before: int) -> int:
        """Forget old marks, page by page. One that was replaced meanwhile has a higher version and stays."""
        client = self._client.options(request_timeout=WRITE_SECONDS)
        marks: list[Any] = [{"term": {"channel": fields.GONE}}, {"range": {"sequence": {"lt": before}}}]
        purged = 0
        while True:
            with told():
                said = client.search(
                    index=self._generation,
                    query={"bool": {"filter": marks}},
                    size=PURGED_AT_ONCE,
                    source=False,
                    version=True,
                    track_total_hits=False,
                )
                hits = said["hits"]["hits"]
                if not hits:
                    return purged
                said = client.bulk(
                    index=self._generation, operations=[_forget(hit) for hit in hits], refresh=True
                )
            forgotten = sum(bool(item["delete"]["status"] < CONFLICT) for item in said["items"])
            purged += forgotten
            if not forgotten:
                return purged

    def commit(self, state: State) -> None:
        """Make what was put findable, and note the state: at once where it says more than another sequence."""
        with told():
            self._client.indices.refresh(index=self._generation)
        only_later = self._noted is not None and replace(self._noted, sequence=state.sequence) == state
        if only_later and time.monotonic() - self._noted_at < NOTED_SECONDS:
            self._unnoted = state
        else:
            self._note(state)

    def _note(self, state: State) -> None:
        with told():
            self._client.index(index=self._generation, id=STATE_ID, document=state_document(state))
        self._noted, self._noted_at, self._unnoted = state, time.monotonic(), None

    def close(self) -> None:
        """Note the state that was reached last; an engine that is away keeps the one before, and work is repeated."""
        if self._unnoted:
            with suppress(UnavailableError):
                self._note(self._unnoted)


def state_document(state: State) -> dict[str, Any]:
    """The document that says how far an index has come."""
    said = {
        "sequence": state.sequence,
        "origin": state.origin,
        "mapping": state.mapping,
        "filled": state.filled,
    }
    return {"product": 0, "channel": fields.STATE, "sequence": state.sequence, "content": said}


def _places(batch: Batch) -> Iterator[Key]:
    """Where a document of the batch's products may be."""
    for product in batch.product_ids:
        yield product, None
        for channel in batch.channels:
            yield product, channel


def _version(batch: Batch, held: Held | None, repair: bool) -> int:
    """The batch's sequence; for a repair, that of what is there where it is higher, so that it can be replaced."""
    return max(batch.sequence, held.sequence) if repair and held else batch.sequence


def indexing(document: Document, version: int) -> Operation:
    """What writes a document, as it goes to the bulk endpoint."""
    found = entry.entry(document)
    said: dict[str, Any] = {
        **{field: [" ".join(terms) for terms in texts] for field, texts in found.texts.items() if texts},
        **found.keywords,
        **found.integers,
        **found.decimals,
        "values": found.values,
        "numbers": {key: [sortable(each) for each in numbers] for key, numbers in found.numbers.items()},
        "order": found.order,
        "windows": [_window(*window) for window in document.windows],
        "content": orjson.Fragment(document.content),
    }
    return _operation(document.key, version, said)


def _window(starts: Any, ends: Any) -> dict[str, int]:
    bounds = (("gte", starts), ("lt", ends))
    return {name: entry.milliseconds(moment) for name, moment in bounds if moment is not None}


def _mark(key: Key, sequence: int, version: int) -> Operation:
    said = {"product": key[0], "channel": fields.GONE, "sequence": sequence, "hash": 0}
    return _operation(key, version, said)


def _operation(key: Key, version: int, said: dict[str, Any]) -> Operation:
    action = {"index": {"_id": document_id(key), "version": version, "version_type": "external_gte"}}
    return Operation(key, orjson.dumps(action) + b"\n" + orjson.dumps(said))


def _chunks(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    chunk, size = list[Operation](), 0
    for operation in operations:
        if chunk and size + len(operation.lines) > BULK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(operation)
        size += len(operation.lines)
    if chunk:
        yield chunk


def _forget(hit: dict[str, Any]) -> dict[str, Any]:
    return {"delete": {"_id": hit["_id"], "version": hit["_version"], "version_type": "external_gte"}}


def _reason(error: dict[str, Any], status: int) -> str:
    """Why a document was refused. Raises ``BusyError`` where it is no fault of the document."""
    if error["type"] == "index_not_found_exception":
        raise MissingError("The search index is gone: the relay builds it anew.")
    if error["type"] == BLOCKED or status not in OWN_FAULT:
        said = error.get("reason") or error["type"]
        raise BusyError(f"The search engine takes no writes at the moment: {said}.")
    cause = error.get("caused_by") or {}
    return " ".join(filter(None, (error.get("reason"), cause.get("reason"))))
