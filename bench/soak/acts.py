"""What a writer of SQL does in a transaction, each with what the feed must then say."""

from __future__ import annotations

import random
from collections.abc import Callable

import psycopg

from bench.soak.draft import Draft
from bench.soak.ground import CATEGORIES, PRODUCTS


class Acts:
    """What can be done in one transaction."""

    def __init__(self, cursor: psycopg.Cursor, chance: random.Random, draft: Draft) -> None:
        self.cursor, self.chance, self.draft = cursor, chance, draft

    def rename(self) -> None:
        """One row."""
        number, text = self._some(), self.draft.token()
        self.cursor.execute(
            "UPDATE product SET name = name || jsonb_build_object('de', %s::text) WHERE id = %s",
            [text, number],
        )
        self.draft.wrote("product", number, "name/de", text)

    def reprice(self) -> None:
        """A child row, with a number that nobody else writes."""
        text, price = self.draft.amount(), self.chance.randint(1, 2 * PRODUCTS)
        self.cursor.execute("UPDATE price SET amount = %s WHERE id = %s RETURNING product_id", [text, price])
        for (number,) in self.cursor:
            self.draft.wrote("product", number, f"price/{price}", text)

    def rename_many(self) -> None:
        """Many rows in one statement."""
        text = self.draft.token()
        self.cursor.execute(
            "UPDATE category SET name = name || jsonb_build_object('de', %s || '#' || id)"
            " WHERE id %% 5 = %s AND id <= %s RETURNING id",
            [text, self.chance.randint(0, 4), CATEGORIES],
        )
        for (number,) in self.cursor:
            self.draft.wrote("category", number, "name/de", f"{text}#{number}")

    def copy(self) -> None:
        """COPY."""
        codes = [self.draft.token() for _ in range(self.chance.randint(1, 12))]
        with self.cursor.copy("COPY category (code) FROM STDIN") as rows:
            for code in codes:
                rows.write_row((code,))
        self.cursor.execute("SELECT id, code FROM category WHERE code = ANY (%s)", [codes])
        for number, code in self.cursor:
            self.draft.wrote("category", number, "code", code, kind="CREATED")

    def merge(self) -> None:
        """MERGE that updates and inserts."""
        number, text = self.chance.randint(1, CATEGORIES), self.draft.token()
        self.cursor.execute(
            """MERGE INTO category c USING (VALUES (%s, %s), (%s, %s)) v (code, slug) ON c.code = v.code
                WHEN MATCHED THEN UPDATE SET slug = v.slug WHEN NOT MATCHED THEN INSERT (code, slug) VALUES (v.code, v.slug)""",
            [f"soak-{number}", text, f"made-{text}", f"slug-{text}"],
        )
        self.cursor.execute(
            "SELECT id, code, slug FROM category WHERE slug = ANY (%s)", [[text, f"slug-{text}"]]
        )
        for found, code, slug in self.cursor:
            kind = "CREATED" if code == f"made-{text}" else "UPDATED"
            self.draft.wrote("category", found, "slug", slug, kind=kind)

    def make(self) -> None:
        """A product with what hangs on it; now and then it goes again at once, or later."""
        slug, sku = self.draft.token(), self.draft.token()
        self.cursor.execute("INSERT INTO product (product_type_id, slug) VALUES (1, %s) RETURNING id", [slug])
        number = self._number()
        self.cursor.execute("INSERT INTO variant (product_id, sku) VALUES (%s, %s)", [number, sku])
        self.draft.wrote("product", number, "slug", slug, kind="CREATED")
        self.draft.wrote("product", number, "sku", sku, kind="CREATED")

    def drop(self) -> None:
        """A product that somebody's script made."""
        self.cursor.execute(
            "DELETE FROM product WHERE id = (SELECT id FROM product WHERE slug LIKE 'sql%%' AND id > %s"
            " ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id",
            [PRODUCTS],
        )
        for (number,) in self.cursor.fetchall():
            self.draft.deleted("product", number)

    def list_for_a_while(self) -> None:
        """A window that opens or closes by time alone."""
        slug, opens = f"window-{self.draft.token()}", self.chance.random() < 0.5  # noqa: PLR2004 - one as often as the other
        self.cursor.execute("INSERT INTO product (product_type_id, slug) VALUES (1, %s) RETURNING id", [slug])
        number = self._number()
        self.cursor.execute(
            "INSERT INTO listing (product_id, channel_id, starts_at, ends_at) VALUES (%s, 1, now() + %s, now() + %s)"
            " RETURNING id",
            [number, *(("0.5 s", None) if opens else ("-1 h", "0.5 s"))],
        )
        self.draft.wrote("product", number, "slug", slug, kind="CREATED")
        self.draft.listed(number, self._number(), opens=opens)

    def nothing(self) -> None:
        """What changes nothing, or comes out even."""
        self.cursor.execute(
            "UPDATE price SET amount = amount * 1.00, currency = currency WHERE mod(id, 7) = 3"
        )
        self.cursor.execute(
            "INSERT INTO channel (code, currency, order_prefix) VALUES ('soak', 'EUR', 'S')"
            " ON CONFLICT (code) DO UPDATE SET currency = excluded.currency"
        )
        code = self.draft.token()
        self.cursor.execute("INSERT INTO collection (code) VALUES (%s)", [code])
        self.cursor.execute("DELETE FROM collection WHERE code = %s", [code])
        self.draft.never.append(code)

    def flush(self) -> None:
        """Asks for the new versions early, and goes on."""
        self.cursor.execute("SET CONSTRAINTS hub_flush IMMEDIATE")
        if self.chance.random() < 0.7:  # noqa: PLR2004 - now and then it stays immediate
            self.cursor.execute("SET CONSTRAINTS hub_flush DEFERRED")

    def _some(self) -> int:
        """One of the products that stay."""
        return self.chance.randint(1, PRODUCTS)

    def _number(self) -> int:
        row = self.cursor.fetchone()
        assert row is not None
        return int(row[0])


ACTS: tuple[Callable[[Acts], None], ...] = (
    Acts.rename,
    Acts.rename,
    Acts.reprice,
    Acts.reprice,
    Acts.rename_many,
    Acts.copy,
    Acts.merge,
    Acts.make,
    Acts.drop,
    Acts.nothing,
    Acts.flush,
)
"""Some more often than others."""
