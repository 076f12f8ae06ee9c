"""The embedded engine: a tantivy index in a folder, one writer, any number of readers in any number of processes.

An entry is one window of a document, so that a question about a moment needs no nested filter; the document of staff
is one entry without bounds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import tantivy
from tantivy import FieldType, Occur, Query

from search import language
from search.document import PARTS, Batch, Document, Key, Window, distinct, fingerprint
from search.tantivy_schema import LANGUAGES, analyzer, schema

WRITER_BYTES = 48_000_000
EVER = 2**62
"""Milliseconds that no window reaches."""

STAFF, GONE, STATE = 0, -1, -2
"""What stands in ``channel`` instead of a channel's id: the document of staff, a product that is gone, the index's state."""

WEIGHTS = {"title": 5.0, "codes": 3.0, "labels": 2.0, "body": 1.0, "details": 0.5}
TIE = 0.3
"""The share of a term's other fields in its score, beside its best one."""

ALL_TERMS = 500.0
IDENTIFIED = 10_000.0
"""Constant tiers: a product whose identifier is asked stands above one that has every term, and that above the rest."""


@dataclass(frozen=True)
class State:
    """What an index says of itself.

    ``sequence``: every change up to it is in the index. ``origin``: the database that it shows. ``mapping``: the rules by
    which its documents became terms.
    """

    sequence: int
    origin: str
    mapping: str


@dataclass(frozen=True)
class Entry:
    """What the index holds of one document, and how it says it: ``content`` as ``Document.content`` gave it."""

    key: Key
    sequence: int
    content: bytes

    @property
    def hash(self) -> str:
        """The fingerprint of the content."""
        return fingerprint(self.content)


@dataclass(frozen=True)
class Plan:
    """A question in the engine's terms. ``identifiers``: normal forms that the whole text may be."""

    words: Sequence[str]
    identifiers: Sequence[str]
    channel_id: int | None
    languages: Sequence[str]
    moment: datetime
    within: Collection[int] | None = None


@dataclass(frozen=True)
class Ranked:
    """The best products with their scores, best first, and how many match at all."""

    products: list[tuple[float, int]]
    total: int


def make(folder: Path, state: State) -> None:
    """An empty index that says it is at ``state``. Raises ``FileExistsError`` where the folder exists."""
    folder.mkdir(parents=True)
    writer = Writer(folder)
    writer.commit(state)
    writer.close()


def _open(folder: Path, *, reuse: bool) -> tantivy.Index:
    if not reuse and not tantivy.Index.exists(str(folder)):
        raise FileNotFoundError(f"There is no index in {folder}.")
    index = tantivy.Index(schema(), path=str(folder))
    for tongue in LANGUAGES:
        index.register_tokenizer(tongue, analyzer(tongue))
    return index


class Writer:
    """The only writer of an index. Raises ``ValueError`` while another process is."""

    def __init__(self, folder: Path, *, heap: int = WRITER_BYTES) -> None:
        self._reader = Reader(folder, create=True)
        self._writer = self._reader.index.writer(heap, 1)

    def put(self, batch: Batch, *, repair: bool = False) -> None:
        """Replace what is there of the batch's products.

        Work that is older than what is there changes nothing, unless ``repair`` says that what is there is wrong.
        """
        held = {} if repair else self._reader.sequences(batch.product_ids)
        fresh = {product for product in batch.product_ids if held.get(product, 0) <= batch.sequence}
        for product in fresh:
            self._writer.delete_documents_by_term("product", product)
        for document in batch.documents:
            if document.product_id in fresh:
                for entry in _entries(document):
                    self._writer.add_document(entry)
        for product in fresh - {document.product_id for document in batch.documents}:
            self._writer.add_document(_entry(product, GONE, batch.sequence))

    def commit(self, state: State) -> None:
        """Make everything since the last commit visible and safe, together with the state reached."""
        self._writer.delete_documents_by_term("channel", STATE)
        said = orjson.dumps({"origin": state.origin, "mapping": state.mapping})
        self._writer.add_document(_entry(0, STATE, state.sequence, content=said))
        self._writer.commit()
        self._reader.refresh()

    def close(self) -> None:
        """Let another process write, after what is being merged is done."""
        self._writer.wait_merging_threads()


