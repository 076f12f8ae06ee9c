"""The embedded engine's fields. The list is closed, however many attributes and locales there are."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
import tantivy
from tantivy import TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from search import analysis, fields
from search.document import fingerprint

TERMS = "terms"
"""The name of the tokenizer: texts come as terms with spaces between them."""

RULES = 4
"""Raised by hand when documents become fields in another way."""

SORT_PARTS = 3
"""A sort key is kept as so many whole numbers: the engine sorts by numbers alone inside a keyed field."""


@cache
def tokenizer() -> TextAnalyzer:
    """Parts terms; everything else was done before."""
    return TextAnalyzerBuilder(Tokenizer.whitespace()).build()


@cache
def schema() -> tantivy.Schema:
    """The fields of an entry."""
    builder = tantivy.SchemaBuilder()
    for name in fields.TEXTS:
        builder.add_text_field(name, tokenizer_name=TERMS)
    for name in fields.KEYWORDS:
        builder.add_text_field(
            name, tokenizer_name="raw", index_option="basic", fast=name not in fields.WORDS
        )
    for name in (*fields.KEYED, *fields.NUMBERED, *fields.ORDERED):
        builder.add_json_field(name, tokenizer_name="raw", index_option="basic", fast=True)
    # Signed fields: deleting by a term of an unsigned one finds nothing in tantivy-py 0.27.
    for name in (*fields.INTEGERS, "starts", "ends", "window"):
        builder.add_integer_field(name, indexed=True, fast=True)
    for name in fields.DECIMALS:
        builder.add_float_field(name, indexed=True, fast=True)
    builder.add_bytes_field("content", stored=True)
    return builder.build()


def mapping() -> str:
    """A fingerprint of everything that decides how a document becomes terms: another one asks for a rebuild."""
    said: list[Any] = [fields.TEXTS, fields.KEYWORDS, fields.KEYED, fields.NUMBERED, fields.ORDERED]
    said += [fields.INTEGERS, fields.DECIMALS, analysis.RULES, analysis.LONGEST_WORD, RULES]
    return fingerprint(orjson.dumps(said))


def path(field: str, key: str | None) -> str:
    """A key inside a keyed field as the engine wants it named: a dot would part it."""
    return field if key is None else f"{field}.{key.replace('.', _DOT)}"


def inside(key: str) -> str:
    """A key as it is kept inside a keyed field."""
    return key.replace(".", _DOT)


_DOT = "\u2024"
"""No attribute's code holds it."""
