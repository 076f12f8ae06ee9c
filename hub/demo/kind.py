"""The eight kinds of things that the shop sells, and the words for them."""

from __future__ import annotations

from dataclasses import dataclass

from hub.demo.text import Texts, texts

SERIES = (
    "Luna", "Alma", "Nord", "Vela", "Miro", "Terra", "Juno", "Piuma", "Sol", "Brisa", "Ostra", "Linde",
    "Faro", "Nuvola", "Kolibri", "Salto", "Prima", "Corda", "Ilex", "Tondo", "Marea", "Vento", "Quercus", "Lumo",
    "Orto", "Riva", "Siena", "Talos", "Umbra", "Viola", "Wega", "Zeder",
)  # fmt: skip


@dataclass(frozen=True)
class First:
    """The first product of a kind, complete and always the same: what the documentation speaks of."""

    slug: str
    stem: str
    name: Texts


@dataclass(frozen=True)
class Kind:
    """A kind of things.

    ``stem`` begins its SKUs; ``price`` is the range in whole euros; ``axes`` are attribute codes with the choices that
    each product takes some of; ``phrases`` end a name, ``lines`` make a description.
    """

    code: str
    stem: str
    name: Texts
    noun: Texts
    categories: tuple[str, ...]
    price: tuple[int, int]
    axes: tuple[tuple[str, tuple[str, ...], int], ...]
    first: First
    phrases: tuple[Texts, ...]
    lines: tuple[Texts, ...]
    care: Texts


PALE = ("white", "sand", "mint", "grey", "blue", "black")
BRIGHT = ("black", "white", "red", "blue", "green", "yellow")

COFFEE = Kind(
    code="coffee",
    stem="COF",
    name=texts("Coffee", "Kaffee", "Café"),
    noun=texts("coffee", "Kaffee", "Café"),
    categories=("espresso", "filter-coffee"),
    price=(7, 14),
    axes=(("net_weight", ("250 g", "500 g", "1 kg"), 3),),
    first=First("house-espresso", "COF-HOUSE", texts("House espresso", "Hausespresso", "Espresso maison")),
    phrases=(
        texts("slowly roasted", "langsam geröstet", "torréfié lentement"),
        texts("washed", "gewaschen", "lavé"),
        texts("sun-dried", "sonnengetrocknet", "séché au soleil"),
        texts("dark roast", "dunkle Röstung", "torréfaction foncée"),
        texts("light roast", "helle Röstung", "torréfaction claire"),
        texts("from a single farm", "von einer einzigen Farm", "d'une seule ferme"),
        texts("from the highlands", "aus dem Hochland", "des hauts plateaux"),
        texts("hand-picked", "von Hand gepflückt", "cueilli à la main"),
    ),
    lines=(
        texts(
            "Beans that we roast every Tuesday, in small drums and without hurry.",
            "Bohnen, die wir jeden Dienstag rösten, in kleinen Trommeln und ohne Eile.",
            "Des grains que nous torréfions chaque mardi, en petits lots et sans hâte.",
        ),
        texts(
            "In the cup it is round and sweet, with little acidity.",
            "In der Tasse ist er rund und süß, mit wenig Säure.",
            "En tasse, il est rond et doux, avec peu d'acidité.",
        ),
        texts(
            "It makes a thick, hazelnut-brown crema and stands up to milk.",
            "Er gibt eine dichte, haselnussbraune Crema und hält auch Milch stand.",
            "Il donne une crème épaisse couleur noisette et tient tête au lait.",
        ),
        texts(
            "We buy it directly from the growers and pay well above the market.",
            "Wir kaufen ihn direkt bei den Bauern und zahlen deutlich über dem Marktpreis.",
            "Nous l'achetons directement aux producteurs, bien au-dessus du cours.",
        ),
    ),
    care=texts(
        "<p>Keep the bag closed, cool and dark. Best within <b>eight weeks</b> of roasting.</p>",
        "<p>Die Packung verschlossen, kühl und dunkel aufbewahren. Am besten innerhalb von <b>acht Wochen</b>.</p>",
        "<p>Conserver le sachet fermé, au frais et à l'abri de la lumière. À boire dans les <b>huit semaines</b>.</p>",
    ),
)

TEA = Kind(
    code="tea",
    stem="TEA",
    name=texts("Tea", "Tee", "Thé"),
    noun=texts("tea", "Tee", "Thé"),
    categories=("black-tea", "green-tea"),
    price=(6, 22),
    axes=(("net_weight", ("100 g", "250 g"), 2),),
    first=First("earl-grey", "TEA-EARL", texts("Earl Grey tea", "Earl-Grey-Tee", "Thé Earl Grey")),
    phrases=(
        texts("first flush", "erste Pflückung", "première récolte"),
        texts("second flush", "zweite Pflückung", "deuxième récolte"),
        texts("with bergamot", "mit Bergamotte", "à la bergamote"),
        texts("with jasmine", "mit Jasmin", "au jasmin"),
        texts("smoked", "geräuchert", "fumé"),
        texts("whole leaf", "ganzes Blatt", "à feuilles entières"),
        texts("shade-grown", "im Schatten gewachsen", "cultivé à l'ombre"),
        texts("mountain harvest", "Bergernte", "récolte de montagne"),
    ),
    lines=(
        texts(
            "Whole leaves, picked in the morning and withered by noon.",
            "Ganze Blätter, am Morgen gepflückt und bis Mittag gewelkt.",
            "Des feuilles entières, cueillies le matin et flétries avant midi.",
        ),
        texts(
            "The cup is clear and golden, with a light sweetness.",
            "Der Aufguss ist klar und golden, mit leichter Süße.",
            "L'infusion est claire et dorée, légèrement sucrée.",
        ),
        texts(
            "It forgives a minute too long in the pot.",
            "Er verzeiht eine Minute zu lang in der Kanne.",
            "Il pardonne une minute de trop dans la théière.",
        ),
        texts(
            "The garden is certified, and its pickers own a share of it.",
            "Der Garten ist zertifiziert, und die Pflückerinnen sind an ihm beteiligt.",
            "Le jardin est certifié, et ses cueilleuses en sont copropriétaires.",
        ),
    ),
    care=texts(
        "<p>One spoon a cup, <b>three minutes</b>, water just off the boil.</p>",
        "<p>Ein Löffel je Tasse, <b>drei Minuten</b>, das Wasser kurz nach dem Kochen.</p>",
        "<p>Une cuillère par tasse, <b>trois minutes</b>, eau juste frémissante.</p>",
    ),
)

