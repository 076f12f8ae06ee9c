"""Reading from the embedded engine: any number of readers in any number of processes.

A reader is used within ``damage.sound()``, for its folder may hold anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import tantivy
from tantivy import Occur, Query

from search import damage, fields, spelling
from search.document import Key
from search.engine import Ask, Held, Ranked, State
from search.tantivy_ask import Asking
from search.tantivy_clause import between
from search.tantivy_schema import TERMS, schema, tokenizer


def opened(folder: Path, *, create: bool = False) -> tantivy.Index:
    """The index in a folder. Raises ``FileNotFoundError`` where there is none and none is to be made."""
    if not create and not tantivy.Index.exists(str(folder)):
        raise FileNotFoundError(f"There is no index in {folder}.")
    index = tantivy.Index(schema(), path=str(folder))
    index.register_tokenizer(TERMS, tokenizer())
    return index


class TantivyReader:
    """Questions to an index in a folder."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.folder = folder
        self.index = opened(folder, create=create)
        # The engine's own watcher looks twice a second; a question that finds another commit reloads at once.
        self.index.config_reader("manual")
        self._commit = folder / "meta.json"
        # Which commit it shows: the file's number and time.
        self.seen = (0, 0)
        self.refresh()

    @property
    def generation(self) -> str:
        """The folder's name."""
        return self.folder.name

    def refresh(self) -> None:
        """Show the last commit, whichever process made it."""
        stat = self._commit.stat()
        if (stat.st_ino, stat.st_mtime_ns) != self.seen:
            self.index.reload()
            self.seen = (stat.st_ino, stat.st_mtime_ns)

    def state(self) -> State:
        """What the index says of itself. Raises ``ValueError`` where it says nothing."""
        searcher = self.index.searcher()
        found = searcher.search(_is("channel", fields.STATE), limit=1).hits
        if not found:
            raise ValueError("The index does not say how far it has come.")
        address = found[0][1]
        said = orjson.loads(_content(searcher, address))
        return State(sequence=_fast(searcher, "sequence", [address])[0], **said)

    def ask(self, asked: Ask) -> Ranked:
        """The answer to a question."""
        return Asking(self.index, asked).answer()

    def count(self) -> int:
        """How many documents there are."""
        return _total(self.index.searcher().search(_documents(), limit=1))

    def sequences(self, product_ids: Collection[int]) -> dict[int, int]:
        """The sequence at which each product was last written, also where it is gone."""
        searcher = self.index.searcher()
        addresses = _all(searcher, _one_of(product_ids))
        products = _fast(searcher, "product", addresses)
        return dict(zip(products, _fast(searcher, "sequence", addresses), strict=True))

    def marks(self, before: int) -> list[int]:
        """The products of which there is only a mark that they were gone before a sequence."""
        searcher = self.index.searcher()
        parts = [_is("channel", fields.GONE), between("sequence", None, before - 1)]
        addresses = _all(searcher, Query.boolean_query([(Occur.Must, part) for part in parts]))
        return list(_fast(searcher, "product", addresses))

    def of_products(self, product_ids: Collection[int]) -> Iterator[Held]:
        """The documents of some products."""
        return self._held(_one_of(product_ids))

    def scan(self, first: int, last: int) -> Iterator[Held]:
        """The documents of the products with ids from ``first`` to ``last``."""
        return self._held(between("product", first, last))

    def _held(self, which: Query) -> Iterator[Held]:
        searcher = self.index.searcher()
        addresses = _all(searcher, Query.boolean_query([(Occur.Must, which), (Occur.Must, _documents())]))
        names = ("product", "channel", "sequence", "hash")
        columns = (_fast(searcher, name, addresses) for name in names)
        for product, channel, sequence, hash_ in zip(*columns, strict=True):
            yield Held((product, channel or None), sequence, hash_)

    def newest(self) -> int:
        """The highest product id of a document; 0 where there is none."""
        hits = self.index.searcher().search(_documents(), limit=1, order_by_field="product").hits
        return int(hits[0][0]) if hits else 0

    def content(self, key: Key) -> dict[str, Any] | None:
        """What a document was made of."""
        product, channel = key
        searcher = self.index.searcher()
        parts = [_is("product", product), _is("channel", channel or fields.STAFF), _documents()]
        hits = searcher.search(Query.boolean_query([(Occur.Must, part) for part in parts]), limit=1).hits
        return orjson.loads(_content(searcher, hits[0][1])) if hits else None

    def contents(self, product_ids: Collection[int]) -> Iterator[tuple[Key, dict[str, Any]]]:
        """What the documents of some products were made of."""
        searcher = self.index.searcher()
        which = Query.boolean_query([(Occur.Must, _one_of(product_ids)), (Occur.Must, _documents())])
        for address in _all(searcher, which):
            said = orjson.loads(_content(searcher, address))
            yield (said["product"], said["channel"]), said

    def words(self, prefix: str, size: int, field: str = "vocabulary") -> list[tuple[str, int]]:
        """The terms of a field that begin so, the most frequent first."""
        return self.index.searcher().terms_with_prefix(field, prefix, None, size)

    def held(self, field: str, terms: Collection[str]) -> set[str]:
        """Those of the terms that a field has."""
        searcher = self.index.searcher()
        return {term for term in terms if searcher.doc_freq(field, term)}

    def similar(self, sought: Mapping[str, int], fixed: int) -> Mapping[str, Sequence[str]]:
        """Terms of ``vocabulary`` close to terms that are not in it: those that begin alike are compared one by one."""
        found = {}
        for term, slips in sought.items():
            close = spelling.closest(term, self.words(term[:fixed], spelling.MOST_WORDS), slips)
            if close:
                found[term] = close
        return found

    def check(self) -> None:
        """Compare every file with its checksum, and look into every document. Raises ``damage.BrokenIndexError``."""
        damage.check(self.folder)


def _documents() -> Query:
    """What is a document, at its first window."""
    parts = [between("channel", fields.STAFF, None), _is("window", 0)]
    return Query.boolean_query([(Occur.Must, part) for part in parts])


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


def _is(field: str, value: int) -> Query:
    return Query.term_query(schema(), field, value)


def _one_of(product_ids: Collection[int]) -> Query:
    if not product_ids:
        return Query.empty_query()
    return Query.term_set_query(schema(), "product", list(product_ids))
