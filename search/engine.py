"""The contract of an engine: what an index is asked, what it answers, and how it is written.

Two engines keep it, ``search.tantivy_*`` and ``search.elasticsearch_*``. ``tests/search_contract`` runs the same cases
against both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol

from search.clause import Clause
from search.document import Batch, Key

EXACTLY = 10_000
"""How far hits are counted; beyond it a total is a lower bound."""


class UnavailableError(Exception):
    """Search cannot answer at the moment. Reads by id still work."""


class MissingError(UnavailableError):
    """There is no such index, or it does not say how far it has come."""


class BusyError(UnavailableError):
    """The engine takes no writes at the moment: too many requests, a full disk, no master. Try again later."""


@dataclass(frozen=True)
class Sort:
    """An order of hits. ``field``: ``score``, a whole or decimal number, ``numbers`` or ``order`` with a key.

    Documents without a value come last, either way; the product's id decides between equals.
    """

    field: str
    key: str | None = None
    descending: bool = False


SCORE = Sort("score", descending=True)


@dataclass(frozen=True)
class Anchor:
    """A hit to go on after: its rank (the first is 1), its product, and what it was sorted by."""

    rank: int
    product_id: int
    value: float | str | None


@dataclass(frozen=True)
class TermsFacet:
    """How many hits have each value of a field, or of a key of ``values``; the most frequent ``size``, ties by value.

    ``only``: count these values of a field alone; null: all of them. ``instead``: further keys; a hit counts with the
    values of the first key that it has.
    """

    field: str
    key: str | None = None
    size: int = 20
    only: tuple[str, ...] | None = None
    instead: tuple[str, ...] = ()


@dataclass(frozen=True)
class RangesFacet:
    """How many hits lie in each range, from the lower bound on up to but without the upper; null bounds are open."""

    field: str
    ranges: tuple[tuple[float | None, float | None], ...]
    key: str | None = None


@dataclass(frozen=True)
class HistogramFacet:
    """How many hits lie in each bucket of the width ``interval``, from a multiple of it on.

    ``slack``: a number that is so little below a multiple is that multiple, to which binary fractions do not reach.
    """

    field: str
    interval: float
    key: str | None = None
    slack: float = 0.0

    def bucket(self, start: float, count: int) -> Bucket:
        """The bucket whose start an engine tells as about this number."""
        width = Decimal(repr(self.interval))
        place = round((start + self.slack) / self.interval)
        return Bucket(count, low=float(place * width), high=float((place + 1) * width))


@dataclass(frozen=True)
class StatsFacet:
    """The least and the greatest value."""

    field: str
    key: str | None = None


Facet = TermsFacet | RangesFacet | HistogramFacet | StatsFacet


@dataclass(frozen=True)
class Bucket:
    """One value or range with how many hits have it. ``low`` and ``high`` are null for a value, and where open."""

    count: int
    value: str | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Counts:
    """A facet's answer. ``others``: hits' values beyond those shown. ``low``, ``high``: the ends of what there is."""

    buckets: tuple[Bucket, ...] = ()
    others: int = 0
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Ask:
    """What an engine is asked.

    ``query`` scores; ``filters`` only choose. ``chosen``: conditions on facets by the facet's name; each counts for the
    hits and for every other facet, but not for its own, so that a chosen value does not hide its siblings.
    ``size``: hits wanted; with 0 only totals and facets. ``explain``: tell the shares of named clauses.
    """

    query: Clause
    filters: tuple[Clause, ...] = ()
    chosen: Mapping[str, Clause] = field(default_factory=dict)
    facets: Mapping[str, Facet] = field(default_factory=dict)
    sort: Sort = SCORE
    size: int = 20
    after: Anchor | None = None
    explain: bool = False


@dataclass(frozen=True)
class Place:
    """A hit: its product, what it is sorted by, and its score. ``shares``: named clauses with their part of the score."""

    product_id: int
    value: float | str | None
    score: float
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Ranked:
    """What an engine answers. ``exact``: whether ``total`` is the number of hits, not a lower bound.

    ``more``: whether hits follow. ``engine_seconds``: what the engine says it took; null where it does not.
    ``transport_seconds``: the way to the engine and back, where it is another process.
    """

    places: tuple[Place, ...]
    total: int
    exact: bool = True
    more: bool = False
    facets: Mapping[str, Counts] = field(default_factory=dict)
    engine_seconds: float | None = None
    transport_seconds: float = 0.0


@dataclass(frozen=True)
class State:
    """What a generation of an index says of itself.

    ``sequence``: every change up to it is in the index. ``origin``: the database that it shows. ``mapping``: the rules by
    which its documents became terms. ``filled``: while it is built, the last product that is in it; null once it is whole.
    """

    sequence: int
    origin: str
    mapping: str
    filled: int | None = None


@dataclass(frozen=True)
class Held:
    """A document as it is held: which, since which sequence, and its content's fingerprint."""

    key: Key
    sequence: int
    hash: int


@dataclass(frozen=True)
class Refused:
    """A document that the engine does not take, and why."""

    key: Key
    reason: str


