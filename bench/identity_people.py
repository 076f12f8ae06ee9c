"""People made up: records of households with slips, moves, shared addresses and e-mails, twins and recycled phones.

Who is who is known. The same number of people gives the same records, on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import accumulate

from hub.db import Json

SEED = 20_260
RECORDS_PER_PERSON = 5 / 3
SYSTEMS = ("shop", "app", "till", "marketplace", "support")

TWINS = 0.01
SHARED_EMAIL = 0.10
"""Households in which one address is everybody's."""
SHARED_PHONE = 0.15
HANDED_DOWN = 0.001
"""Members of a household who have the name of its first."""
RECYCLED = 0.01
"""People whose number was another's before."""
MOVED = 0.10
SLIP = 0.06
"""Of the names, streets and birth dates that are written down, those with a slip of the pen."""
MARRIED = 0.01
MISSING = {"birth_date": 0.35, "phone": 0.40, "email": 0.15, "address": 0.20}

_START = (
    "b",
    "br",
    "d",
    "f",
    "g",
    "h",
    "j",
    "k",
    "kl",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "sch",
    "st",
    "t",
    "v",
    "w",
)
_MIDDLE = ("a", "e", "i", "o", "u", "ei", "au", "ie")
_END = ("n", "r", "l", "s", "t", "m", "nd", "ck", "rt", "")


@dataclass
class Person:
    """Somebody, as they are."""

    number: int
    given: str
    family: str
    born: date
    home: Json
    email: str
    phone: str


@dataclass
class Pools:
    """Words to take names from, the frequent ones first."""

    given: list[str] = field(default_factory=list)
    family: list[str] = field(default_factory=list)
    street: list[str] = field(default_factory=list)
    city: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Made:
    """One record and whose it is."""

    row: Json
    person: int


def records(people: int) -> list[Made]:
    """Five records for every three people, in no order."""
    chance = random.Random(SEED)  # noqa: S311 - a bench, not a secret
    everybody = _people(chance, people)
    wanted = round(people * RECORDS_PER_PERSON)
    whose = everybody + chance.choices(everybody, k=wanted - len(everybody))
    made = [_record(chance, number, person, everybody) for number, person in enumerate(whose)]
    chance.shuffle(made)
    return made


def _people(chance: random.Random, count: int) -> list[Person]:
    pools = Pools(
        given=_words(chance, 1_200, 2),
        family=_words(chance, 12_000, 2),
        street=_words(chance, 4_000, 2),
        city=_words(chance, 400, 2),
    )
    everybody: list[Person] = []
    while len(everybody) < count:
        everybody += _household(chance, pools, len(everybody))
    everybody = everybody[:count]
    for person in everybody:
        if chance.random() < RECYCLED:
            person.phone = chance.choice(everybody).phone
    return everybody


def _household(chance: random.Random, pools: Pools, number: int) -> list[Person]:
    home, family = _home(chance, pools), _common(chance, pools.family)
    size = chance.choices((1, 2, 3, 4, 5), (45, 30, 12, 10, 3))[0]
    members: list[Person] = []
    for place in range(size):
        given = _given(chance, pools, members)
        own = family if chance.random() < 0.85 else _common(chance, pools.family)  # noqa: PLR2004
        born = date(1930, 1, 1) + timedelta(days=chance.randrange(28_000))
        person = Person(number + place, given, own, born, home, "", "")
        person.email = f"{given}.{own}{chance.randrange(1000)}@{chance.choice(pools.city)}.example"
        person.phone = f"+4915{chance.randrange(10**9):09d}"
        members.append(person)
    _share(chance, pools, members)
    return members


def _given(chance: random.Random, pools: Pools, members: Sequence[Person]) -> str:
    """A name that nobody else of the household has, unless it is handed down."""
    if members and chance.random() < HANDED_DOWN:
        return members[0].given
    taken = {each.given for each in members}
    while (given := _common(chance, pools.given)) in taken:
        pass
    return given


def _share(chance: random.Random, pools: Pools, members: list[Person]) -> None:
    first = members[0]
    if len(members) > 1 and chance.random() < TWINS * 2:
        second = members[1]
        second.born, second.family = first.born, first.family
        while second.given == first.given:
            second.given = _common(chance, pools.given)
    shares_email, shares_phone = chance.random() < SHARED_EMAIL, chance.random() < SHARED_PHONE
    for person in members:
        person.email = first.email if shares_email else person.email
        person.phone = first.phone if shares_phone else person.phone


def _home(chance: random.Random, pools: Pools) -> Json:
    place = min(int(chance.expovariate(1 / 60)), len(pools.city) - 1)
    return {
        "street": f"{_common(chance, pools.street).title()}strasse {chance.randrange(1, 180)}",
        "postal_code": f"{10_000 + place * 37 + chance.randrange(8)}",
        "city": pools.city[place].title(),
        "country": "DE",
    }


def _record(chance: random.Random, number: int, person: Person, everybody: Sequence[Person]) -> Made:
    told = replace(person)
    if chance.random() < MOVED:
        told.home = chance.choice(everybody).home
    if chance.random() < MARRIED:
        told.family = chance.choice(everybody).family
    row: Json = {
        "system": chance.choice(SYSTEMS),
        "external_id": f"{number:07d}",
        "given_name": _written(chance, told.given).title(),
        "family_name": _written(chance, told.family).title(),
    }
    if chance.random() >= MISSING["birth_date"]:
        row["birth_date"] = _dated(chance, told.born).isoformat()
    for kind in ("email", "phone"):
        if chance.random() >= MISSING[kind]:
            row[kind] = getattr(told, kind)
    if chance.random() >= MISSING["address"]:
        street = _written(chance, told.home["street"])
        row["addresses"] = [{"code": "home"} | told.home | {"street": street}]
    return Made(row, person.number)


def _dated(chance: random.Random, born: date) -> date:
    if chance.random() >= SLIP:
        return born
    return (
        born.replace(day=chance.randrange(1, 29))
        if chance.random() < 1 / 2
        else born.replace(month=chance.randrange(1, 13), day=min(born.day, 28))
    )


def _written(chance: random.Random, text: str) -> str:
    """A text as somebody types it."""
    if chance.random() >= SLIP:
        return text
    place = chance.randrange(len(text) - 1)
    letter = chance.choice("aeinrst")
    return chance.choice(
        (
            text[:place] + text[place + 1 :],
            text[:place] + letter + text[place:],
            text[:place] + letter + text[place + 1 :],
            text[:place] + text[place + 1] + text[place] + text[place + 2 :],
        )
    )


def _words(chance: random.Random, count: int, syllables: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < count:
        parts = (_START, _MIDDLE, _END)
        found["".join(chance.choice(part) for _ in range(syllables) for part in parts)] = None
    return list(found)


def _common(chance: random.Random, words: Sequence[str]) -> str:
    """A word by Zipf's law, flattened at the top: the most frequent name has about one person in a hundred."""
    key = id(words)
    if key not in _SHARES:
        _SHARES[key] = list(accumulate(1 / (rank + 15) for rank in range(len(words))))
    return chance.choices(words, cum_weights=_SHARES[key])[0]


_SHARES: dict[int, list[float]] = {}