def _entries(document: Document) -> Iterator[tantivy.Document]:
    channel = STAFF if document.channel_id is None else document.channel_id
    windows: Sequence[Window] = document.windows or ((None, None),)
    for place, window in enumerate(windows):
        entry = _entry(
            document.product_id,
            channel,
            document.sequence,
            window=window,
            content=document.content if place == 0 else None,
        )
        _add_words(entry, document)
        yield entry


def _entry(
    product: int, channel: int, sequence: int, *, window: Window = (None, None), content: bytes | None = None
) -> tantivy.Document:
    entry = tantivy.Document()
    entry.add_integer("product", product)
    entry.add_integer("channel", channel)
    entry.add_unsigned("sequence", sequence)
    entry.add_integer("starts", -EVER if window[0] is None else _milliseconds(window[0]))
    entry.add_integer("ends", EVER if window[1] is None else _milliseconds(window[1]))
    if content is not None:
        entry.add_bytes("content", content)
    return entry


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _add_words(entry: tantivy.Document, document: Document) -> None:
    for identifier in document.identifiers:
        entry.add_text("identifiers", identifier)
    for code in document.codes:
        entry.add_text("codes", code)
    spoken: dict[str, list[str]] = {}
    for locale, parts in document.texts.items():
        for part, texts in parts.items():
            for tongue in {language.of(locale), language.UNSTEMMED}:
                spoken.setdefault(f"{part}_{tongue}", []).extend(texts)
    for field, texts in spoken.items():
        for text in distinct(texts):
            entry.add_text(field, text)


