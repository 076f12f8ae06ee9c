"""A shop to search, filled in seconds straight into the hub's own tables, and written into the engines.

Words of names are drawn unevenly, as in real catalogues: a few stand in a tenth of all products, most in a handful.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psycopg

from bench import Tell
from bench.reads.ground import TRIGGERS
from hub.db import Database, raw
from hub.postgres import libpq
from search import product, rebuild
from search.document import Batch
from search.engine import Index, State

NOUNS = [
    "cup",
    "kettle",
    "lamp",
    "chair",
    "table",
    "shelf",
    "mirror",
    "carpet",
    "curtain",
    "pillow",
    "blanket",
    "towel",
    "bottle",
    "glass",
    "plate",
    "bowl",
    "knife",
    "spoon",
    "pan",
    "pot",
    "toaster",
    "blender",
    "mixer",
    "grinder",
    "printer",
    "keyboard",
    "mouse",
    "monitor",
    "headset",
    "speaker",
    "charger",
    "cable",
    "adapter",
    "camera",
    "tripod",
    "backpack",
    "wallet",
    "belt",
    "jacket",
    "shirt",
]
ADJECTIVES = [
    "small",
    "large",
    "white",
    "black",
    "red",
    "blue",
    "green",
    "steel",
    "wooden",
    "ceramic",
    "glass",
    "folding",
    "wireless",
    "portable",
    "electric",
    "foldable",
    "round",
    "square",
    "classic",
    "modern",
    "vintage",
    "heavy",
    "light",
    "quiet",
    "bright",
    "soft",
    "warm",
    "cold",
    "thin",
    "wide",
]

BATCH = 1_000


@dataclass(frozen=True)
class Filled:
    """How long it took: to make the documents, and by engine to write them. ``documents``: how many there are."""

    documents: int
    making: float
    writing: Mapping[str, float]


def fill(database: Database, products: int) -> None:
    """Products with everything that is searched, filtered and counted. No change of them is captured."""
    with database.engine.begin() as opened:
        tx = raw(opened)
        tx.execute(f"SET LOCAL bench.products = {products}")
        states = tx.execute(TRIGGERS).fetchall()
        for table in {table for table, _, _ in states}:
            tx.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        for statement in FILL:
            tx.execute(statement)
        for table, trigger, how in states:
            tx.execute(f"ALTER TABLE {table} ENABLE {how} TRIGGER {trigger}")
    with psycopg.connect(libpq(database.url), autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")


def index(database: Database, indexes: Mapping[str, Index], tell: Tell) -> Filled:
    """Write everything into a new generation of each engine, each batch made once for all of them."""
    with database.read() as tx:
        origin = rebuild.origin(tx)
    generations = {
        name: each.create(State(0, origin, each.mapping(), filled=0)) for name, each in indexes.items()
    }
    writers = {name: each.writer(generations[name], bulk=True) for name, each in indexes.items()}
    writing, making, documents = dict.fromkeys(indexes, 0.0), 0.0, 0
    for batch, seconds in _batches(database):
        making += seconds
        documents += len(batch.documents)
        tell(documents, None)
        for name, writer in writers.items():
            began = time.perf_counter()
            writer.put(batch, trusting=False, new=True)
            writing[name] += time.perf_counter() - began
    for name, each in indexes.items():
        began = time.perf_counter()
        writers[name].commit(State(batch.sequence, origin, each.mapping()))
        writers[name].close()
        writing[name] += time.perf_counter() - began
        each.adopt(generations[name])
    return Filled(documents, making, writing)


def _batches(database: Database) -> Iterator[tuple[Batch, float]]:
    for ids in rebuild.product_ids(database, BATCH):
        began = time.perf_counter()
        with database.read() as tx:
            batch = product.build(tx, ids)
        yield batch, time.perf_counter() - began


def _array(words: list[str]) -> str:
    return "(ARRAY[" + ",".join(f"'{word}'" for word in words) + "])"


def _uneven(words: list[str], salt: int) -> str:
    """A word drawn so that the first ones are the most frequent."""
    share = f"((hashint8(n * 31 + {salt})::bigint & 1048575) / 1048576.0)"
    return f"{_array(words)}[1 + floor(power({share}, 2.5) * {len(words)})::int]"


_RARE = "substr(md5((n % 50000)::text), 1, 6)"
_NAME = f"initcap({_uneven(ADJECTIVES, 1)} || ' ' || {_uneven(ADJECTIVES, 2)} || ' ' || {_uneven(NOUNS, 3)})"
_COUNT = "current_setting('bench.products')::bigint"

FILL = [
    "INSERT INTO locale (code) VALUES ('en')",
    "INSERT INTO price_list (code, currency) VALUES ('web', 'EUR')",
    "INSERT INTO channel (code, currency, order_prefix) VALUES ('web', 'EUR', 'W-')",
    "INSERT INTO channel_locale (channel_id, locale_id, position) SELECT channel.id, locale.id, 0 FROM channel, locale",
    "INSERT INTO channel_price_list (channel_id, price_list_id) SELECT channel.id, price_list.id FROM channel, price_list",
    f"""INSERT INTO product_type (code, name) SELECT word, jsonb_build_object('en', initcap(word))
        FROM unnest({_array(NOUNS)}) word""",
    """INSERT INTO category (code, name) SELECT 'room' || n, jsonb_build_object('en', 'Room ' || n)
        FROM generate_series(1, 8) n""",
    """INSERT INTO category (code, name, parent_id) SELECT 'shelf' || n, jsonb_build_object('en', 'Shelf ' || n),
        (SELECT id FROM category WHERE code = 'room' || (n % 8 + 1)) FROM generate_series(1, 80) n""",
    """INSERT INTO attribute (code, type, name, searchable, filterable, facet)
        SELECT code, type, jsonb_build_object('en', initcap(code)), type = 'choice', true, true
        FROM (VALUES ('brand', 'choice'), ('colour', 'choice'), ('rating', 'integer'), ('finish', 'choice')) a (code, type)""",
    """INSERT INTO attribute_option (attribute_id, code, name)
        SELECT id, code || n, jsonb_build_object('en', initcap(code) || ' ' || n)
        FROM attribute, generate_series(0, 99) n WHERE type = 'choice' AND (code = 'brand' OR n < 12)""",
    f"""INSERT INTO product (product_type_id, slug, name, description, attributes)
        SELECT product_type.id, 'product-' || n, jsonb_build_object('en', drawn.name || ' ' || {_RARE}),
            jsonb_build_object('en', 'A ' || drawn.name || ' for every day, with ' || {_uneven(ADJECTIVES, 4)} || ' '
                || {_uneven(NOUNS, 5)} || ' and ' || {_uneven(NOUNS, 6)}),
            jsonb_build_object(
                'brand', jsonb_build_object('*', jsonb_build_object('*', 'brand' || (n * 7 % 100))),
                'colour', jsonb_build_object('*', jsonb_build_object('*', 'colour' || (n % 12))),
                'finish', jsonb_build_object('*', jsonb_build_object('*', 'finish' || (n / 12 % 12))),
                'rating', jsonb_build_object('*', jsonb_build_object('*', n % 5 + 1)))
        FROM (SELECT n, {_NAME} AS name FROM generate_series(1, {_COUNT}) n) drawn
            JOIN product_type ON product_type.code = lower(split_part(drawn.name, ' ', 3))""",
    "INSERT INTO listing (product_id, channel_id, open) SELECT product.id, channel.id, true FROM product, channel",
    "INSERT INTO variant (product_id, sku, position) SELECT id, 'SKU-' || id, 0 FROM product",
    """INSERT INTO price (product_id, variant_id, price_list_id, amount, currency, open)
        SELECT product_id, variant.id, price_list.id, (variant.id * 7 % 50000 / 100.0)::numeric(9, 2), 'EUR', true
        FROM variant, price_list""",
    """INSERT INTO product_category (product_id, category_id)
        SELECT product.id, category.id FROM product JOIN category ON category.code = 'shelf' || (product.id % 80 + 1)""",
    *(
        f"""INSERT INTO aggregate (type, id, version, created_at, updated_at, actor, source)
            SELECT '{root}', id, 1, now(), now(), 'bench', 'bench' FROM {root}"""
        for root in ("product", "channel", "locale", "price_list", "attribute", "product_type", "category")
    ),
]
