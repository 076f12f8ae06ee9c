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

LONGEST_NAME = 1_000
PRODUCT_BITS = 48
"""Bits of a product's id below the length of its name."""

BRIEF = 3
"""Words of the longest text of an attribute whose words are offered as spellings: a longer one is prose."""

LONGEST_BEGINNING = 3
"""Letters of the longest beginning of a word that is kept ready; longer ones are those of few words."""

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
        **_spoken(document),
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


def ending(channel_id: int | None, tongue: str, term: str) -> str:
    """How ``endings`` keeps a term: backwards, so that what ends alike begins alike."""
    return spelling(channel_id, tongue, term[::-1])


def beginning(tongue: str, letters: str, *, first: bool) -> str:
    """How ``begins`` keeps the beginning of a name's word; ``first``: of its first word."""
    return f"{tongue}:{'^' if first else ''}{letters}"


def _spoken(document: Document) -> dict[str, list[str]]:
    """What is looked up of the document's words: to correct, to take compounds apart, and to suggest."""
    said = dict(_words(document))
    channel = document.channel_id
    return {
        "vocabulary": [
            spelling(channel, tongue, plain)
            for tongue, words in said.items()
            for plain in distinct(map(analysis.plain, words))
        ],
        "endings": [
            ending(channel, tongue, term)
            for tongue, words in said.items()
            for term in distinct(analysis.term(word, tongue) for word in words)
        ],
        "begins": distinct(_begins(document)),
    }


def _words(document: Document) -> Iterator[tuple[str, set[str]]]:
    """By language the words of names, labels, makers and what else is said in a few words."""
    found: dict[str, set[str]] = {}
    for locale, parts in document.texts.items():
        brief = [text for text in parts.get("details", ()) if text.count(" ") < BRIEF]
        texts = (*parts.get("title", ()), *parts.get("labels", ()), *brief)
        own = (word.text for text in texts for word in analysis.words(text))
        kept = found.setdefault(language.of(locale), set())
        kept.update(word for word in own if len(word) >= SHORTEST_WORD and word.isalpha())
    yield from found.items()


def _begins(document: Document) -> Iterator[str]:
    """The first letters of the words of names."""
    for locale, name in document.names.items():
        # Staff who name no locale look through all of them.
        tongues = {language.of(locale)} | ({language.UNSTEMMED} if document.channel_id is None else set())
        for tongue in tongues:
            for place, word in enumerate(analysis.words(name)):
                plain = analysis.plain(word.text)
                for length in range(1, min(len(plain), LONGEST_BEGINNING) + 1):
                    yield beginning(tongue, plain[:length], first=False)
                    if place == 0:
                        yield beginning(tongue, plain[:length], first=True)


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
        "brief": _brief(document),
    }
    moments = {"created": facts.created, "updated": facts.updated}
    return found | {name: milliseconds(moment) for name, moment in moments.items() if moment}


def _brief(document: Document) -> int:
    """The length of the shortest name above the product's id, so that no two documents of a channel are alike."""
    shortest = min(map(len, document.names.values()), default=LONGEST_NAME)
    return min(shortest, LONGEST_NAME) << PRODUCT_BITS | document.product_id


def _decimals(document: Document) -> dict[str, float]:
    amounts = [Decimal(variant.price.amount) for variant in document.variants if variant.price]
    return {"price": float(min(amounts)), "price_high": float(max(amounts))} if amounts else {}


def milliseconds(moment: datetime) -> int:
    """A moment as milliseconds since 1970."""
    return round(moment.timestamp() * 1000)
