"""Figures of sales, each worked out anew from orders and returns. ``docs/figures.md`` holds their definitions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from hub import money
from hub.errors import Invalid


class By(StrEnum):
    """What sales are told apart by."""

    TIME = "time"
    CHANNEL = "channel"
    PRODUCT = "product"
    CATEGORY = "category"
    COMPANY = "company"


class Interval(StrEnum):
    """How long a period of a report is. Weeks begin on Mondays (ISO 8601)."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


@dataclass(frozen=True)
class Asked:
    """What a report is asked for: sales from ``since`` up to but without ``until``, as they were known at ``as_of``.

    ``channels``, ``products``: ids; null for all. ``categories``: ids, with all below them.
    """

    since: datetime
    until: datetime
    by: tuple[By, ...] = ()
    interval: Interval = Interval.MONTH
    zone: str = "UTC"
    channels: Collection[int] | None = None
    products: Collection[int] | None = None
    categories: Collection[int] | None = None
    as_of: datetime | None = None

    def values(self) -> dict[str, Any]:
        """The values that the statement leaves open."""
        return {
            "since": self.since,
            "until": self.until,
            "as_of": self.as_of,
            "unit": self.interval.value,
            "zone": self.zone,
            "channels": None if self.channels is None else sorted(self.channels),
            "products": None if self.products is None else sorted(self.products),
            "categories": None if self.categories is None else sorted(self.categories),
        }


COUNTED = """
    SELECT o.id, o.customer_id, o.company_id, o.channel_id, o.currency, o.placed_at, o.status FROM "order" o
    WHERE o.placed_at IS NOT NULL AND o.status <> 'draft'
        AND (o.status <> 'cancelled' OR EXISTS (SELECT FROM order_event e WHERE e.order_id = o.id
            AND e.kind = 'status' AND e.code = 'cancelled' AND e.at > :as_of))
        AND (:as_of IS NULL OR o.placed_at <= :as_of)
        AND (:channels IS NULL OR o.channel_id = ANY (:channels))
"""
"""Orders that count: placed, and not cancelled by then."""

LINES = """
    SELECT o.id AS order_id, o.customer_id, o.company_id, o.channel_id, o.currency, o.placed_at AS at, v.product_id,
        kept.units, l.total * kept.units / l.quantity AS gross, 0 AS returned_units, 0::numeric AS returned
    FROM counted o LEFT JOIN order_line l ON l.order_id = o.id LEFT JOIN variant v ON v.id = l.variant_id
        -- An order that counts and is cancelled was cancelled later, with all its pieces.
        CROSS JOIN LATERAL (SELECT CASE o.status WHEN 'cancelled' THEN l.quantity ELSE l.quantity - l.cancelled END) kept (units)
    UNION ALL
    SELECT NULL, NULL, o.company_id, o.channel_id, o.currency, r.returned_at, v.product_id,
        0, 0, b.quantity, l.total * b.quantity / l.quantity
    FROM counted o JOIN order_return r ON r.order_id = o.id AND (:as_of IS NULL OR r.returned_at <= :as_of)
        JOIN order_return_line b ON b.order_return_id = r.id
        JOIN order_line l ON l.order_id = o.id AND l.position = b.line LEFT JOIN variant v ON v.id = l.variant_id
"""
"""What was sold, at the moment of its order, and what came back, at the moment of its return."""

BELOW = """
    SELECT id FROM category WHERE id = ANY (:categories)
    UNION SELECT c.id FROM category c JOIN below ON c.parent_id = below.id
"""

STATEMENT = """
WITH RECURSIVE below AS ({below}),
counted AS ({counted}),
line AS ({lines}),
-- The first order of each customer, to tell the new ones.
first AS (SELECT customer_id, min(placed_at) AS at FROM counted GROUP BY customer_id),
bought AS (
    SELECT {dimensions}, line.currency, line.customer_id, count(DISTINCT line.order_id) AS orders,
        coalesce(sum(line.units), 0) AS units, coalesce(sum(line.gross), 0) AS gross,
        sum(line.returned_units) AS returned_units, sum(line.returned) AS returned,
        bool_or(first.at >= :since AND {same_time}) AS is_new
    FROM line {category} LEFT JOIN first USING (customer_id)
    WHERE line.at >= :since AND line.at < :until
        AND (:products IS NULL OR line.product_id = ANY (:products))
        AND (:categories IS NULL OR EXISTS (SELECT FROM product_category p
            WHERE p.product_id = line.product_id AND p.category_id IN (SELECT id FROM below)))
    GROUP BY {places}, line.currency, line.customer_id
)
SELECT {names}, currency, sum(orders)::bigint AS orders, sum(units)::bigint AS units,
    round(sum(gross), currency_digits(currency)) AS gross,
    sum(returned_units)::bigint AS returned_units, round(sum(returned), currency_digits(currency)) AS returned,
    count(*) FILTER (WHERE customer_id IS NOT NULL AND orders > 0) AS customers,
    count(*) FILTER (WHERE customer_id IS NOT NULL AND orders > 0 AND is_new) AS new_customers,
    count(*) FILTER (WHERE customer_id IS NOT NULL AND orders > 1) AS repeat_customers
FROM bought GROUP BY {names}, currency ORDER BY {names}, currency LIMIT :most
"""

COLUMNS = {
    By.TIME: ("start", "date_trunc(:unit, line.at, :zone)"),
    By.CHANNEL: ("channel_id", "line.channel_id"),
    By.PRODUCT: ("product_id", "line.product_id"),
    By.CATEGORY: ("category_id", "sorted.category_id"),
    By.COMPANY: ("company_id", "line.company_id"),
}
ALL = ("everything", "true")
"""Stands for what sales are told apart by where nothing is asked."""


@cache
def statement(by: tuple[By, ...]) -> sa.TextClause:
    """The statement of a report. Beside the values of ``Asked.values`` it leaves ``most`` open, the number of rows."""
    columns = [COLUMNS[each] for each in by] or [ALL]
    timed = By.TIME in by
    text = STATEMENT.format(
        below=BELOW,
        counted=COUNTED,
        lines=LINES,
        dimensions=", ".join(f"{expression} AS {name}" for name, expression in columns),
        names=", ".join(name for name, _ in columns),
        places=", ".join(str(place) for place in range(1, len(columns) + 1)),
        category=(
            "LEFT JOIN product_category sorted ON sorted.product_id = line.product_id"
            if By.CATEGORY in by
            else ""
        ),
        same_time=(
            "date_trunc(:unit, first.at, :zone) = date_trunc(:unit, line.at, :zone)" if timed else "true"
        ),
    )
    moments = (sa.bindparam(name, type_=sa.DateTime(timezone=True)) for name in ("since", "until", "as_of"))
    ids = (sa.bindparam(name, type_=ARRAY(sa.BigInteger)) for name in ("channels", "products", "categories"))
    texts = (sa.bindparam(name, type_=sa.Text) for name in ("unit", "zone") if timed)
    return sa.text(text).bindparams(*moments, *ids, *texts, sa.bindparam("most", type_=sa.BigInteger))


def zone(name: str) -> ZoneInfo:
    """A time zone by its name in the IANA database. Raises ``Invalid``."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as wrong:
        raise Invalid(
            f'"{name}" is no time zone: name one of the IANA database, such as Europe/Berlin.', ("timeZone",)
        ) from wrong


def average(gross: Decimal, orders: int, currency: str) -> Decimal | None:
    """What an order came to, rounded as money is; null without orders."""
    return money.rounded(gross / orders, currency) if orders else None
