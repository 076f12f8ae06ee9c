"""The other half of the shop: clothes, lamps and paper; and the list of all kinds."""

from __future__ import annotations

from hub.demo.kind import BRIGHT, COFFEE, CUP, MACHINE, TEA, First, Kind
from hub.demo.text import texts

SHIRT = Kind(
    code="shirt",
    stem="SHI",
    name=texts("Shirts", "Hemden", "Chemises"),
    noun=texts("shirt", "Hemd", "Chemise"),
    categories=("shirts", "work-shirts"),
    price=(29, 89),
    axes=(("colour", BRIGHT, 2), ("size", ("S", "M", "L", "XL"), 4)),
    first=First("barista-shirt", "SHI-BARISTA", texts("Barista shirt", "Barista-Hemd", "Chemise de barista")),
    phrases=(
        texts("of linen", "aus Leinen", "en lin"),
        texts("of organic cotton", "aus Bio-Baumwolle", "en coton biologique"),
        texts("with stand-up collar", "mit Stehkragen", "à col montant"),
        texts("short-sleeved", "kurzärmelig", "à manches courtes"),
        texts("long-sleeved", "langärmelig", "à manches longues"),
        texts("with breast pocket", "mit Brusttasche", "à poche poitrine"),
        texts("straight cut", "gerader Schnitt", "coupe droite"),
        texts("twice washed", "zweimal gewaschen", "lavée deux fois"),
    ),
    lines=(
        texts(
            "A shirt for long days on your feet, cut so that you can reach the top shelf.",
            "Ein Hemd für lange Tage auf den Beinen, so geschnitten, dass man ans oberste Regal kommt.",
            "Une chemise pour les longues journées debout, coupée pour atteindre l'étagère du haut.",
        ),
        texts(
            "The cloth is woven in Portugal and gets softer with every wash.",
            "Der Stoff wird in Portugal gewebt und mit jeder Wäsche weicher.",
            "Le tissu est tissé au Portugal et s'adoucit à chaque lavage.",
        ),
        texts(
            "Stains of coffee come out in cold water.",
            "Kaffeeflecken gehen in kaltem Wasser heraus.",
            "Les taches de café partent à l'eau froide.",
        ),
        texts(
            "It runs true to size.",
            "Es fällt der Größe entsprechend aus.",
            "Elle taille normalement.",
        ),
    ),
    care=texts(
        "<ul><li>Wash at 40 °C</li><li>Do not tumble dry</li></ul>",
        "<ul><li>Bei 40 °C waschen</li><li>Nicht in den Trockner</li></ul>",
        "<ul><li>Laver à 40 °C</li><li>Pas de sèche-linge</li></ul>",
    ),
)

SHOE = Kind(
    code="shoe",
    stem="SHO",
    name=texts("Shoes", "Schuhe", "Chaussures"),
    noun=texts("shoe", "Schuh", "Chaussure"),
    categories=("sneakers", "boots"),
    price=(69, 189),
    axes=(("shoe_size", ("37", "38", "39", "40", "41", "42", "43", "44"), 6), ("colour", BRIGHT, 1)),
    first=First("counter-shoe", "SHO-COUNTER", texts("Counter shoe", "Thekenschuh", "Chaussure de comptoir")),
    phrases=(
        texts("with cork sole", "mit Korksohle", "à semelle de liège"),
        texts("of leather", "aus Leder", "en cuir"),
        texts("of canvas", "aus Segeltuch", "en toile"),
        texts("ankle-high", "knöchelhoch", "montante"),
        texts("waterproof", "wasserdicht", "imperméable"),
        texts("vegan", "vegan", "végane"),
        texts("lined", "gefüttert", "doublée"),
        texts("resoleable", "neu besohlbar", "ressemelable"),
    ),
    lines=(
        texts(
            "A shoe that does not slip, not even on a wet floor.",
            "Ein Schuh, der nicht rutscht, auch nicht auf nassem Boden.",
            "Une chaussure qui ne glisse pas, même sur sol mouillé.",
        ),
        texts(
            "The insole comes out and can be washed.",
            "Die Einlegesohle lässt sich herausnehmen und waschen.",
            "La semelle intérieure s'enlève et se lave.",
        ),
        texts(
            "It is sewn, not glued, and can be resoled.",
            "Er ist genäht, nicht geklebt, und kann neu besohlt werden.",
            "Elle est cousue, non collée, et peut être ressemelée.",
        ),
        texts(
            "Between two sizes, take the larger one.",
            "Zwischen zwei Größen besser die größere nehmen.",
            "Entre deux pointures, prenez la plus grande.",
        ),
    ),
    care=texts(
        "<p>Brush, then wax. Let wet shoes dry <b>away from heat</b>.</p>",
        "<p>Bürsten, dann wachsen. Nasse Schuhe <b>fern von Hitze</b> trocknen lassen.</p>",
        "<p>Brosser puis cirer. Laisser sécher <b>loin de la chaleur</b>.</p>",
    ),
)

