"""Rules of search carried out: what staff decided, as words and clauses of one question.

Everything happens when a question is asked, in the question: no document knows of rules, so that they hold at once, in
every engine and on every server, and go as they came. Places are scores: a page goes on as it does without rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hub import ids
from hub.db import Json
from hub.errors import HubError
from search import analysis, clause, condition, language
from search.clause import Always, Best, Both, Clause, Named, Not, OneOf, Times
from search.condition import Condition, Ground
from search.operand import Definition
from search.wanted import Steering

PINNED = 65_536.0
"""The score of the last pinned product: above every score that words can give."""

BURIED = 4_096.0
"""What every product gets that is not buried: above every score that words can give, below that of a number."""


@dataclass(frozen=True)
class Applied:
    """A rule that held for a question. ``set``: its set's code; ``kind`` and ``place``: where it stands in it."""

    set: str
    kind: str
    place: int

    @property
    def name(self) -> str:
        """How the shares of a score call it."""
        return f"rule: {self.set} {self.kind} {self.place + 1}"


@dataclass(frozen=True)
class Redirect:
    """Where a question leads instead of its hits: an address, or a category (id)."""

    url: str | None = None
    category_id: int | None = None


@dataclass(frozen=True)
class Match:
    """Which questions a rule holds for: ``terms`` of the query, compared as search compares words."""

    terms: tuple[str, ...]
    how: str

    def holds(self, asked: Sequence[str]) -> bool:
        """Whether a question with these terms is meant."""
        if self.how == "EXACT":
            return tuple(asked) == self.terms
        if self.how == "ALL_WORDS":
            return set(self.terms) <= set(asked)
        size = len(self.terms)
        return any(tuple(asked[at : at + size]) == self.terms for at in range(len(asked) - size + 1))


@dataclass(frozen=True)
class Rule:
    """One rule that is not about words. ``said``: as it is kept; ``clause``: which products, null where it names them."""

    applied: Applied
    said: Json
    match: Match | None = None
    clause: Clause | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def holds(self, terms: Sequence[str], moment: datetime) -> bool:
        """Whether it holds for a question at a moment."""
        begun = self.starts_at is None or self.starts_at <= moment
        ended = self.ends_at is not None and self.ends_at <= moment
        return begun and not ended and (self.match is None or self.match.holds(terms))


@dataclass(frozen=True)
class Rules:
    """The rules of a channel and locale, ready to be asked. ``ignored``: those that can no longer be carried out."""

    tongue: str = language.UNSTEMMED
    steering: Steering = field(default_factory=Steering)
    rules: tuple[Rule, ...] = ()
    ignored: tuple[Applied, ...] = ()

    def at(self, text: str, moment: datetime) -> Ruling:
        """What holds for a text at a moment."""
        terms = analysis.terms(text, self.tongue)
        return Ruling(tuple(rule for rule in self.rules if rule.holds(terms, moment)))


NONE = Rules()


@dataclass(frozen=True)
class Ruling:
    """The rules that hold for one question."""

    rules: tuple[Rule, ...] = ()

    @property
    def applied(self) -> tuple[Applied, ...]:
        """Which they are."""
        return tuple(rule.applied for rule in self.rules)

    @property
    def redirect(self) -> Redirect | None:
        """Where the question leads; the first rule decides, those for fewer questions come first."""
        for rule in self._of("redirects"):
            if "url" in rule.said:
                return Redirect(url=rule.said["url"])
            return Redirect(category_id=_number(rule.said["category"]))
        return None

    @property
    def pins(self) -> bool:
        """Whether any of them names the products that stand at the top."""
        return any(rule.applied.kind == "pins" for rule in self.rules)

    @property
    def scores(self) -> bool:
        """Whether any of them changes scores."""
        return any(rule.applied.kind != "redirects" for rule in self.rules)

    def over(self, query: Clause | None) -> Clause | None:
        """The question's clause with boosts, buries and pins; null where it finds nothing and nothing is pinned."""
        made = query
        if made is not None:
            for rule in self._of("boosts"):
                made = _boosted(made, rule)
            buried = [rule for rule in self._of("buries") if rule.clause is not None]
            made = Both((made,), tuple(_above(rule) for rule in buried)) if buried else made
        pins = self._pins()
        if not pins:
            return made
        return Best((*([] if made is None else [made]), *pins))

    def _of(self, kind: str) -> list[Rule]:
        return [rule for rule in self.rules if rule.applied.kind == kind]

    def _pins(self) -> list[Clause]:
        """One score for each pinned product and nothing else: their order is theirs, whatever the words say."""
        places: dict[int, Applied] = {}
        for rule in self._of("pins"):
            for each in rule.said["products"]:
                places.setdefault(_number(each), rule.applied)
        count = len(places)
        return [
            Named(applied.name, Always(OneOf("product", (product,)), PINNED + count - place))
            for place, (product, applied) in enumerate(places.items(), start=1)
        ]


