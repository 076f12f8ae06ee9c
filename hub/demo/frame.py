"""What stands before the first product comes: languages, channels, price lists, places, companies, categories."""

from __future__ import annotations

from hub.db import Json
from hub.demo import attribute
from hub.demo.text import LOCALES, Texts, texts
from hub.demo.wares import KINDS

CHANNELS = ("web", "us", "marketplace")
PREFIXES = {"web": "WEB-", "us": "US-", "marketplace": "MP-"}
CURRENCIES = {"web": "EUR", "us": "USD", "marketplace": "EUR"}
CHANNEL_LOCALES = {"web": ("en", "de", "fr"), "us": ("en",), "marketplace": ("de", "fr", "en")}
PRICE_LISTS = {
    "web": ("retail-eur",),
    "us": ("retail-usd",),
    "marketplace": ("marketplace-eur", "retail-eur"),
}
LOCATIONS = ("vienna", "lyon", "newark")
SERVED_BY = {
    "web": LOCATIONS,
    "us": ("newark", "vienna", "lyon"),
    "marketplace": LOCATIONS,
}
"""The locations of each channel, the one that promises first in front."""

CITIES = ("Vienna", "Graz", "Berlin", "Hamburg", "Leipzig", "Lyon", "Nantes", "Lille", "Zurich", "Basel")
TRADES = ("Café", "Roastery", "Hotel", "Office")

Tree = dict[str, tuple[Texts, str | None]]

CATEGORIES: Tree = {
    "drinks": (texts("Coffee and tea", "Kaffee und Tee", "Café et thé"), None),
    "coffee": (texts("Coffee", "Kaffee", "Café"), "drinks"),
    "espresso": (texts("Espresso", "Espresso", "Espresso"), "coffee"),
    "filter-coffee": (texts("Filter coffee", "Filterkaffee", "Café filtre"), "coffee"),
    "tea": (texts("Tea", "Tee", "Thé"), "drinks"),
    "black-tea": (texts("Black tea", "Schwarztee", "Thé noir"), "tea"),
    "green-tea": (texts("Green tea", "Grüner Tee", "Thé vert"), "tea"),
    "kitchen": (texts("Kitchen", "Küche", "Cuisine"), None),
    "cups": (texts("Cups", "Tassen", "Tasses"), "kitchen"),
    "espresso-cups": (texts("Espresso cups", "Espressotassen", "Tasses à espresso"), "cups"),
    "mugs": (texts("Mugs", "Becher", "Mugs"), "cups"),
    "machines": (texts("Machines", "Maschinen", "Machines"), "kitchen"),
    "espresso-machines": (texts("Espresso machines", "Espressomaschinen", "Machines à espresso"), "machines"),
    "grinders": (texts("With grinder", "Mit Mahlwerk", "Avec moulin"), "machines"),
    "clothing": (texts("Clothing", "Kleidung", "Vêtements"), None),
    "shirts": (texts("Shirts", "Hemden", "Chemises"), "clothing"),
    "work-shirts": (texts("Work shirts", "Arbeitshemden", "Chemises de travail"), "shirts"),
    "shoes": (texts("Shoes", "Schuhe", "Chaussures"), "clothing"),
    "sneakers": (texts("Sneakers", "Sneaker", "Baskets"), "shoes"),
    "boots": (texts("Boots", "Stiefel", "Bottines"), "shoes"),
    "home": (texts("Home", "Wohnen", "Maison"), None),
    "table-lamps": (texts("Table lamps", "Tischlampen", "Lampes de table"), "home"),
    "floor-lamps": (texts("Floor lamps", "Stehlampen", "Lampadaires"), "home"),
    "paper": (texts("Paper", "Papier", "Papeterie"), None),
    "notebooks": (texts("Notebooks", "Notizbücher", "Carnets"), "paper"),
    "diaries": (texts("Diaries", "Kalender", "Agendas"), "paper"),
}

COLLECTIONS = {
    "new": texts("New", "Neu", "Nouveautés"),
    "gifts": texts("Gifts", "Geschenke", "Cadeaux"),
    "sale": texts("Sale", "Angebote", "Promotions"),
    "staff-picks": texts("Staff picks", "Unsere Lieblinge", "Nos coups de cœur"),
}

RELATIONS = {
    "accessory": (texts("Accessory", "Zubehör", "Accessoire"), False),
    "replacement": (texts("Replacement", "Nachfolger", "Remplaçant"), False),
    "up-sell": (texts("Better one", "Das Bessere", "Mieux encore"), False),
    "goes-together": (texts("Goes together", "Gehört zusammen", "Vont ensemble"), True),
}


