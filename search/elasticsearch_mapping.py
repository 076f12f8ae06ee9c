"""The definition of an Elasticsearch index: its fields and how they are kept. It is closed and small.

Texts come as terms, so the engine only parts them at spaces. Attributes are keys of ``flattened`` fields: two thousand of
them are one field. Numbers are kept there as text whose order is the numbers' order, because such a field knows text alone.
"""

from __future__ import annotations

import struct
from typing import Any

import orjson

from search import analysis, fields
from search.document import fingerprint

RULES = 2
"""Raised by hand when documents become fields in another way."""

LONGEST_TERM = 8_000
"""Bytes of the longest term that is kept; the engine refuses documents with terms beyond 32,766."""

SIGN = 1 << 63
ALL_BITS = (1 << 64) - 1

_TEXT = {"type": "text", "analyzer": "whitespace", "index_options": "positions"}
_KEYWORD = {"type": "keyword", "ignore_above": LONGEST_TERM}
_WHOLE = {"type": "long"}
_DECIMAL = {"type": "double"}
_KEYED = {"type": "flattened", "ignore_above": LONGEST_TERM, "depth_limit": 2}

PROPERTIES: dict[str, Any] = {
    **dict.fromkeys(fields.TEXTS, _TEXT),
    **dict.fromkeys(fields.KEYWORDS, _KEYWORD),
    **dict.fromkeys((*fields.KEYED, *fields.NUMBERED, *fields.ORDERED), _KEYED),
    **dict.fromkeys(fields.INTEGERS, _WHOLE),
    **dict.fromkeys(fields.DECIMALS, _DECIMAL),
    "windows": {"type": "date_range", "format": "epoch_millis"},
    "content": {"type": "object", "enabled": False},
}

MAPPINGS: dict[str, Any] = {
    "dynamic": "strict",
    # Only what is read back is kept: the terms can be made again from the content.
    "_source": {"includes": ["content", "hash", "sequence", "channel"]},
    "properties": PROPERTIES,
}


def settings(shards: int) -> dict[str, Any]:
    """The settings of a new index. A node that is alone keeps no copies; with others there is one."""
    return {
        "number_of_shards": shards,
        "auto_expand_replicas": "0-1",
        # The lane refreshes when it has written; this is for what it did not come to.
        "refresh_interval": "5s",
        "mapping.total_fields.limit": len(PROPERTIES) + 10,
    }


def mapping() -> str:
    """A fingerprint of everything that decides how a document becomes terms: another one asks for a rebuild."""
    said: list[Any] = [MAPPINGS, settings(1), analysis.RULES, analysis.LONGEST_WORD, RULES]
    return fingerprint(orjson.dumps(said, option=orjson.OPT_SORT_KEYS))


LEAST, GREATEST = "0" * 16, "f" * 16
"""Below and above every number as text: Elasticsearch 8 wants both bounds of a range inside a keyed field."""


def sortable(number: float) -> str:
    """A number as 16 hexadecimal digits, in the numbers' order (IEEE 754 bits, the sign turned round)."""
    bits = int(struct.unpack(">Q", struct.pack(">d", number + 0.0))[0])
    return f"{(~bits & ALL_BITS) if bits & SIGN else bits | SIGN:016x}"


def number(text: str) -> float:
    """The number that ``sortable`` made the text of."""
    bits = int(text, 16)
    bits = bits ^ SIGN if bits & SIGN else ~bits & ALL_BITS
    return float(struct.unpack(">d", struct.pack(">Q", bits))[0])
