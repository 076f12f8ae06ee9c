"""Writing to the embedded engine: one writer for each folder.

A document is kept once for each of its windows, so that a question about a moment needs no nested filter; the one of
staff is kept once, without bounds. A product that is gone leaves a mark with its sequence, so that late work finds it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import orjson
import tantivy

from search import entry, fields, sort_key
from search.document import Batch, Document, Key, Window
from search.engine import BusyError, Refused, State, Written
from search.tantivy_reader import TantivyReader
from search.tantivy_schema import inside

WRITER_BYTES = 48_000_000
BULK_BYTES = 150_000_000
LOCKED = "LockBusy"
"""What the engine's message has in it when another writer holds the folder."""

EVER = 2**62
"""Milliseconds that no window reaches."""


def make(folder: Path, state: State) -> None:
    """An empty index that says it is at ``state``. Raises ``FileExistsError`` where the folder exists."""
    folder.mkdir(parents=True)
    writer = TantivyWriter(folder)
    writer.commit(state)
    writer.close()


class TantivyWriter:
    """The only writer of an index. Raises ``BusyError`` while there is another; its lock ends with its process."""

    def __init__(self, folder: Path, *, heap: int = WRITER_BYTES) -> None:
        self._reader = TantivyReader(folder, create=True)
        try:
            self._writer = self._reader.index.writer(heap, 1)
        except ValueError as error:
            if LOCKED not in str(error):
                raise
            raise BusyError(
                "Another writer of the search index has not ended yet: it is waited for."
            ) from error

    def put(self, batch: Batch, *, repair: bool = False, trusting: bool = True, new: bool = False) -> Written:
        """Replace what is there of the batch's products, where it is not newer and not the same."""
        held = {} if repair or new else self._reader.sequences(batch.product_ids)
        fresh = {product for product in batch.product_ids if held.get(product, 0) <= batch.sequence}
        if trusting and not repair:
            fresh -= self._unchanged(batch, fresh & held.keys())
        refused = self._replace(batch, fresh, new=new)
        total = len(batch.documents)
        written = sum(document.product_id in fresh for document in batch.documents)
        return Written(written - len(refused), total - written, tuple(refused))

    def _unchanged(self, batch: Batch, products: set[int]) -> set[int]:
        """The products whose documents are there already as the batch has them."""
        there = {each.key: each.hash for each in self._reader.of_products(products)}
        wanted = {each.key: each.hash for each in batch.documents if each.product_id in products}
        keys = there.keys() | wanted.keys()
        return products - {key[0] for key in keys if there.get(key) != wanted.get(key)}

    def _replace(self, batch: Batch, products: set[int], *, new: bool) -> list[Refused]:
        refused = list[Refused]()
        for product in () if new else products:
            self._writer.delete_documents_by_term("product", product)
        for document in batch.documents:
            if document.product_id in products:
                refused += self._add(document)
        for product in () if new else products - {document.product_id for document in batch.documents}:
            self._writer.add_document(_mark(product, fields.GONE, batch.sequence))
        return refused

    def _add(self, document: Document) -> list[Refused]:
        """Add a document. One that cannot be put into the engine's form is refused alone."""
        try:
            made = list(_entries(document))
        except (ValueError, OverflowError) as error:
            return [Refused(document.key, str(error))]
        for each in made:
            self._writer.add_document(each)
        return []

    def stocked(self, product_ids: Collection[int]) -> dict[Key, dict[int, bool]]:
        """The variants in the documents of some products, and whether each is in stock, as of the last commit."""
        return {
            key: {each["id"]: each["available"] for each in said["variants"]}
            for key, said in self._reader.contents(product_ids)
        }

    def purge(self, before: int) -> int:
        """Forget old marks, with the next commit."""
        found = self._reader.marks(before)
        for product in found:
            self._writer.delete_documents_by_term("product", product)
        return len(found)

    def commit(self, state: State) -> None:
        """Make everything since the last commit visible and safe, together with the state reached."""
        self._writer.delete_documents_by_term("channel", fields.STATE)
        said = {"origin": state.origin, "mapping": state.mapping, "filled": state.filled}
        self._writer.add_document(_mark(0, fields.STATE, state.sequence, orjson.dumps(said)))
        self._writer.commit()
        self._reader.refresh()

    def close(self) -> None:
        """Let another process write, after what is being merged is done."""
        self._writer.wait_merging_threads()


def _entries(document: Document) -> Iterator[tantivy.Document]:
    found = entry.entry(document)
    windows: Sequence[Window] = document.windows or ((None, None),)
    for place, window in enumerate(windows):
        made = tantivy.Document()
        _add_terms(made, found)
        for name, number in found.integers.items():
            made.add_integer(name, number)
        for name, amount in found.decimals.items():
            made.add_float(name, amount)
        _add_window(made, place, window)
        if place == 0:
            made.add_bytes("content", document.content)
        yield made


def _add_terms(made: tantivy.Document, found: entry.Entry) -> None:
    for field, texts in found.texts.items():
        for terms in texts:
            made.add_text(field, " ".join(terms))
    for field, keywords in found.keywords.items():
        for keyword in keywords:
            made.add_text(field, keyword)
    keyed: Iterable[tuple[str, dict[str, list[str]] | dict[str, list[float]]]] = (
        ("values", found.values),
        ("numbers", found.numbers),
    )
    for field, said in keyed:
        if said:
            made.add_json(field, {inside(key): each for key, each in said.items()})
    made.add_json("order", _ordered(found.order))


def _ordered(order: dict[str, str]) -> dict[str, int]:
    return {
        f"{inside(key)}#{place}": number
        for key, text in order.items()
        for place, number in enumerate(sort_key.numbers(text))
    }


def _add_window(made: tantivy.Document, place: int, window: Window) -> None:
    made.add_integer("window", place)
    made.add_integer("starts", -EVER if window[0] is None else _milliseconds(window[0]))
    made.add_integer("ends", EVER if window[1] is None else _milliseconds(window[1]))


def _milliseconds(moment: datetime) -> int:
    return entry.milliseconds(moment)


def _mark(product: int, channel: int, sequence: int, content: bytes | None = None) -> tantivy.Document:
    made = tantivy.Document()
    for name, number in (("product", product), ("channel", channel), ("sequence", sequence), ("window", 0)):
        made.add_integer(name, number)
    if content is not None:
        made.add_bytes("content", content)
    return made
