"""What rules of search may say: checked when they are saved and when they are tried, so that each can be carried out.

A document of rules holds lists by kind::

    {"synonyms": [{"words": ["sofa", "couch"]}, {"from": ["lounge chair"], "to": ["armchair"]}],
     "stopWords": ["buy"],
     "boosts": [{"condition": {"brand": ["Acme"]}, "factor": 1.5, "when": {"query": "shirt", "match": "CONTAINS"}}],
     "buries": [{"condition": {"available": false}}],
     "pins": [{"when": {"query": "gift", "match": "EXACT"}, "products": [{"id": "…"}]}],
     "redirects": [{"when": {"query": "returns", "match": "EXACT"}, "url": "/help/returns"}]}

Boosts, buries, pins and redirects may have ``startsAt`` and ``endsAt``. What they name (products, categories) is given
in any way and kept by global id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from hub import ids, registry, value
from hub.db import Json
from hub.errors import HubError, Invalid, Limit, NotFound, Required
from hub.reference import Directory, way

MOST = {
    "synonyms": 2_000,
    "stopWords": 1_000,
    "boosts": 100,
    "buries": 100,
    "pins": 500,
    "redirects": 500,
}
"""Rules of each kind in one set."""

MOST_WORDS = 50
"""Words or phrases of one synonym, and values of one condition."""

MOST_PINNED = 50
LONGEST_WORD = 100
LONGEST_PHRASE = 6
"""Words of a phrase."""

LARGEST = 1_000_000
"""Bytes of one document of rules."""

LARGEST_FACTOR = 10.0
LARGEST_POINTS = 400.0
"""Below what a product gets for having all words: a boost moves within that, not beyond."""

MATCHES = ("EXACT", "CONTAINS", "ALL_WORDS")
PLAIN = frozenset({"text", "choice", "choices", "boolean"})
NUMBERS = frozenset({"integer", "decimal"})

Read = Callable[[Any], Any]


def checked(tx: sa.Connection, rules: Json) -> Json:
    """The rules as they are kept. Raises the first refusal, with the path that leads to it within the rules."""
    for kind in rules:
        if kind not in MOST:
            raise Invalid(f'"{kind}" is no kind of rule: there are {", ".join(MOST)}.', (kind,))
    if len(orjson.dumps(rules, default=str)) > LARGEST:
        raise Limit(f"The rules take more than {LARGEST} bytes: make several sets.")
    checking = _Checking(tx)
    readers: dict[str, Read] = {
        "synonyms": _synonym,
        "stopWords": _word,
        "boosts": checking.boost,
        "buries": checking.bury,
        "pins": checking.pin,
        "redirects": checking.redirect,
    }
    found = {kind: _each(kind, rules.get(kind) or [], readers[kind]) for kind in MOST}
    _check_circles(found["synonyms"])
    return {kind: kept for kind, kept in found.items() if kept}


def _each(name: str, given: Any, read: Read, most: int | None = None) -> list[Any]:
    limit = MOST[name] if most is None else most
    if not isinstance(given, list):
        raise Invalid(f"{name} is a list.", (name,))
    if len(given) > limit:
        raise Limit(f"{name} holds {len(given)} entries: give {limit} at most.", (name,))
    found = []
    for place, each in enumerate(given):
        try:
            found.append(read(each))
        except HubError as wrong:
            raise wrong.under(name, place) from wrong
    return found


def _word(given: Any) -> str:
    """A word or phrase, in lower case and with single spaces."""
    text = " ".join(value.line(given).split())
    if len(text) > LONGEST_WORD:
        raise Limit(f"{value.shown(text)} has {len(text)} characters: give {LONGEST_WORD} at most.")
    if text.count(" ") >= LONGEST_PHRASE:
        raise Limit(f"{value.shown(text)} has more than {LONGEST_PHRASE} words: make it shorter.")
    if not any(letter.isalnum() for letter in text):
        raise Required(f"{value.shown(text)} holds no letter and no digit: give a word.")
    return text.lower()


def _some(name: str, given: Any, read: Read, least: int = 1, most: int = MOST_WORDS) -> list[Any]:
    found = list(dict.fromkeys(_each(name, given or [], read, most)))
    if len(found) < least:
        raise Required(f"{name} holds {len(found)} different entries: give {least} at least.", (name,))
    return found


def _object(given: Any, *known: str) -> Json:
    if not isinstance(given, dict):
        raise Invalid("A rule is an object with fields.")
    for name in given:
        if name not in known:
            raise Invalid(f'"{name}" is not a field here: there are {", ".join(known)}.', (name,))
    return {name: each for name, each in given.items() if each is not None}


def _synonym(given: Any) -> Json:
    said = _object(given, "words", "from", "to")
    if "words" in said:
        if len(said) > 1:
            raise Invalid("A synonym has either words, which all count as each other, or from and to.")
        return {"words": _some("words", said["words"], _word, 2)}
    one_way = {"from": _some("from", said.get("from"), _word), "to": _some("to", said.get("to"), _word)}
    both = set(one_way["from"]) & set(one_way["to"])
    if both:
        raise Invalid(f'"{min(both)}" would be its own synonym: take it out of from or to.', ("to",))
    return one_way


def _check_circles(synonyms: Sequence[Json]) -> None:
    """One-way synonyms that lead back to where they began are two-way, and shall say so."""
    leads: dict[str, set[str]] = {}
    for each in synonyms:
        for word in each.get("from", ()):
            leads.setdefault(word, set()).update(each["to"])
    for place, each in enumerate(synonyms):
        for word in each.get("from", ()):
            if _reaches(leads, word):
                raise Invalid(
                    f'One-way synonyms lead from "{word}" back to it: name those words together under words.',
                    ("synonyms", place),
                )


def _reaches(leads: dict[str, set[str]], word: str) -> bool:
    seen, open_ = set[str](), list(leads.get(word, ()))
    while open_:
        each = open_.pop()
        if each == word:
            return True
        if each not in seen:
            seen.add(each)
            open_ += leads.get(each, ())
    return False


def _when(given: Any) -> Json:
    said = _object(given, "query", "match")
    match = said.get("match") or "EXACT"
    if match not in MATCHES:
        raise Invalid(f"{value.shown(match)} is no match: there are {', '.join(MATCHES)}.", ("match",))
    if "query" not in said:
        raise Required("Say for which query the rule holds.", ("query",))
    try:
        return {"query": _word(said["query"]), "match": match}
    except HubError as wrong:
        raise wrong.under("query") from wrong


def _window(said: Json) -> Json:
    found = {}
    for name in ("startsAt", "endsAt"):
        if name in said:
            try:
                found[name] = value.moment(said[name])
            except HubError as wrong:
                raise wrong.under(name) from wrong
    if found.keys() == {"startsAt", "endsAt"} and found["startsAt"] >= found["endsAt"]:
        raise Invalid(f"The rule ends at {found['endsAt']}, before it starts: give a later end.", ("endsAt",))
    return {name: moment.isoformat() for name, moment in found.items()}


def _at(said: Json, *, needed: bool) -> Json:
    """For which query, and from when until when."""
    if "when" not in said:
        if needed:
            raise Required("Say with when for which query the rule holds.", ("when",))
        return _window(said)
    try:
        return {"when": _when(said["when"]), **_window(said)}
    except HubError as wrong:
        raise (
            wrong.under("when") if wrong.path[:1] not in (("startsAt",), ("endsAt",)) else wrong
        ) from wrong


def _number(name: str, given: Any, least: float, most: float) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not least <= given <= most:
        raise Invalid(f"{name} is {value.shown(given)}: give a number from {least:g} to {most:g}.", (name,))
    return float(given)


class _Checking:
    """The checks that look into the database."""

    def __init__(self, tx: sa.Connection) -> None:
        self._tx = tx
        self._directory = Directory(tx)

    def boost(self, given: Any) -> Json:
        said = _object(given, "condition", "factor", "points", "when", "startsAt", "endsAt")
        how = said.keys() & {"factor", "points"}
        if len(how) != 1:
            raise Required("A boost has either a factor or points.", ("factor",))
        worth = (
            {"factor": _number("factor", said["factor"], 0.01, LARGEST_FACTOR)}
            if "factor" in said
            else {"points": _number("points", said["points"], 0.01, LARGEST_POINTS)}
        )
        return {"condition": self._condition(said), **worth, **_at(said, needed=False)}

    def bury(self, given: Any) -> Json:
        said = _object(given, "condition", "when", "startsAt", "endsAt")
        return {"condition": self._condition(said), **_at(said, needed=False)}

    def pin(self, given: Any) -> Json:
        said = _object(given, "products", "when", "startsAt", "endsAt")
        products = _each("products", said.get("products") or [], self._product, MOST_PINNED)
        if not products:
            raise Required(
                "products is empty: name those that stand at the top, in their order.", ("products",)
            )
        for place, each in enumerate(products):
            if each in products[:place]:
                raise Invalid("A product is pinned twice: keep one of its places.", ("products", place))
        return {"products": products, **_at(said, needed=True)}

    def redirect(self, given: Any) -> Json:
        said = _object(given, "url", "category", "when", "startsAt", "endsAt")
        if len(said.keys() & {"url", "category"}) != 1:
            raise Required("A redirect leads either to a url or to a category.", ("url",))
        if "category" in said:
            return {"category": self._named("category", said["category"]), **_at(said, needed=True)}
        address = value.line(said["url"]).strip()
        if not address.startswith(("https://", "http://", "/")) or address.startswith("//"):
            raise Invalid(
                f'{value.shown(address)} is no address: write it like "https://example.com/sale" or "/sale".',
                ("url",),
            )
        return {"url": address, **_at(said, needed=True)}

    def _condition(self, said: Json) -> Json:
        readers: dict[str, Read] = {
            "attribute": self._attribute,
            "category": lambda given: self._named("category", given),
            "brand": lambda given: _some("brand", given, value.key),
            "type": lambda given: _some("type", given, self._type),
            "products": lambda given: _each("products", given, self._product, MOST_WORDS),
            "available": value.flag,
        }
        given = said.get("condition")
        if not given:
            raise Required("Say with condition which products are meant.", ("condition",))
        try:
            named = _object(given, *readers)
            if len(named) != 1:
                raise Invalid(f"A condition is one of {', '.join(readers)}.")
            ((kind, asked),) = named.items()
            read = readers[kind](asked)
        except HubError as wrong:
            raise wrong.under("condition") from wrong
        return {kind: read}

    def _product(self, given: Any) -> Json:
        return self._named("product", given, ())

    def _named(self, noun: str, given: Any, path: tuple[str, ...] | None = None) -> Json:
        """A reference by global id. Raises ``NotFound`` or ``Invalid``."""
        under = (noun,) if path is None else path
        try:
            asked = _numbered(noun, given)
            named = way(asked, noun)
            self._directory.look_up(noun, [named])
            return {"id": ids.encode(noun, self._directory.resolve(noun, asked))}
        except HubError as wrong:
            raise wrong.under(*under) from wrong

    def _type(self, given: Any) -> str:
        table = registry.part("product_type").table
        code = value.key(given)
        if self._tx.scalar(sa.select(table.c.id).where(table.c.code == code)) is None:
            raise NotFound(f'Product type "{code}" does not exist: productTypes lists those that do.')
        return code

    def _attribute(self, given: Any) -> Json:
        said = _object(given, "code", "values", "min", "max")
        definition = self._definition(said)
        kind, code = definition["type"], definition["code"]
        bounds: Json = {
            name: _number(name, said[name], -1e15, 1e15) for name in ("min", "max") if name in said
        }
        if ("values" in said) == bool(bounds):
            raise Required(f'Say with values, or with min and max, which "{code}" are meant.', ("attribute",))
        if bounds and kind not in NUMBERS:
            raise Invalid(f'Attribute "{code}" ({kind}) has no order: give values.', ("attribute", "values"))
        if not bounds and kind not in PLAIN | NUMBERS:
            raise Invalid(
                f'Attribute "{code}" ({kind}) cannot be compared with values.', ("attribute", "values")
            )
        if bounds:
            if bounds.get("min", -1e15) > bounds.get("max", 1e15):
                raise Invalid("min is more than max: give the lower bound as min.", ("attribute", "min"))
            return {"code": code, **bounds}
        try:
            return {"code": code, "values": _some("values", said["values"], value.key)}
        except HubError as wrong:
            raise wrong.under("attribute") from wrong

    def _definition(self, said: Json) -> sa.RowMapping:
        table = registry.part("attribute").table
        code = str(said.get("code", ""))
        found = self._tx.execute(sa.select(table).where(table.c.code == code)).mappings().first()
        if found is None:
            raise NotFound(
                f'Attribute "{code}" does not exist: attributes lists those that do.', ("attribute", "code")
            )
        if not (found["filterable"] or found["facet"]):
            raise Invalid(
                f'Attribute "{code}" is not filterable: make it so, or choose another.', ("attribute", "code")
            )
        return found


def _numbered(noun: str, given: Any) -> Any:
    """A reference whose global id, as rules are kept, is a number."""
    if not isinstance(given, dict) or not isinstance(given.get("id"), str):
        return given
    try:
        kind, number = ids.decode(given["id"])
    except ValueError as wrong:
        raise Invalid(str(wrong), ("id",)) from wrong
    if kind != noun:
        raise Invalid(f'"{given["id"]}" is the id of a {kind}: give the id of a {noun}.', ("id",))
    return {"id": number}