def rows() -> list[tuple[str, list[Json]]]:
    """Everything before the products, noun by noun, in an order in which it can be written."""
    return [
        ("locale", [{"code": code} for code in LOCALES]),
        ("price_list", price_lists()),
        ("location", locations()),
        ("channel", channels()),
        ("company", companies()),
        ("category", categories()),
        ("collection", [{"code": code, "slug": code, "name": name} for code, name in COLLECTIONS.items()]),
        ("relation_type", relation_types()),
        ("attribute", attribute.rows()),
        ("product_type", product_types()),
    ]


def locale_names() -> list[Json]:
    """What the languages are called; each must be there before a text is written in it."""
    names = {
        "en": texts("English", "Englisch", "Anglais"),
        "de": texts("German", "Deutsch", "Allemand"),
        "fr": texts("French", "Französisch", "Français"),
    }
    return [{"code": code, "name": name} for code, name in names.items()]


def price_lists() -> list[Json]:
    """Two for the shop, and one that lies above the first for the marketplace."""
    return [
        {"code": "retail-eur", "currency": "EUR", "name": texts("Retail, euro", "Endkunden, Euro", "Détail, euro")},
        {"code": "retail-usd", "currency": "USD", "name": texts("Retail, dollar", "Endkunden, Dollar", "Détail, dollar")},
        {"code": "marketplace-eur", "currency": "EUR", "name": texts("Marketplace", "Marktplatz", "Place de marché")},
    ]  # fmt: skip


def channels() -> list[Json]:
    """Three of them, with two currencies; the marketplace speaks German first."""
    names = {
        "web": texts("Web shop", "Webshop", "Boutique en ligne"),
        "us": texts("US shop", "US-Shop", "Boutique américaine"),
        "marketplace": texts("Marketplace", "Marktplatz", "Place de marché"),
    }
    return [_channel(code, name) for code, name in names.items()]


def _channel(code: str, name: Texts) -> Json:
    return {
        "code": code,
        "name": name,
        "currency": CURRENCIES[code],
        "order_prefix": PREFIXES[code],
        "locales": [{"locale": {"key": locale}} for locale in CHANNEL_LOCALES[code]],
        "price_lists": [{"price_list": {"key": each}} for each in PRICE_LISTS[code]],
        "locations": [{"location": {"key": each}} for each in SERVED_BY[code]],
    }


def locations() -> list[Json]:
    """A warehouse on each side of the ocean, and a shop."""
    names = {
        "vienna": texts("Warehouse Vienna", "Lager Wien", "Entrepôt de Vienne"),
        "lyon": texts("Shop Lyon", "Laden Lyon", "Boutique de Lyon"),
        "newark": texts("Warehouse Newark", "Lager Newark", "Entrepôt de Newark"),
    }
    return [{"code": code, "name": name} for code, name in names.items()]


def companies() -> list[Json]:
    """Forty businesses; those of Graz belong to those of Vienna."""
    return [
        {
            "code": company(city, trade),
            "name": f"{trade} {city}",
            "parent": {"key": company("Vienna", trade)} if city == "Graz" else None,
        }
        for city in CITIES
        for trade in TRADES
    ]


def company(city: str, trade: str) -> str:
    """The code of a business."""
    return f"{trade}-{city}".lower().replace("é", "e")


def categories() -> list[Json]:
    """The tree, parents first."""
    return [
        {
            "code": code,
            "slug": code,
            "name": name,
            "parent": {"key": parent} if parent else None,
            "position": position,
        }
        for position, (code, (name, parent)) in enumerate(CATEGORIES.items())
    ]


def relation_types() -> list[Json]:
    """How products belong together, one way or both ways."""
    return [{"code": code, "name": name, "two_way": both} for code, (name, both) in RELATIONS.items()]


def product_types() -> list[Json]:
    """One for each kind, closed: what it does not list is a mistake."""
    return [
        {
            "code": kind.code,
            "name": kind.name,
            "closed": True,
            "attributes": [
                {"attribute": {"key": code}, "axis": code in {axis for axis, _, _ in kind.axes}}
                for code in (*attribute.OWN[kind.code], *attribute.SHARED)
            ],
            "requirements": [
                {"attribute": {"key": code}, "channel": {"key": "web"}}
                for code in attribute.NEEDED[kind.code]
            ],
        }
        for kind in KINDS
    ]