@dataclass(frozen=True)
class Written:
    """What a batch came to: documents written, left alone because they were the same or newer, and refused."""

    written: int = 0
    same: int = 0
    refused: tuple[Refused, ...] = ()

    def plus(self, other: Written) -> Written:
        """Both together."""
        return Written(self.written + other.written, self.same + other.same, (*self.refused, *other.refused))


class Reader(Protocol):
    """Questions to the generation in use. Every method may raise ``UnavailableError``."""

    @property
    def generation(self) -> str:
        """Its name."""
        ...

    def refresh(self) -> None:
        """Show everything that was written before this call."""
        ...

    def state(self) -> State:
        """What the generation says of itself."""
        ...

    def ask(self, asked: Ask) -> Ranked:
        """The answer to a question."""
        ...

    def count(self) -> int:
        """How many documents there are."""
        ...

    def scan(self, first: int, last: int) -> Iterable[Held]:
        """The documents of the products with ids from ``first`` to ``last``."""
        ...

    def newest(self) -> int:
        """The highest product id of a document; 0 where there is none."""
        ...

    def content(self, key: Key) -> dict[str, Any] | None:
        """What a document was made of; null where there is none."""
        ...

    def words(self, prefix: str, size: int, field: str = "vocabulary") -> Sequence[tuple[str, int]]:
        """The terms of a field that begin so, the most frequent first, with how many documents have them."""
        ...

    def held(self, field: str, terms: Collection[str]) -> Collection[str]:
        """Those of the terms that a field has."""
        ...

    def similar(self, sought: Mapping[str, int], fixed: int) -> Mapping[str, Sequence[str]]:
        """Terms of ``vocabulary`` close to terms that are not in it, the closest first; at most three for each.

        ``sought``: a term, and how many letters may be wrong. ``fixed``: so many first characters have to be right.
        Terms that are there, or have none close, are left out.
        """
        ...

    def check(self) -> None:
        """Look for damage that questions may not meet."""
        ...


class Writer(Protocol):
    """The writer of one generation. Every method may raise ``BusyError`` or ``UnavailableError``."""

    def put(self, batch: Batch, *, repair: bool = False, trusting: bool = True, new: bool = False) -> Written:
        """Make the index say of the batch's products what the batch says.

        Work that is older than what is there changes nothing. ``repair``: what is there is wrong, whatever its sequence.
        ``trusting``: leave alone what has the same content; false while another process may still be writing.
        ``new``: nothing of these products can be there yet, so nothing is looked up.
        """
        ...

    def stocked(self, product_ids: Collection[int]) -> Mapping[Key, Mapping[int, bool]]:
        """The documents that are there of some products: their variants by id, and whether each is told as in stock."""
        ...

    def purge(self, before: int) -> int:
        """Forget the marks of what was gone before a sequence; gives how many there were.

        Only for sequences so old that no work from before them can still be on its way.
        """
        ...

    def commit(self, state: State) -> None:
        """Make what was put findable and safe, and note the state that it makes up."""
        ...

    def close(self) -> None:
        """Let another process write."""
        ...


class Turn(Protocol):
    """The right to write."""

    def check(self) -> None:
        """Raise ``LostTurnError`` where the right is lost: another process may be writing by now."""
        ...


class LostTurnError(Exception):
    """The right to write was lost."""


Health = Literal["green", "yellow", "red"]
"""In the engine's words: all is well; a copy is missing; documents cannot be reached."""


class Index(Protocol):
    """A hub's index with all its generations. Cheap to make; threads may share it."""

    @property
    def engine(self) -> str:
        """``tantivy`` or ``elasticsearch``."""
        ...

    def mapping(self) -> str:
        """A fingerprint of everything that decides how a document becomes terms: another one asks for a rebuild."""
        ...

    def current(self) -> str | None:
        """The generation in use; null while there is none."""
        ...

    def reading(self) -> AbstractContextManager[Reader]:
        """Questions to the generation in use. Raises ``UnavailableError`` where there is none or it cannot be read."""
        ...

    def opened(self, generation: str) -> Reader:
        """Questions to any generation."""
        ...

    def writing(self) -> AbstractContextManager[Turn | None]:
        """This process's turn to write to the generation in use, until the end of the block; null while it is another's."""
        ...

    def building(self) -> AbstractContextManager[Turn | None]:
        """This process's turn to build another generation; null while another process does."""
        ...

    def create(self, state: State) -> str:
        """Make an empty generation that says it is at ``state``; gives its name."""
        ...

    def unfinished(self) -> Collection[str]:
        """Generations that were begun and are not in use."""
        ...

    def writer(self, generation: str, *, bulk: bool = False) -> Writer:
        """The writer of a generation. ``bulk``: for many documents at once."""
        ...

    def adopt(self, generation: str) -> None:
        """Take a generation into use, in one step."""
        ...

    def drop(self, generation: str) -> None:
        """Remove a generation; one that is gone is no error."""
        ...

    def tidy(self, keep: Collection[str] = ()) -> None:
        """Remove the generations that were in use before, but not ``keep``, which is about to be.

        Only for the process whose turn it is to write.
        """
        ...

    def is_spoilt(self, generation: str) -> bool:
        """Whether a reader found the generation damaged."""
        ...

    def admits(self, generation: str) -> bool:
        """Whether a generation of other rules can take these rules' documents until it is replaced."""
        ...

    def health(self) -> Health:
        """How the engine says it is."""
        ...
