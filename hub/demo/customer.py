"""The rows of customers: people who cannot be reached, at addresses that belong to nobody."""

from __future__ import annotations

from random import Random
from unicodedata import normalize

from hub.db import Json
from hub.demo import chance
from hub.demo.frame import CITIES, TRADES, company

GIVEN = {
    "de": ("Anna", "Jonas", "Lena", "Paul", "Klara", "Felix", "Greta", "Moritz", "Ida", "Emil", "Jana", "Tobias"),
    "en": ("Alice", "Henry", "Grace", "Oscar", "Ruby", "Noah", "Hazel", "Miles", "Nora", "Ethan", "Iris", "Owen"),
    "fr": ("Chloé", "Louis", "Inès", "Hugo", "Zoé", "Jules", "Léa", "Rémi", "Élise", "Marius", "Agathe", "Théo"),
}  # fmt: skip
FAMILY = {
    "de": ("Winter", "Gruber", "Vogel", "Steiner", "Baumann", "Köhler", "Moser", "Lang", "Schäfer", "Brandt"),
    "en": ("Hughes", "Carter", "Walsh", "Bennett", "Foster", "Doyle", "Parker", "Reed", "Shaw", "Mercer"),
    "fr": ("Moreau", "Garnier", "Lefèvre", "Rousseau", "Chevalier", "Perrin", "Blanchard", "Marchand", "Roche", "Noël"),
}  # fmt: skip
STREETS = {
    "de": ("Gartengasse", "Bahnhofstraße", "Lindenweg", "Marktplatz", "Mühlgasse", "Am Hang"),
    "en": ("Maple Street", "Harbor Road", "Mill Lane", "Station Avenue", "Oak Drive", "Hill Court"),
    "fr": (
        "rue des Lilas",
        "avenue du Port",
        "place du Marché",
        "rue du Moulin",
        "quai des Brumes",
        "rue Haute",
    ),
}
TOWNS = {
    "de": (("1010", "Wien", "AT"), ("8010", "Graz", "AT"), ("10115", "Berlin", "DE"), ("04109", "Leipzig", "DE")),
    "en": (("07102", "Newark", "US"), ("11201", "Brooklyn", "US"), ("02108", "Boston", "US"), ("60601", "Chicago", "US")),
    "fr": (("69001", "Lyon", "FR"), ("44000", "Nantes", "FR"), ("59000", "Lille", "FR"), ("1204", "Genève", "CH")),
}  # fmt: skip
HOSTS = ("example.com", "example.org", "example.net")
ADA = 0
"""The customer of the documentation."""


def row(number: int) -> Json:
    """Customer ``number`` as ``hub.save`` takes it; found again by the shop's own number."""
    draw = chance.of("customer", number)
    locale = language(number)
    given, family = name(number)
    mail, phone = email(number), _phone(locale, number)
    trade = company(draw.choice(CITIES), draw.choice(TRADES)) if chance.each(8, number, at=3) else None
    return {
        "external_ids": [{"system": "shop", "id": f"C-{number + 1:06d}"}],
        "given_name": given,
        "family_name": family,
        "email": mail,
        "phone": phone,
        "locale": {"key": locale},
        "company": {"key": trade} if trade else None,
        "identifiers": _identifiers(number, mail, phone),
        "addresses": _addresses(draw, number, office=trade is not None),
    }


def language(number: int) -> str:
    """The language that the customer reads."""
    return "en" if number == ADA else ("de", "de", "en", "fr")[number % 4]


def name(number: int) -> tuple[str, str]:
    """Given and family name."""
    if number == ADA:
        return "Ada", "Winter"
    draw, locale = chance.of("name", number), language(number)
    return draw.choice(GIVEN[locale]), draw.choice(FAMILY[locale])


def email(number: int) -> str:
    """An address at a host that exists for examples (RFC 2606)."""
    if number == ADA:
        return "ada@example.com"
    plain = normalize("NFKD", ".".join(name(number)).lower()).encode("ascii", "ignore").decode()
    return f"{plain}.{number}@{HOSTS[number % len(HOSTS)]}"


def address(number: int) -> Json:
    """The postal address, as customer and orders have it."""
    draw, locale = chance.of("address", number), language(number)
    house, street = draw.randint(1, 120), draw.choice(STREETS[locale])
    code, town, country = draw.choice(TOWNS[locale])
    return {
        "name": " ".join(name(number)),
        "street": f"{street} {house}" if locale == "de" else f"{house} {street}",
        "postal_code": code,
        "city": town,
        "country": country,
    }


def _phone(locale: str, number: int) -> str | None:
    """A number that its country keeps free for stories; every fifth customer gave none."""
    if chance.each(5, number, at=4):
        return None
    if locale == "fr":
        return f"+3363998{number % 10000:04d}"
    return f"+49302312{number % 10000:04d}" if locale == "de" else f"+1202555{100 + number % 100:04d}"


def _identifiers(number: int, mail: str, phone: str | None) -> list[Json]:
    """The e-mail address is verified but for every tenth; a phone number is only said."""
    found: list[Json] = [{"type": "email", "value": mail, "verified": not chance.each(10, number, at=7)}]
    return [*found, {"type": "phone", "value": phone, "verified": False}] if phone else found


def _addresses(draw: Random, number: int, *, office: bool) -> list[Json]:
    home = {"code": "home", **address(number)}
    if not office and chance.happens(draw, 0.8):
        return [home]
    return [home, {**address(number + 1_000_000), "code": "office", "name": " ".join(name(number))}]
