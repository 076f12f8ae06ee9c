"""Filters by attribute: on products with what their variants say, on variants with what they inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import strawberry
from sqlalchemy.dialects.postgresql import JSONB

from hub import product as tables
from hub.attribute_value import ALL
from hub.errors import Invalid, NotFound
from schema import filter as filters
from schema.predicate import Asked, attribute, attribute_values
from schema.scalar import Operand
from schema.spec import FilterSpec

if TYPE_CHECKING:
    from schema.filter import Where
    from schema.sql import Frame

NEGATIONS = {"ne": "eq", "not_in": "in_"}
CONTAINED = ("text", "choice", "choices", "boolean", "date", "datetime")
"""Types whose equal values have equal JSON, so that the index on attributes answers eq and in."""


def _given(description: str) -> Any:
    return strawberry.field(description=description, default=strawberry.UNSET)


@strawberry.input(
    description="A condition on an attribute's value, read by the attribute's type: numbers as numbers or text, "
    "measurements by amount in `unit`, choices by option code. Conditions beside each other must all hold."
)
class AttributeValueFilter:
    """A condition on an attribute's value."""

    code: str = strawberry.field(description="The attribute's code.")
    eq: Operand | None = _given("Equal to it; one of the choices, where there are several.")
    ne: Operand | None = _given("Anything but it, also no value.")
    in_: list[Operand] | None = strawberry.field(
        name="in", description="One of these.", default=strawberry.UNSET
    )
    not_in: list[Operand] | None = _given("None of these, also no value.")
    lt: Operand | None = _given("Less, or before.")
    lte: Operand | None = _given("Less or equal, or not after.")
    gt: Operand | None = _given("More, or after.")
    gte: Operand | None = _given("More or equal, or not before.")
    contains: str | None = _given("Contains this, whatever the case and accents.")
    starts_with: str | None = _given("Starts with this, whatever the case and accents.")
    is_empty: bool | None = _given('True: without any value; false: with one. "Not applicable" is a value.')
    unit: str | None = _given("Unit of the numbers given; null: the attribute's own, or its base unit.")
    currency: str | None = _given("ISO 4217 code that an amount of money must be in; null: any.")


def _asked(value: AttributeValueFilter, where: Where) -> Asked:
    definition = where.definitions.get(value.code)
    if definition is None:
        raise NotFound(
            f'Attribute "{value.code}" does not exist: attributes lists those that do.', ("filter",)
        )
    given = dict(filters.given(value))
    unit, currency = given.pop("unit", None), given.pop("currency", None)
    del given["code"]
    if any(each is None for each in given.values()):
        raise Invalid(f'Attribute "{value.code}" is compared with null: use isEmpty.', ("filter",))
    return Asked(definition, given, unit, currency)


def _of_product(frame: Frame, value: AttributeValueFilter, where: Where) -> sa.ColumnElement[bool]:
    """Each operator on its own: a negation holds where no value of the product or its variants is the named one."""
    asked = _asked(value, where)
    return sa.and_(sa.true(), *(_one(frame, asked, *each, where) for each in asked.operators.items()))


def _one(frame: Frame, asked: Asked, operator: str, given: Any, where: Where) -> sa.ColumnElement[bool]:
    if operator in NEGATIONS:
        return sa.not_(frame.id.in_(_having(asked, NEGATIONS[operator], given, where)))
    if operator == "is_empty":
        having = frame.id.in_(_having(asked, "is_empty", False, where))
        return ~having if given else having
    return frame.id.in_(_having(asked, operator, given, where))


def _having(asked: Asked, operator: str, given: Any, where: Where) -> sa.Select[Any]:
    """The ids of products that have such a value themselves, or at one of their variants."""
    only = Asked(asked.definition, {operator: given}, asked.unit, asked.currency)
    product, variant = tables.Product.__table__.alias(), tables.Variant.__table__.alias()
    own = sa.select(product.c.id).where(_met(product.c.attributes, only, where))
    of_variants = sa.select(variant.c.product_id).where(
        sa.or_(
            _met(variant.c.attributes, only, where), attribute(variant.c.axes[asked.definition.code], only)
        )
    )
    return sa.select(sa.union_all(own, of_variants).subquery().c[0])


def _met(column: Any, asked: Asked, where: Where) -> sa.ColumnElement[bool]:
    met = attribute(attribute_values(column, asked.definition, where.scope), asked)
    held = _contained(column, asked)
    return met if held is None else sa.and_(held, met)


def _contained(column: Any, asked: Asked) -> sa.ColumnElement[bool] | None:
    """The same condition as the index knows it, where the attribute has one value for all channels and locales."""
    definition = asked.definition
    (operator, given), *_ = asked.operators.items()
    if definition.localizable or definition.per_channel or definition.type not in CONTAINED:
        return None
    if operator not in ("eq", "in_"):
        return None
    wanted = [_stored(each, definition.type) for each in (given if operator == "in_" else [given])]
    held = [column.op("@>")(sa.literal({definition.code: {ALL: {ALL: each}}}, JSONB)) for each in wanted]
    return sa.or_(sa.false(), *held)


def _stored(given: Any, type_: str) -> Any:
    if type_ == "boolean":
        return given if isinstance(given, bool) else str(given).lower() == "true"
    return [str(given)] if type_ == "choices" else str(given)


def _of_variant(frame: Frame, value: AttributeValueFilter, where: Where) -> sa.ColumnElement[bool]:
    """The axis, then the variant's own value, then the product's."""
    asked = _asked(value, where)
    product = tables.Product.__table__.alias()
    inherited = (
        sa.select(attribute_values(product.c.attributes, asked.definition, where.scope))
        .where(product.c.id == frame.c.product_id)
        .scalar_subquery()
    )
    own = attribute_values(frame.c.attributes, asked.definition, where.scope)
    held: sa.ColumnElement[Any] = sa.func.coalesce(
        frame.c.axes[asked.definition.code], own, inherited, type_=JSONB
    )
    return sa.func.coalesce(attribute(held, asked), sa.false())


OF_PRODUCT = FilterSpec(
    type=AttributeValueFilter,
    description="By an attribute: of the product, or of one of its variants.",
    predicate=_of_product,
)
OF_VARIANT = FilterSpec(
    type=AttributeValueFilter,
    description="By an attribute: of the variant, or inherited from its product.",
    predicate=_of_variant,
)
