"""Entries: a document as the fields that every engine keeps. What a field is for: ``search.fields``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from search import analysis, fields, head, identifier, language
from search.document import Document, distinct
from search.sort_key import sort_key

NAME = "@name"
"""The key of names in ``order``; no attribute has such a code."""

SHORTEST_WORD = 3
"""Letters of the shortest word that is offered as a spelling."""

MOST_TERMS = 20_000
"""Terms of one text field that are kept: a text of ten times a novel's chapter says nothing more."""


@dataclass(frozen=True)
class Entry:
    """The fields of a document. ``texts``: one list of terms for each text, so that no phrase spans two."""

    texts: dict[str, list[list[str]]]
    keywords: dict[str, list[str]]
    values: dict[str, list[str]]
    numbers: dict[str, list[float]]
    order: dict[str, str]
    integers: dict[str, int]
    decimals: dict[str, float]


def entry(document: Document) -> Entry:
    """The entry of a document."""
    return Entry(
        texts=_texts(document),
        keywords={name: terms for name, terms in _keywords(document).items() if terms},
        values=document.values,
        numbers=document.numbers,
        order=_order(document),
        integers=_integers(document),
        decimals=_decimals(document),
    )


def _texts(document: Document) -> dict[str, list[list[str]]]:
    spoken: dict[str, list[str]] = {}
    for locale, parts in document.texts.items():
        for part, texts in parts.items():
            for tongue in {language.of(locale), language.UNSTEMMED}:
                spoken.setdefault(fields.text(part, tongue), []).extend(texts)
    found = {field: _terms(distinct(texts), field.rpartition("_")[2]) for field, texts in spoken.items()}
    return found | {fields.CODES: _terms(list(document.codes), language.UNSTEMMED)}


def _terms(texts: list[str], tongue: str) -> list[list[str]]:
    found, room = [], MOST_TERMS
    for text in texts:
        terms = analysis.terms(text, tongue)[:room]
        room -= len(terms)
        if terms:
            found.append(terms)
    return found


def _keywords(document: Document) -> dict[str, list[str]]:
    facts = document.facts
    titles = [
        (language.of(locale), text)
        for locale, parts in document.texts.items()
        for text in parts.get("title", ())
    ]
    return {
        "identifiers": list(document.identifiers),
        "types": [facts.type] if facts.type else [],
        "brands": distinct(identifier.normal(brand) for brand in facts.brands),
        "categories": [str(number) for number in facts.categories],
        "collections": [str(number) for number in facts.collections],
        "listed": [str(number) for number in facts.listed],
        "actors": [facts.actor] if facts.actor else [],
        "heads": distinct(_heads(document)),
        "kinds": distinct(_kinds(document)),
        "joined": distinct(each for tongue, title in titles for each in joined(title, tongue)),
        "vocabulary": distinct(_vocabulary(document)),
    }


def _heads(document: Document) -> Iterator[str]:
    for locale, parts in document.texts.items():
        kinds = {*document.facts.kinds.get(locale, ()), *document.facts.above.get(locale, ())}
        said = [text for part in ("labels", "details") for text in parts.get(part, ()) if text not in kinds]
        for title in parts.get("title", ()):
            yield from head.heads(title, language.of(locale), said, document.facts.brands)


def _kinds(document: Document) -> Iterator[str]:
    for locale, names in document.facts.kinds.items():
        for name in names:
            yield from head.kinds(name, language.of(locale))


def joined(text: str, tongue: str) -> Iterator[str]:
    """Neighbouring words as one, for those who write "headphones" where a title says "head phones"."""
    found = [word.text for word in analysis.words(text)]
    return (f"{tongue}:{analysis.term(first + second, tongue)}" for first, second in pairwise(found))


def spelling(channel_id: int | None, tongue: str, word: str) -> str:
    """How ``vocabulary`` keeps a word: by channel, so that no storefront is offered another's words."""
    return f"{channel_id or fields.STAFF}:{tongue}:{word}"


def _vocabulary(document: Document) -> Iterator[str]:
    for locale, parts in document.texts.items():
        tongue = language.of(locale)
        for part in ("title", "labels"):
            for text in parts.get(part, ()):
                for word in analysis.words(text):
                    if len(word.text) >= SHORTEST_WORD and word.text.isalpha():
                        yield spelling(document.channel_id, tongue, analysis.plain(word.text))


def _order(document: Document) -> dict[str, str]:
    names = {by_name(locale): sort_key(name) for locale, name in document.names.items()}
    return {key: sort_key(said[0]) for key, said in document.values.items()} | names


def by_name(locale: str) -> str:
    """The key of a locale's names in ``order``."""
    return f"{NAME}/{locale}"


def _integers(document: Document) -> dict[str, int]:
    facts = document.facts
    found = {
        "product": document.product_id,
        "channel": document.channel_id or fields.STAFF,
        "sequence": document.sequence,
        "hash": document.hash,
        "available": int(any(variant.available for variant in document.variants)),
    }
    moments = {"created": facts.created, "updated": facts.updated}
    return found | {name: milliseconds(moment) for name, moment in moments.items() if moment}


def _decimals(document: Document) -> dict[str, float]:
    amounts = [Decimal(variant.price.amount) for variant in document.variants if variant.price]
    return {"price": float(min(amounts)), "price_high": float(max(amounts))} if amounts else {}


def milliseconds(moment: datetime) -> int:
    """A moment as milliseconds since 1970."""
    return round(moment.timestamp() * 1000)