LAMP = Kind(
    code="lamp",
    stem="LAM",
    name=texts("Lamps", "Lampen", "Lampes"),
    noun=texts("lamp", "Lampe", "Lampe"),
    categories=("table-lamps", "floor-lamps"),
    price=(39, 320),
    axes=(("colour", ("black", "white", "red", "copper", "green", "yellow"), 3),),
    first=First("reading-lamp", "LAM-READ", texts("Reading lamp", "Leselampe", "Lampe de lecture")),
    phrases=(
        texts("with dimmer", "mit Dimmer", "avec variateur"),
        texts("with paper shade", "mit Papierschirm", "à abat-jour en papier"),
        texts("on a tripod", "auf Dreibein", "sur trépied"),
        texts("with clamp", "mit Klemme", "à pince"),
        texts("with joint", "mit Gelenk", "articulée"),
        texts("for the bedside", "fürs Bett", "de chevet"),
        texts("rechargeable", "mit Akku", "rechargeable"),
        texts("of turned oak", "aus gedrechselter Eiche", "en chêne tourné"),
    ),
    lines=(
        texts(
            "Warm light where you read, and none where someone sleeps.",
            "Warmes Licht, wo gelesen wird, und keines, wo jemand schläft.",
            "Une lumière chaude là où on lit, et aucune là où on dort.",
        ),
        texts(
            "The shade turns without a tool and stays where you leave it.",
            "Der Schirm dreht sich ohne Werkzeug und bleibt, wo man ihn lässt.",
            "L'abat-jour pivote sans outil et reste où on le laisse.",
        ),
        texts(
            "The lamp takes an ordinary bulb, which is included.",
            "Die Lampe nimmt eine gewöhnliche Glühbirne, die beiliegt.",
            "La lampe prend une ampoule ordinaire, fournie.",
        ),
        texts(
            "The cord is woven and two metres long.",
            "Das Kabel ist textilummantelt und zwei Meter lang.",
            "Le cordon est tressé et long de deux mètres.",
        ),
    ),
    care=texts(
        "<p>Dust with a dry cloth. <b>Unplug first.</b></p>",
        "<p>Mit trockenem Tuch abstauben. <b>Vorher ausstecken.</b></p>",
        "<p>Dépoussiérer avec un chiffon sec. <b>Débrancher d'abord.</b></p>",
    ),
)

NOTEBOOK = Kind(
    code="stationery",  # Icecat means computers by notebook, and goes into the same hub
    stem="NOT",
    name=texts("Notebooks", "Notizbücher", "Carnets"),
    noun=texts("notebook", "Notizbuch", "Carnet"),
    categories=("notebooks", "diaries"),
    price=(8, 28),
    axes=(("ruling", ("lined", "dotted", "blank"), 2), ("colour", BRIGHT, 2)),
    first=First(
        "tasting-notebook",
        "NOT-TASTING",
        texts("Tasting notebook", "Verkostungsbuch", "Carnet de dégustation"),
    ),
    phrases=(
        texts("thread-bound", "fadengeheftet", "cousu"),
        texts("with elastic band", "mit Gummiband", "à élastique"),
        texts("with cloth cover", "mit Leineneinband", "relié en toile"),
        texts("pocket size", "im Taschenformat", "de poche"),
        texts("with numbered pages", "mit Seitenzahlen", "à pages numérotées"),
        texts("of recycled paper", "aus Recyclingpapier", "en papier recyclé"),
        texts("with two ribbons", "mit zwei Lesebändern", "à deux signets"),
        texts("hardcover", "fester Einband", "à couverture rigide"),
    ),
    lines=(
        texts(
            "Paper that takes ink without letting it through.",
            "Papier, das Tinte annimmt und nicht durchlässt.",
            "Un papier qui prend l'encre sans la laisser traverser.",
        ),
        texts(
            "It opens flat on every page, the first one too.",
            "Es liegt auf jeder Seite flach, auch auf der ersten.",
            "Il s'ouvre à plat à chaque page, même à la première.",
        ),
        texts(
            "The last pages are perforated, for lists that leave the house.",
            "Die letzten Seiten sind perforiert, für Listen, die aus dem Haus gehen.",
            "Les dernières pages sont perforées, pour les listes qu'on emporte.",
        ),
        texts(
            "Bound in Leipzig, in a workshop of nine people.",
            "Gebunden in Leipzig, in einer Werkstatt von neun Leuten.",
            "Relié à Leipzig, dans un atelier de neuf personnes.",
        ),
    ),
    care=texts(
        "<p>Recyclable, band and all.</p>",
        "<p>Wiederverwertbar, mitsamt dem Band.</p>",
        "<p>Recyclable, élastique compris.</p>",
    ),
)

KINDS = (COFFEE, TEA, CUP, MACHINE, SHIRT, SHOE, LAMP, NOTEBOOK)
"""The order is that of the products: number 0 is a coffee, number 8 the next one."""
