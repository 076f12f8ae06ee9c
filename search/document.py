"""Documents: what the index holds of a product, for one channel or for staff. No engine is known here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import orjson

PARTS = ("title", "labels", "body", "details")
"""What a text says of a product: its name; what kind of thing it is and its choices; how it is described; the rest."""

Window = tuple[datetime | None, datetime | None]
"""Start and end, half-open; null is unbounded."""

Key = tuple[int, int | None]
"""Product and channel; channel null for the document of staff."""

Texts = dict[str, dict[str, list[str]]]
"""Locale → part → texts."""


@dataclass(frozen=True)
class Price:
    """What one piece of a variant costs anyone in the document's channel, as a decimal text."""

    amount: str
    currency: str


@dataclass(frozen=True)
class Variant:
    """A variant inside a document. ``price`` is null where it has none, and for staff. ``available``: any in stock."""

    id: int
    sku: str
    price: Price | None = None
    available: bool = False


@dataclass(frozen=True)
class Facts:
    """What of a product is filtered and counted and is no attribute.

    ``categories`` and ``collections``: ids, categories with their ancestors. ``brands``: option names and texts.
    ``kinds``: by locale, the names of its product type and of the categories that it is put in itself;
    ``above``: those of the categories above them.
    ``listed``: for staff, ids of the channels that it is on offer in now. ``created``: when the product was made;
    ``updated`` and ``actor``: for staff, when it changed last, and by whom.
    """

    type: str = ""
    categories: tuple[int, ...] = ()
    collections: tuple[int, ...] = ()
    brands: tuple[str, ...] = ()
    kinds: dict[str, tuple[str, ...]] = field(default_factory=dict)
    above: dict[str, tuple[str, ...]] = field(default_factory=dict)
    listed: tuple[int, ...] = ()
    created: datetime | None = None
    updated: datetime | None = None
    actor: str | None = None


@dataclass(frozen=True)
class Document:
    """One product as one channel shows it, or as staff see it (``channel_id`` null).

    ``sequence``: every change up to this one of the feed is in it.
    ``windows``: when it is listed; empty for staff, who see it always.
    ``identifiers``: normal forms that find it whole; ``codes``: the same as written, whose parts find it too.
    ``values`` and ``numbers``: what its attributes say, by key (``search.values``).
    ``names``: locale → name, for sorting.
    """

    product_id: int
    channel_id: int | None
    sequence: int
    windows: tuple[Window, ...] = ()
    identifiers: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    texts: Texts = field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
    facts: Facts = field(default_factory=Facts)
    values: dict[str, list[str]] = field(default_factory=dict)
    numbers: dict[str, list[float]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What it is the only document of."""
        return self.product_id, self.channel_id

    @cached_property
    def content(self) -> bytes:
        """All of it but the sequence, as JSON with sorted keys: equal products have equal bytes."""
        said: dict[str, Any] = {
            "product": self.product_id,
            "channel": self.channel_id,
            "windows": self.windows,
            "identifiers": self.identifiers,
            "codes": self.codes,
            "texts": self.texts,
            "variants": self.variants,
            "facts": self.facts,
            "values": self.values,
            "numbers": self.numbers,
            "names": self.names,
        }
        return orjson.dumps(said, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)

    @cached_property
    def hash(self) -> int:
        """The fingerprint of the content, 63 bits."""
        digest = hashlib.blake2b(self.content, digest_size=8).digest()
        return int.from_bytes(digest, "big") >> 1


@dataclass(frozen=True)
class Batch:
    """The documents of some products as of ``sequence``; a product that has none is no longer there.

    ``channels``: the ids of all channels, in each of which a document may have been.
    """

    sequence: int
    product_ids: tuple[int, ...]
    documents: tuple[Document, ...]
    channels: tuple[int, ...] = ()


def fingerprint(content: bytes) -> str:
    """A short hash that tells contents apart."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def distinct(texts: Iterable[str | None]) -> list[str]:
    """Each text once, in order, without the empty ones."""
    return list(dict.fromkeys(text for text in texts if text))