def _above(rule: Rule) -> Clause:
    assert rule.clause is not None
    return Named(f"not under {rule.applied.name}", Always(Not(rule.clause), BURIED))


def _boosted(query: Clause, rule: Rule) -> Clause:
    """Scores cannot fall, so that a factor below one is that share for all, and the rest for those not meant."""
    if rule.clause is None:
        return query
    if "points" in rule.said:
        return Both((query,), (Named(rule.applied.name, Always(rule.clause, rule.said["points"])),))
    factor, again = rule.said["factor"], unnamed(query)
    meant = Always(rule.clause if factor >= 1 else Not(rule.clause), 0.0)
    extra = Named(rule.applied.name, Times(Both((again, meant)), abs(factor - 1)))
    return Both((query if factor >= 1 else Times(query, factor),), (extra,))


def unnamed(said: Clause) -> Clause:
    """The same clause with the same score, whose parts are told under no name."""
    match said:
        case Named():
            return unnamed(said.clause)
        case Both():
            return Both(tuple(map(unnamed, said.clauses)), tuple(map(unnamed, said.shoulds)))
        case clause.Either():
            return clause.Either(tuple(map(unnamed, said.clauses)))
        case Best():
            return Best(tuple(map(unnamed, said.clauses)), said.tie)
        case Not() | Always() | Times():
            return replace(said, clause=unnamed(said.clause))
        case _:
            return said


def compiled(
    sets: Sequence[Mapping[str, Any]],
    channel_id: int | None,
    locale: str | None,
    definitions: Mapping[str, Definition] | None = None,
) -> Rules:
    """The rules of some sets, those of the first one before those of the others.

    ``sets``: each with ``code`` and ``rules``. Staff who search everything (no channel) get what is about words alone:
    places are for those who buy. ``definitions``: the attributes that the rules name.
    """
    tongue = language.of(locale)
    ground = Ground(definitions or {}, channel_id, locale)
    made: list[Rule] = []
    ignored: list[Applied] = []
    for each in sets if channel_id is not None else ():
        for kind in ("pins", "buries", "boosts", "redirects"):
            for place, said in enumerate(each["rules"].get(kind, ())):
                applied = Applied(each["code"], kind, place)
                try:
                    made.append(_rule(applied, said, tongue, ground))
                except HubError:  # an attribute that is not filterable any more, for one
                    ignored.append(applied)
    return Rules(tongue, _steering(sets, tongue), tuple(made), tuple(ignored))


def attributes(sets: Sequence[Mapping[str, Any]]) -> list[str]:
    """The codes of the attributes that rules name."""
    found = {
        said["condition"]["attribute"]["code"]
        for each in sets
        for kind in ("boosts", "buries")
        for said in each["rules"].get(kind, ())
        if "attribute" in said["condition"]
    }
    return sorted(found)


def _rule(applied: Applied, said: Json, tongue: str, ground: Ground) -> Rule:
    when = said.get("when")
    starts, ends = (
        datetime.fromisoformat(said[name]) if name in said else None for name in ("startsAt", "endsAt")
    )
    return Rule(
        applied,
        said,
        Match(tuple(analysis.terms(when["query"], tongue)), when["match"]) if when else None,
        condition.clause(_condition(said["condition"]), ground) if "condition" in said else None,
        starts,
        ends,
    )


def _condition(said: Json) -> Condition:
    ((kind, given),) = said.items()
    made: dict[str, Callable[[], Condition]] = {
        "attribute": lambda: _attribute(given),
        "category": lambda: condition.InCategory((_number(given),)),
        "brand": lambda: condition.OfBrand(tuple(given)),
        "type": lambda: condition.OfType(tuple(given)),
        "products": lambda: condition.Products(tuple(map(_number, given))),
        "available": lambda: condition.Available(given),
    }
    return made[kind]()


def _attribute(said: Json) -> Condition:
    if "values" in said:
        return condition.AttributeIn(said["code"], tuple(said["values"]))
    return condition.AttributeBetween(said["code"], said.get("min"), said.get("max"))


def _number(reference: Json) -> int:
    return ids.decode(reference["id"])[1]


def _steering(sets: Sequence[Mapping[str, Any]], tongue: str) -> Steering:
    """Synonyms by the terms of what is typed: whatever form the word is typed in, they count."""
    synonyms: dict[str, list[str]] = {}
    stop_words: set[str] = set()
    for each in sets:
        for said in each["rules"].get("synonyms", ()):
            for word in said.get("words") or said["from"]:
                others = synonyms.setdefault(" ".join(analysis.terms(word, tongue)), [])
                others += [
                    other
                    for other in said.get("words") or said["to"]
                    if other != word and other not in others
                ]
        for word in each["rules"].get("stopWords", ()):
            stop_words.update(analysis.terms(word, tongue))
    return Steering(synonyms, frozenset(stop_words))
