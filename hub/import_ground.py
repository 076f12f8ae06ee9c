"""What an import stands on: locales, price lists, channel, types, attributes and options, customers, made if missing.

What is there already is left as it is: staff may have changed a label since.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from hub import import_match, registry
from hub.attribute import Attribute, AttributeOption
from hub.channel import Channel, ChannelPriceList
from hub.db import Json
from hub.errors import Invalid
from hub.mapper import Row
from hub.mapping import AttributeMapping, ChannelMapping, Mapping
from hub.price_list import PriceList
from hub.product_type import ProductType
from hub.save import Mode, save

CHUNK = 1000


def lay(tx: sa.Connection, mapping: Mapping) -> dict[str, int]:
    """Make what the mapping declares and the hub lacks; gives how many of each noun were made.

    Raises ``Invalid`` for an attribute that exists with another type.
    """
    made = {
        "locale": _make(tx, "locale", ({"code": code} for code in (mapping.locale, mapping.names))),
        "price_list": _make(tx, "price_list", (_named(each, mapping) for each in mapping.price_lists)),
        "product_type": _make(tx, "product_type", (_named(each, mapping) for each in mapping.product_types)),
        "attribute": _attributes(tx, mapping),
    }
    if mapping.channel is not None:
        made["channel"] = _make(tx, "channel", [_channel(mapping.channel, mapping)])
        made["price list of the channel"] = _sell_by(tx, mapping.channel)
    return {noun: count for noun, count in made.items() if count}


@dataclass(slots=True)
class Needs:
    """What the rows of a batch name that may have to be made first: names by code, options by attribute."""

    types: dict[str, str] = field(default_factory=dict)
    options: dict[str, set[str]] = field(default_factory=dict)
    assets: dict[str, str] = field(default_factory=dict)
    customers: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Needs:
        """All that the rows name."""
        needs = cls()
        for row in rows:
            for kind, code, what in row.needs:
                if kind == "customer":
                    needs.customers.add((what, code))
                elif kind == "option":
                    needs.options.setdefault(code, set()).update(what if isinstance(what, list) else (what,))
                else:
                    (needs.types if kind == "type" else needs.assets).setdefault(code, what)
        return needs


class Known:
    """What is known to be there, so that a batch asks only for what is new to it."""

    def __init__(self, tx: sa.Connection, mapping: Mapping) -> None:
        self._locale = mapping.locale
        self._types = set(tx.execute(sa.select(ProductType.code)).scalars())
        self._options: dict[str, set[str]] = {each.code: set() for each in mapping.attributes if each.make}
        statement = (
            sa.select(Attribute.code, AttributeOption.code)
            .join(AttributeOption, AttributeOption.attribute_id == Attribute.id)
            .where(Attribute.code == sa.any_(sa.cast(list(self._options), sa.ARRAY(sa.Text))))
        )
        for attribute, option in tx.execute(statement):
            self._options[attribute].add(option)

    def missing(self, needs: Needs) -> Needs:
        """What of the needs is not known yet."""
        options = {code: found - self._options[code] for code, found in needs.options.items()}
        return Needs(
            types={code: name for code, name in needs.types.items() if code not in self._types},
            options={code: found for code, found in options.items() if found},
            assets=needs.assets,
            customers=needs.customers,
        )

    def make(self, tx: sa.Connection, needs: Needs) -> None:
        """Make them."""
        _make(
            tx,
            "product_type",
            ({"code": code, "name": {self._locale: name}} for code, name in sorted(needs.types.items())),
        )
        _save(
            tx,
            "attribute",
            [{"code": code, "options": self._listed(found)} for code, found in sorted(needs.options.items())],
            Mode.UPDATE,
        )
        _make(
            tx,
            "asset",
            ({"code": code, "address": address} for code, address in sorted(needs.assets.items())),
        )

        self._make_customers(tx, needs.customers)

    def _make_customers(self, tx: sa.Connection, wanted: set[tuple[str, str]]) -> None:
        """Create those that no system's id leads to. Raises ``Duplicate`` where another import makes one at the same moment."""
        for system in {system for system, _ in wanted}:
            ids = sorted(value for each, value in wanted if each == system)
            known = import_match.found(tx, "customer", f"external_ids.{system}", ids)
            rows = [
                {"external_ids": [{"system": system, "id": value}]} for value in ids if value not in known
            ]
            _save(tx, "customer", rows, Mode.CREATE)

    def learn(self, needs: Needs) -> None:
        """Remember them, once their transaction has committed."""
        self._types |= needs.types.keys()
        for code, found in needs.options.items():
            self._options[code] |= found

    def _listed(self, codes: Iterable[str]) -> list[Json]:
        return [{"code": code, "name": {self._locale: code}} for code in sorted(codes)]


