"""The embedded engine's mapping: which fields there are, and how texts become terms.

It is closed: parts times languages, however many attributes and locales there are.
"""

from __future__ import annotations

from functools import cache

import orjson
import tantivy
from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from search import language
from search.document import PARTS, fingerprint

LANGUAGES = (*language.STEMMED, language.UNSTEMMED)
LONGEST_WORD = 60

RULES = 1
"""Raised by hand when documents or terms are made in another way."""


@cache
def analyzer(tongue: str) -> TextAnalyzer:
    """How a language's texts become terms. Accents are folded after stemming, which needs them."""
    built = (
        TextAnalyzerBuilder(Tokenizer.simple())
        .filter(Filter.remove_long(LONGEST_WORD))
        .filter(Filter.lowercase())
    )
    if tongue in language.STEMMED:
        name = language.STEMMED[tongue]
        if tongue not in language.WITHOUT_STOP_WORDS:
            built = built.filter(Filter.stopword(name))
        built = built.filter(Filter.stemmer(name))
    return built.filter(Filter.ascii_fold()).build()


@cache
def schema() -> tantivy.Schema:
    """The fields of an entry."""
    builder = tantivy.SchemaBuilder()
    # A signed field: deleting by a term of an unsigned one finds nothing in tantivy-py 0.27.
    builder.add_integer_field("product", indexed=True, fast=True)
    builder.add_integer_field("channel", indexed=True, fast=True)
    builder.add_unsigned_field("sequence", fast=True)
    builder.add_integer_field("starts", indexed=True, fast=True)
    builder.add_integer_field("ends", indexed=True, fast=True)
    builder.add_text_field("identifiers", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("codes", tokenizer_name=language.UNSTEMMED, index_option="freq")
    for tongue in LANGUAGES:
        for part in PARTS:
            builder.add_text_field(f"{part}_{tongue}", tokenizer_name=tongue)
    builder.add_bytes_field("content", stored=True)
    return builder.build()


def mapping() -> str:
    """A fingerprint of everything that decides how a document becomes terms: another one asks for a rebuild."""
    said = [PARTS, LANGUAGES, LONGEST_WORD, language.STEMMED, RULES]
    return fingerprint(orjson.dumps(said))


def words(text: str) -> list[str]:
    """The distinct words of a text as the engine parts them, before any stemming."""
    return list(dict.fromkeys(_splitter().analyze(text)))


@cache
def _splitter() -> TextAnalyzer:
    return TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.lowercase()).build()