class Reader:
    """Questions to an index in a folder. Used within ``damage.sound()``, for that folder may hold anything."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.folder = folder
        self.index = _open(folder, reuse=create)
        # The engine's own watcher looks twice a second; a question that finds another commit reloads at once.
        self.index.config_reader("manual")
        self._commit = folder / "meta.json"
        self._seen = (0, 0)
        self.refresh()

    def refresh(self) -> None:
        """Show the last commit, whichever process made it."""
        stat = self._commit.stat()
        if (stat.st_ino, stat.st_mtime_ns) != self._seen:
            self.index.reload()
            self._seen = (stat.st_ino, stat.st_mtime_ns)

    def state(self) -> State:
        """What the index says of itself. Raises ``ValueError`` where it says nothing."""
        searcher = self.index.searcher()
        found = searcher.search(_is("channel", STATE), limit=1).hits
        if not found:
            raise ValueError("The index does not say how far it has come.")
        address = found[0][1]
        said = orjson.loads(_content(searcher, address))
        return State(sequence=_fast(searcher, "sequence", [address])[0], **said)

    def count(self) -> int:
        """How many entries can be found; more than the documents where some have several windows."""
        searcher = self.index.searcher()
        return _total(searcher.search(_between("channel", STAFF, None), limit=1))

    def sequences(self, product_ids: Collection[int]) -> dict[int, int]:
        """The sequence at which each product was last written, also where it is gone."""
        if not product_ids:
            return {}
        searcher = self.index.searcher()
        addresses = _all(searcher, _one_of(product_ids))
        pairs = zip(
            _fast(searcher, "product", addresses), _fast(searcher, "sequence", addresses), strict=True
        )
        return dict(pairs)

    def entries(self, first: int, last: int) -> Iterator[Entry]:
        """The documents of the products with ids from ``first`` to ``last``."""
        searcher = self.index.searcher()
        query = Query.boolean_query(
            [(Occur.Must, _between("product", first, last)), (Occur.Must, _between("channel", STAFF, None))]
        )
        addresses = _all(searcher, query)
        columns = (_fast(searcher, name, addresses) for name in ("product", "channel", "sequence"))
        for address, product, channel, sequence in zip(addresses, *columns, strict=True):
            content = _content(searcher, address)
            if content:
                yield Entry((product, channel or None), sequence, content)

    def newest(self) -> int:
        """The highest product id that the index holds; 0 where it holds none."""
        searcher = self.index.searcher()
        hits = searcher.search(_between("channel", STAFF, None), limit=1, order_by_field="product").hits
        return int(hits[0][0]) if hits else 0

    def ask(self, plan: Plan, limit: int) -> Ranked:
        """The best ``limit`` products. Equal scores come in no particular order."""
        searcher = self.index.searcher()
        query = _ranking(plan)
        if query is None:
            return Ranked([], 0)
        found = searcher.search(query, limit=limit)
        scores, addresses = [score for score, _ in found.hits], [address for _, address in found.hits]
        return Ranked(list(zip(scores, _fast(searcher, "product", addresses), strict=True)), _total(found))


def _fast(searcher: tantivy.Searcher, field: str, addresses: list[tantivy.DocAddress]) -> list[Any]:
    return searcher.fast_field_values(field, addresses) if addresses else []


def _all(searcher: tantivy.Searcher, query: Query) -> list[tantivy.DocAddress]:
    """Every entry that matches. Counted first: the engine makes room for as many as it may have to rank."""
    total = _total(searcher.search(query, limit=1))
    return [address for _, address in searcher.search(query, limit=total).hits] if total else []


def _total(found: tantivy.SearchResult) -> int:
    # The library's types leave it out.
    return int(found.count)  # type: ignore[attr-defined]


def _content(searcher: tantivy.Searcher, address: tantivy.DocAddress) -> bytes:
    return bytes(searcher.doc(address).get_first("content") or b"")


def _ranking(plan: Plan) -> Query | None:
    """Identifiers, then all terms, then some; null where nothing in the plan can be found."""
    terms = [term for word in plan.words if (term := _term(word, plan.languages)) is not None]
    ranks = [(Occur.Should, term) for term in terms]
    if terms:
        every = Query.boolean_query([(Occur.Must, term) for term in terms])
        ranks.append((Occur.Should, Query.const_score_query(every, ALL_TERMS)))
    if plan.identifiers:
        named = Query.term_set_query(schema(), "identifiers", list(plan.identifiers))
        ranks.append((Occur.Should, Query.const_score_query(named, IDENTIFIED)))
    if not ranks:
        return None
    return Query.boolean_query([(Occur.Must, Query.boolean_query(ranks)), *_filters(plan)])


def _term(word: str, languages: Sequence[str]) -> Query | None:
    """A word in its best field; null for one that the language asked in skips."""
    fields = [(f"{part}_{tongue}", WEIGHTS[part], tongue) for tongue in languages for part in PARTS]
    asked = [(field, weight, analyzer(tongue).analyze(word)) for field, weight, tongue in fields]
    if not asked[0][2]:
        return None
    asked.append(("codes", WEIGHTS["codes"], analyzer(language.UNSTEMMED).analyze(word)))
    return Query.disjunction_max_query(
        [
            Query.boost_query(Query.term_query(schema(), field, term, index_option="freq"), weight)
            for field, weight, terms in asked
            for term in terms
        ],
        TIE,
    )


def _filters(plan: Plan) -> Iterable[tuple[Occur, Query]]:
    channel = STAFF if plan.channel_id is None else plan.channel_id
    now = _milliseconds(plan.moment)
    yield Occur.Must, Query.const_score_query(_is("channel", channel), 0.0)
    if plan.channel_id is not None:
        yield Occur.Must, Query.const_score_query(_between("starts", None, now), 0.0)
        yield Occur.Must, Query.const_score_query(_between("ends", now + 1, None), 0.0)
    if plan.within is not None:
        yield Occur.Must, Query.const_score_query(_one_of(plan.within), 0.0)


def _is(field: str, value: int) -> Query:
    return Query.term_query(schema(), field, value)


def _one_of(product_ids: Collection[int]) -> Query:
    return (
        Query.term_set_query(schema(), "product", list(product_ids)) if product_ids else Query.empty_query()
    )


def _between(field: str, lowest: int | None, highest: int | None) -> Query:
    return Query.range_query(schema(), field, FieldType.Integer, lowest, highest)