def _make(tx: sa.Connection, noun: str, rows: Iterable[Json]) -> int:
    """Create those whose code the hub does not have."""
    wanted = {row["code"]: row for row in rows}
    table = registry.part(noun).table
    codes = sa.cast(list(wanted), sa.ARRAY(sa.Text))
    there = set(tx.execute(sa.select(table.c.code).where(table.c.code == sa.any_(codes))).scalars())
    missing = [row for code, row in wanted.items() if code not in there]
    _save(tx, noun, missing, Mode.CREATE)
    return len(missing)


def _save(tx: sa.Connection, noun: str, rows: Sequence[Json], mode: Mode) -> None:
    for start in range(0, len(rows), CHUNK):
        for result in save(tx, noun, rows[start : start + CHUNK], mode=mode):
            for error in result.errors:
                raise error


def _named(given: Json, mapping: Mapping) -> Json:
    return given | {"name": {mapping.names: given.get("name", given["code"])}}


def _sell_by(tx: sa.Connection, channel: ChannelMapping) -> int:
    """Let a channel that was there before sell by the file's price lists too, after its own; gives how many it lacked.

    Without it the file's products would be on offer there without their prices. A list in another currency stays out.
    """
    prices = (
        sa.select(PriceList.code)
        .join(ChannelPriceList, ChannelPriceList.price_list_id == PriceList.id)
        .join(Channel, Channel.id == ChannelPriceList.channel_id)
        .where(Channel.code == channel.code)
        .order_by(ChannelPriceList.position, ChannelPriceList.id)
    )
    own = list(tx.execute(prices).scalars())
    fitting = (
        sa.select(PriceList.code)
        .join(Channel, Channel.currency == PriceList.currency)
        .where(
            Channel.code == channel.code, PriceList.code.in_(channel.price_lists), PriceList.code.not_in(own)
        )
    )
    lacking = list(tx.execute(fitting).scalars())
    if lacking:
        lists = [{"price_list": {"key": code}} for code in (*own, *lacking)]
        _save(tx, "channel", [{"code": channel.code, "price_lists": lists}], Mode.UPDATE)
    return len(lacking)


def _channel(channel: ChannelMapping, mapping: Mapping) -> Json:
    return {
        "code": channel.code,
        "name": {mapping.names: channel.name or channel.code},
        "currency": channel.currency,
        "locales": [{"locale": {"key": mapping.locale}}],
        "price_lists": [{"price_list": {"key": code}} for code in channel.price_lists],
    }


def _attributes(tx: sa.Connection, mapping: Mapping) -> int:
    codes = sa.cast([each.code for each in mapping.attributes], sa.ARRAY(sa.Text))
    statement = sa.select(Attribute.code, Attribute.type, Attribute.unit_family, Attribute.localizable).where(
        Attribute.code == sa.any_(codes)
    )
    there = {code: tuple(shape) for code, *shape in tx.execute(statement)}
    for each in mapping.attributes:
        if each.code in there:
            _compare(each, there[each.code], mapping)
    return _make(tx, "attribute", (each.definition(mapping.names) for each in mapping.attributes))


def _compare(each: AttributeMapping, there: tuple[object, ...], mapping: Mapping) -> None:
    definition = each.definition(mapping.names)
    wanted = (each.type, definition.get("unit_family"), each.localizable)
    if there != wanted:
        shape, other = (" ".join(str(part) for part in parts if part) for parts in (there, wanted))
        raise Invalid(
            f'Attribute "{each.code}" is {shape} in the hub, and {other} in mapping "{mapping.name}":'
            " give it another code in the mapping, or the same type."
        )
