"""Attribute values in inputs: merged leaf by leaf into what a row has, once each is checked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from hub import value
from hub.attribute import Attribute, AttributeOption
from hub.attribute_value import Definition, Given, checked, place, put
from hub.channel import Channel
from hub.draft import Draft
from hub.errors import HubError, Invalid, NotFound
from hub.locale import Locale
from hub.product_type import ProductType, ProductTypeAttribute
from hub.reference import Directory, Way, way

_FIELDS = {"code", "channel", "locale", "value"}


def take(tx: sa.Connection, drafts: Sequence[Draft]) -> None:
    """Turn the attributes and axes of the drafts into the values of their columns."""
    given = [draft for draft in drafts if draft.attributes is not None or draft.axes is not None]
    if not given:
        return
    taking = _Taking(tx, given)
    for draft in given:
        taking.attributes(draft)
        taking.axes(draft)


def locales(tx: sa.Connection) -> frozenset[str]:
    """The codes of the hub's locales."""
    return frozenset(tx.execute(sa.select(Locale.code)).scalars())


def unknown_locale(code: str) -> NotFound:
    """The refusal of a locale that the hub does not have."""
    return NotFound(f'Locale "{code}" is not one of the hub\'s: create it first.')


def definitions(tx: sa.Connection, codes: Iterable[str]) -> dict[str, Definition]:
    """The definitions of attributes, by code; codes of no attribute are left out."""
    option = sa.func.array_agg(AttributeOption.code).filter(AttributeOption.id.is_not(None))
    statement = (
        sa.select(
            Attribute.code,
            Attribute.type,
            Attribute.localizable,
            Attribute.per_channel,
            Attribute.unit_family,
            Attribute.unit,
            Attribute.rules,
            option,
        )
        .outerjoin(AttributeOption, AttributeOption.attribute_id == Attribute.id)
        .where(Attribute.code == sa.any_(sa.cast(list(codes), sa.ARRAY(sa.Text))))
        .group_by(Attribute.id)
    )
    return {row[0]: Definition(*row[:7], options=frozenset(row[7] or ())) for row in tx.execute(statement)}


class _Taking:
    """What is needed to check the values of a batch, read once."""

    def __init__(self, tx: sa.Connection, drafts: Sequence[Draft]) -> None:
        self._definitions = definitions(tx, {code for draft in drafts for code in _codes(draft)})
        self._locales = locales(tx)
        self._channels = frozenset(tx.execute(sa.select(Channel.code)).scalars())
        self._directory = Directory(tx)
        self._types = _types(tx, drafts)
        self._look_up_references(drafts)

    def _look_up_references(self, drafts: Sequence[Draft]) -> None:
        nouns = {
            code: found.rules.get("to", "product")
            for code, found in self._definitions.items()
            if found.type == "reference"
        }
        wanted: dict[str, list[Way]] = defaultdict(list)
        for draft in drafts if nouns else ():
            for one in draft.attributes or ():
                if isinstance(one, dict) and one.get("code") in nouns and isinstance(one.get("value"), dict):
                    with suppress(HubError):  # said again, with its path, when the value is checked
                        wanted[nouns[one["code"]]].append(way(one["value"]))
        for noun, ways in wanted.items():
            self._directory.look_up(noun, ways)

    def attributes(self, draft: Draft) -> None:
        if draft.attributes is None:
            return
        values = dict(draft.current["attributes"]) if draft.current else {}
        kind = self._types.get(draft.root.get("product_type_id"))
        for number, one in enumerate(draft.attributes):
            try:
                self._put(values, kind, _given(one))
            except HubError as wrong:
                draft.refuse(wrong, "attributes", number)
        draft.values["attributes"] = values

    def _put(self, values: dict[str, Any], kind: _Type | None, given: Given) -> None:
        definition = self._definition(given.code, kind)
        where = place(given, definition)
        if given.locale is not None and where[1] not in self._locales:
            raise unknown_locale(where[1])
        if given.channel is not None and given.channel not in self._channels:
            raise NotFound(f'Channel "{given.channel}" does not exist: create it first.')
        stored = None if given.value is None else checked(given, definition, self._directory.resolve)
        put(values, given.code, where, stored)

    def _definition(self, code: Any, kind: _Type | None) -> Definition:
        definition = self._definitions.get(code) if isinstance(code, str) else None
        if definition is None:
            raise NotFound(f"Attribute {value.shown(code)} is not defined: create it first.")
        if kind is not None and kind.closed and code not in kind.attributes:
            raise Invalid(
                f'Attribute "{code}" is not one of product type "{kind.code}": add it to the type first.'
            )
        return definition

    def axes(self, draft: Draft) -> None:
        if draft.axes is None:
            return
        values = dict(draft.current["axes"]) if draft.current else {}
        for code, one in draft.axes.items():
            try:
                self._put_axis(values, draft, code, one)
            except HubError as wrong:
                draft.refuse(wrong, "axes", code)
        draft.values["axes"] = values

    def _put_axis(self, values: dict[str, Any], draft: Draft, code: str, one: Any) -> None:
        kind = self._types.get(draft.root.get("product_type_id"))
        definition = self._definition(code, kind)
        if kind is None or code not in kind.axes:
            raise Invalid(f'"{code}" is not an axis of the product\'s type: make it one there first.')
        if one is None:
            values.pop(code, None)
        else:
            values[code] = checked(Given(code, one), definition, self._directory.resolve)


def _codes(draft: Draft) -> Iterable[str]:
    for one in draft.attributes or ():
        if isinstance(one, dict) and isinstance(one.get("code"), str):
            yield one["code"]
    yield from draft.axes or ()


def _given(one: Any) -> Given:
    if not isinstance(one, dict) or "code" not in one or "value" not in one or not one.keys() <= _FIELDS:
        raise Invalid("An attribute value has a code and a value, and perhaps a channel and a locale.")
    return Given(one["code"], one["value"], one.get("channel"), one.get("locale"))


class _Type:
    """What a product type says of its attributes."""

    def __init__(self, code: str, *, closed: bool) -> None:
        self.code = code
        self.closed = closed
        self.attributes: set[str] = set()
        self.axes: set[str] = set()


def _types(tx: sa.Connection, drafts: Sequence[Draft]) -> dict[int, _Type]:
    """The product types of the drafts that name one of their attributes, by id."""
    numbers = {draft.root.get("product_type_id") for draft in drafts} - {None}
    statement = (
        sa.select(
            ProductType.id, ProductType.code, ProductType.closed, Attribute.code, ProductTypeAttribute.axis
        )
        .outerjoin(ProductTypeAttribute, ProductTypeAttribute.product_type_id == ProductType.id)
        .outerjoin(Attribute, Attribute.id == ProductTypeAttribute.attribute_id)
        .where(ProductType.id == sa.any_(sa.cast(list(numbers), sa.ARRAY(sa.BigInteger))))
        .where(sa.or_(ProductType.closed, ProductTypeAttribute.axis, ProductTypeAttribute.id.is_(None)))
    )
    found: dict[int, _Type] = {}
    for number, code, closed, attribute, axis in tx.execute(statement):
        kind = found.setdefault(number, _Type(code, closed=closed))
        kind.attributes.add(attribute)
        if axis:
            kind.axes.add(attribute)
    return found
