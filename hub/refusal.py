"""What the database refuses, said so that people understand it.

The rules stand in the database; here each kind of violation gets its code and its sentence.
"""

from __future__ import annotations

import re

import psycopg
import sqlalchemy as sa
from psycopg import errors as pg

from hub.draft import Draft
from hub.errors import Conflict, Duplicate, HubError, InUse, Invalid, NotFound, OutOfStock, Path
from hub.stock_rules import OUT_OF_STOCK

_DETAIL = re.compile(r"\((?P<columns>.*?)\)=\((?P<values>.*?)\)(?= |$)")

SAID: dict[str, str] = {
    "ck_listing_window": "A listing ends before it starts: give an end that is later than the start.",
    "ck_price_window": "A price ends before it starts: give an end that is later than the start.",
    "ck_price_decimals": "An amount has more decimals than its currency has: round it first.",
    "ck_order_decimals": "An amount has more decimals than the order's currency has: round it first.",
    "ck_price_amount": "A price is negative: give 0 or more.",
    "ck_price_min_quantity": "A price starts at a quantity below 1.",
    "ck_order_total": "The order's total is not subtotal + shipping (+ tax where it is not included).",
    "ck_order_line_total": "A line's total is not quantity × unit price − discount.",
    "ck_order_line_quantity": "A line has no quantity: give 1 or more.",
    "ck_order_line_fulfilled": "A line would hold fewer pieces than were sent or cancelled of it: give more.",
    "ck_order_line_returned": "More pieces of a line would have come back than were sent.",
    "ck_refund_amount": "A refund is of nothing: give an amount above 0.",
    "ck_refund_line_amount": "A refund's line is of nothing: give an amount above 0.",
    "ck_order_payment_amount": "A payment is negative: make a refund.",
    "ck_fulfilment_line_quantity": "A line has no quantity: give 1 or more.",
    "ck_order_return_line_quantity": "A line has no quantity: give 1 or more.",
    "ck_stock_reserved": "The reserved quantity is negative.",
    "ck_stock_safety": "The safety stock is negative.",
    "ck_stock_reorder": "The reorder point is negative, or the quantity to order is not above zero.",
    "ck_stock_incoming_quantity": "A delivery expects no pieces: give 1 or more, or remove it.",
    "uq_stock_movement_document": "Two rows stand on the same line of a document: give each its own line.",
    "ck_asset_focus": "The focal point lies outside the picture: give 0 to 100 percent from the left and from the top.",
    "ck_category_parent": "A category cannot be its own parent.",
    "ck_company_parent": "A company cannot be its own parent.",
    "ck_attribute_unit_family": "A measurement needs a unit family, and only a measurement has one.",
    "ck_product_relation_self": "A product cannot be related to itself.",
    "ex_listing_window": "Two listings of the product in one channel overlap: end one before the other starts.",
    "ck_price_start": "A price ends but has no start: give the start of its window.",
    "uq_price_base": "Two base prices for the same list, company and quantity: keep one, or give one a window.",
    "ex_price_window": "Two prices for the same list, company and quantity overlap: end one before the other starts.",
    "fk_price_price_list_id_currency": "The price's currency is not the currency of its price list.",
    "uq_variant_axes": "Two variants of the product have the same axis values.",
}


SPOKEN: dict[str, type[HubError]] = {"23001": InUse, OUT_OF_STOCK: OutOfStock}
"""States that only triggers of the hub raise, in their own words."""


def retryable(error: sa.exc.DBAPIError) -> bool:
    """Whether the same transaction, run again, may well succeed."""
    return isinstance(error.orig, pg.DeadlockDetected | pg.SerializationFailure)


def of(error: sa.exc.DBAPIError) -> HubError:
    """The refusal that a database error stands for. Raises the error again where it stands for none."""
    original = error.orig
    if not isinstance(original, psycopg.Error):
        raise error
    name = original.diag.constraint_name or ""
    if isinstance(original, pg.UniqueViolation):
        return Duplicate(SAID.get(name) or _taken(original))
    if kind := SPOKEN.get(original.sqlstate or ""):
        return kind(original.diag.message_primary or str(original))
    if isinstance(original, pg.ForeignKeyViolation):
        return _foreign(original, name)
    if isinstance(original, pg.CheckViolation | pg.ExclusionViolation):
        return Invalid(SAID.get(name) or _checked(original, name))
    if isinstance(original, pg.RaiseException | pg.NotNullViolation | pg.DataException):
        return Invalid(original.diag.message_primary or str(original))
    if retryable(error):
        return Conflict("Someone else changed the same objects at the same moment: retry.")
    raise error


def place(error: sa.exc.DBAPIError, root: Draft) -> Path:
    """Where in the one row that was written the refused value stands; its start where that cannot be told."""
    original = error.orig
    if not isinstance(original, psycopg.Error):
        return ()
    columns, values = _detail(original)
    named = dict(zip(columns.split(", "), values.split(", "), strict=False))
    found = [draft for draft in root.walk() if _holds(draft, original.diag.table_name, named)]
    if len(found) != 1:
        return ()
    names = [name for name, (column, _) in found[0].part.fields().items() if column.name in named]
    return (*found[0].path, names[0]) if len(names) == 1 else found[0].path


def _holds(draft: Draft, table: str | None, named: dict[str, str]) -> bool:
    """Whether a draft is of the table, and has all of the values named that an input gives."""
    own = {name: value for name, value in named.items() if name in draft.values}
    return (
        draft.part.name == table
        and not draft.remove
        and all(str(draft.values[name]) == value for name, value in own.items())
    )


def _detail(original: psycopg.Error) -> tuple[str, str]:
    found = _DETAIL.search(original.diag.message_detail or "")
    return (found["columns"], found["values"]) if found else ("value", "")


def _taken(original: psycopg.Error) -> str:
    columns, values = _detail(original)
    table = (original.diag.table_name or "object").replace("_", " ")
    if original.diag.constraint_name == "uq_identifier_gtin":
        return f'GTIN "{values}" belongs to another variant: remove it there first.'
    return f'{table.capitalize()} with {columns} "{values}" exists already: change that one, or choose another value.'


def _foreign(original: psycopg.Error, name: str) -> HubError:
    if original.diag.table_name is None:  # said by a trigger of the hub, in its own words
        return NotFound(original.diag.message_primary or str(original))
    detail = original.diag.message_detail or ""
    if "still referenced" in detail:
        user = re.search(r'from table "(\w+)"', detail)
        kept = user[1].replace("_", " ") if user else "row"
        return InUse(f"It is still used by at least one {kept}: remove it there first.")
    if name in SAID:
        return Invalid(SAID[name])
    columns, values = _detail(original)
    return NotFound(f'What {columns} "{values}" refers to does not exist.')


def _checked(original: psycopg.Error, name: str) -> str:
    if original.diag.table_name is None:  # said by a trigger of the hub, in its own words
        return original.diag.message_primary or str(original)
    table = (original.diag.table_name or "row").replace("_", " ")
    return f"The {table} breaks the rule {name}."