CUP = Kind(
    code="cup",
    stem="CUP",
    name=texts("Cups", "Tassen", "Tasses"),
    noun=texts("cup", "Tasse", "Tasse"),
    categories=("espresso-cups", "mugs"),
    price=(9, 32),
    axes=(("colour", PALE, 4),),
    first=First("espresso-cup", "CUP-ESP", texts("Espresso cup", "Espressotasse", "Tasse à espresso")),
    phrases=(
        texts("hand-thrown", "handgedreht", "tournée à la main"),
        texts("with saucer", "mit Untertasse", "avec soucoupe"),
        texts("double-walled", "doppelwandig", "à double paroi"),
        texts("glazed inside", "innen glasiert", "émaillée à l'intérieur"),
        texts("stackable", "stapelbar", "empilable"),
        texts("with a wide rim", "mit breitem Rand", "à large bord"),
        texts("for cappuccino", "für Cappuccino", "à cappuccino"),
        texts("without handle", "ohne Henkel", "sans anse"),
    ),
    lines=(
        texts(
            "A cup with a thick foot, so that the first sip is as hot as the last.",
            "Eine Tasse mit dickem Fuß, damit der erste Schluck so heiß ist wie der letzte.",
            "Une tasse au pied épais, pour que la première gorgée soit aussi chaude que la dernière.",
        ),
        texts(
            "Every piece comes from the same small pottery, and no two are quite alike.",
            "Jedes Stück kommt aus derselben kleinen Töpferei, und keine zwei sind ganz gleich.",
            "Chaque pièce vient du même petit atelier, et aucune n'est tout à fait pareille.",
        ),
        texts(
            "The handle takes two fingers and does not get hot.",
            "Der Henkel fasst zwei Finger und wird nicht heiß.",
            "L'anse accueille deux doigts et ne chauffe pas.",
        ),
        texts(
            "It stacks, and fits under every machine that we sell.",
            "Sie lässt sich stapeln und passt unter jede Maschine, die wir führen.",
            "Elle s'empile et passe sous toutes nos machines.",
        ),
    ),
    care=texts(
        "<p>Dishwasher-safe. <em>Not for the open flame.</em></p>",
        "<p>Spülmaschinenfest. <em>Nicht auf offener Flamme.</em></p>",
        "<p>Passe au lave-vaisselle. <em>Ne pas exposer à la flamme.</em></p>",
    ),
)

MACHINE = Kind(
    code="machine",
    stem="MAC",
    name=texts("Coffee machines", "Kaffeemaschinen", "Machines à café"),
    noun=texts("coffee machine", "Kaffeemaschine", "Machine à café"),
    categories=("espresso-machines", "grinders"),
    price=(190, 1490),
    axes=(("colour", ("black", "white", "copper", "grey"), 2),),
    first=First(
        "lever-machine", "MAC-LEVER", texts("Lever machine", "Handhebelmaschine", "Machine à levier")
    ),
    phrases=(
        texts("with lever", "mit Handhebel", "à levier"),
        texts("with two circuits", "mit zwei Kreisläufen", "à double circuit"),
        texts("with grinder", "mit Mahlwerk", "avec moulin"),
        texts("compact", "kompakt", "compacte"),
        texts("for the office", "fürs Büro", "pour le bureau"),
        texts("with steam wand", "mit Dampflanze", "avec buse vapeur"),
        texts("with timer", "mit Zeitschaltung", "avec minuterie"),
        texts("quiet", "leise", "silencieuse"),
    ),
    lines=(
        texts(
            "A boiler of stainless steel, hot in twelve minutes and steady for the whole day.",
            "Ein Kessel aus Edelstahl, in zwölf Minuten heiß und den ganzen Tag beständig.",
            "Une chaudière en inox, chaude en douze minutes et stable toute la journée.",
        ),
        texts(
            "Every part can be bought singly, ten years from now too.",
            "Jedes Teil ist einzeln erhältlich, auch in zehn Jahren noch.",
            "Chaque pièce s'achète séparément, même dans dix ans.",
        ),
        texts(
            "The tank is filled from above and lifts out to the front.",
            "Der Tank wird von oben befüllt und nach vorn herausgenommen.",
            "Le réservoir se remplit par le haut et se retire par l'avant.",
        ),
        texts(
            "We set it up with you over the phone.",
            "Wir richten sie am Telefon mit Ihnen ein.",
            "Nous la réglons avec vous par téléphone.",
        ),
    ),
    care=texts(
        "<p>Descale every <b>two months</b>; flush the group daily.</p>",
        "<p>Alle <b>zwei Monate</b> entkalken, die Brühgruppe täglich spülen.</p>",
        "<p>Détartrer tous les <b>deux mois</b> ; rincer le groupe chaque jour.</p>",
    ),
)
