"""From a record of a file to a row for ``hub.save``: a mapping, made ready once and then run for every record."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from hub import gtin
from hub.db import Json
from hub.errors import Code, HubError, Invalid, Required
from hub.mapping import AttributeMapping, FieldMapping, Mapping
from hub.transform import Step, chain
from hub.value import CHECKS, key, shown

NUL = "\N{SYMBOL FOR NULL}"
_INTEGER = re.compile(r"[-+]?[0-9]{1,15}")
_TARGET = re.compile(
    r"((?P<part>variants|lines)\[\]\.)?(?P<name>\w+)(?:\[(?P<in>[^\]]+)\])?(?:\.(?P<below>.+))?"
)


@dataclass(frozen=True)
class Refusal:
    """Something of a record that is refused. ``imported``: only this value, the rest of the record went in."""

    code: Code
    field: str | None
    value: str | None
    message: str
    imported: bool = False


Need = tuple[Literal["type", "option", "asset", "customer"], str, Any]
"""What a row names that may have to be made first: a type with its name, an option of an attribute, an address, the
id by which a system knows a customer."""


@dataclass(slots=True)
class Row:
    """What a record says, as an input of ``hub.save``. ``key`` is null where the record names none.

    ``refusals`` of values stand beside a row that is good without them; any other refuses the record.
    """

    data: Json
    key: str | None = None
    refusals: list[Refusal] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether the record may be saved."""
        return all(each.imported for each in self.refusals)


Put = Callable[[Row, Any, Json], None]


class Mapper:
    """A mapping made ready."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self._fields = [_Field(self, each) for each in mapping.fields]
        self._attributes = {each.source: _Attribute(self, each) for each in mapping.attributes}
        self._required = [each for each in mapping.attributes if each.required]
        tops = {_top(name) for each in mapping.fields for name in each.source}
        tops |= {_top(name) for name in self._attributes}
        holes = {hole for each in mapping.fields for hole in _holes(each)}
        self.known = frozenset(tops | holes | mapping.ignore)
        self.tolerant = frozenset(each.code for each in mapping.attributes if each.refuse == "value")
        self._nested = [each for name, each in self._attributes.items() if "." in name]

    def row(self, record: Json) -> Row:
        """The row of a record, with what is refused of it."""
        row = Row(self._blank())
        if self.mapping.refuse_unknown and not record.keys() <= self.known:
            self._refuse_unknown(row, record)
        for each in self._fields:
            each.take(row, record)
        attributes = self._attributes
        for name, value in record.items():
            plan = attributes.get(name)
            if plan is not None:
                plan.take(row, value, record)
        for plan in self._nested:
            if plan.mapping.source not in record and (found := look(record, plan.mapping.source)) is not None:
                plan.take(row, found, record)
        for missing in self._required:
            if look(record, missing.source) is None:
                row.refusals.append(_missing(missing.source))
        self._finish(row)
        return row

    def _blank(self) -> Json:
        part = self.mapping.target.part
        data: Json = {} if part is None else {part: [{}]}
        return data | {"attributes": []} if self._attributes else data

    def _refuse_unknown(self, row: Row, record: Json) -> None:
        for name in sorted(record.keys() - self.known):
            message = (
                f'Field {shown(name)} is not in mapping "{self.mapping.name}":'
                " map it to an attribute, or list it under ignore."
            )
            row.refusals.append(Refusal(Code.NOT_FOUND, name, _said(record[name]), message))

    def _finish(self, row: Row) -> None:
        channel, part = self.mapping.channel, self.mapping.target.part
        if channel is not None and self.mapping.noun == "product":
            row.data["listings"] = [{"channel": {"key": channel.code}}]
        if channel is not None and self.mapping.noun == "order":
            row.data.setdefault("channel", {"key": channel.code})
        if part is not None and row.data[part] == [{}]:
            del row.data[part]

    def source(self, path: tuple[str | int, ...], row: Json) -> str | None:
        """The field of the record that a path in its row came from; null where none did by itself."""
        if path[:1] == ("attributes",) and len(path) > 1 and isinstance(path[1], int):
            code = row["attributes"][path[1]]["code"]
            found = next((each.source for each in self.mapping.attributes if each.code == code), None)
            return found or self.source_of(f"attributes.{code}")
        target = _target(path, row)
        if target in ("name", "description"):
            given = [
                self._sources(target if locale == self.mapping.locale else f"{target}.{locale}")
                for locale in row[target]
            ]
            return ", ".join(name for names in given for name in names) or None
        return self.source_of(target)

    def source_of(self, target: str) -> str | None:
        """The field of the record that a target comes from; several, where a template joins them."""
        return ", ".join(self._sources(target)) or None

    def _sources(self, target: str) -> tuple[str, ...]:
        found = (
            each.source
            for each in self.mapping.fields
            if each.to == target or each.to.startswith(f"{target}.")
        )
        return next(found, ())


def look(record: Json, path: str) -> Any:
    """The value at a path: a field of that very name, else step by step into objects and lists; null if not there."""
    if path in record:
        return record[path]
    found: Any = record
    for step in path.split("."):
        if isinstance(found, list) and step.isdigit():
            found = found[int(step)] if int(step) < len(found) else None
        else:
            found = found.get(step) if isinstance(found, dict) else None
    return found


def refusal(error: HubError, source: str | None, value: Any, *, imported: bool = False) -> Refusal:
    """The refusal that an error is."""
    return Refusal(error.code, source, _said(value), error.message.replace("\0", NUL), imported)


class _Field:
    """A field mapping made ready."""

    def __init__(self, mapper: Mapper, mapping: FieldMapping) -> None:
        self.mapping = mapping
        self._mapper = mapper
        self._steps = chain(mapping.transforms)
        self._code = chain(mapping.code)
        found = _TARGET.fullmatch(mapping.to)
        assert found is not None  # the schema's pattern is narrower
        self._part: str | None = found["part"]
        self._name, self._inner, self._below = found["name"], found["in"], found["below"]
        self._is_key = mapping.to == mapper.mapping.key
        self._put: Callable[[Row, Json, Any, Json], None] = getattr(self, f"_{_kind(self._name, self._part)}")

    def take(self, row: Row, record: Json) -> None:
        sources = self.mapping.source
        if len(sources) == 1:
            raw = record.get(sources[0]) if sources[0] in record else look(record, sources[0])
            named = sources[0] in record
        else:
            parts = [look(record, name) for name in sources]
            raw, named = (None if not parts or None in parts else parts), False
        try:
            value = self._steps(raw, record) if raw is not None else None
        except HubError as wrong:
            self._refuse(row, wrong, raw)
            return
        self._take(row, value, raw, named=named)

    def _take(self, row: Row, value: Any, raw: Any, *, named: bool) -> None:
        if value is None:
            value = self.mapping.default
        if value is None:
            if self.mapping.required:
                row.refusals.append(_missing(" or ".join(self.mapping.source)))
            elif named and raw is None:
                self._clear(row)
            return
        if self._is_key:
            row.key = str(value)
        self._put(row, self._owner(row), value, raw)

    def _owner(self, row: Row) -> Json:
        """The part of the row that the field is of."""
        owner: Json = row.data if self._part is None else row.data[self._part][0]
        return owner

    def _clear(self, row: Row) -> None:
        """The record says null: so the value goes."""
        target = self._owner(row)
        if self._name == "attributes":
            target.setdefault("attributes", []).append({"code": self._below, "value": None})
        elif self._name in ("name", "description"):
            target.setdefault(self._name, {})[self._below or self._mapper.mapping.locale] = None
        elif self._name in ("categories", "collections", "assets"):
            target.setdefault(self._name, [])
        elif self._put == self._plain and self._mapper.mapping.noun != "product":
            target[self._name] = None

    def _refuse(self, row: Row, wrong: HubError, value: Any) -> None:
        source = ", ".join(self.mapping.source) or None
        row.refusals.append(refusal(wrong, source, value, imported=self.mapping.refuse == "value"))

    def _plain(self, _: Row, target: Json, value: Any, __: Any) -> None:
        target[self._name] = value

    def _count(self, _: Row, target: Json, value: Any, __: Any) -> None:
        target[self._name] = _whole(value)

    def _keyed(self, _: Row, target: Json, value: Any, __: Any) -> None:
        target[self._name] = {"key": str(value)}

    def _customer(self, row: Row, target: Json, value: Any, _: Any) -> None:
        system = (self._below or "").removeprefix("external_ids.")
        target["customer"] = {"external_id": {"system": system, "id": str(value)}}
        if self.mapping.make:
            row.needs.append(("customer", str(value), system))

    def _addresses(self, _: Row, target: Json, value: Any, __: Any) -> None:
        addresses = target.setdefault("addresses", [])
        found = next((each for each in addresses if each["code"] == self._inner), None)
        if found is None:
            found = {"code": self._inner}
            addresses.append(found)
        found[self._below] = value

    def _address(self, _: Row, target: Json, value: Any, __: Any) -> None:
        target.setdefault(self._name, {})[self._below] = value

    def _texts(self, _: Row, target: Json, value: Any, __: Any) -> None:
        target.setdefault(self._name, {})[self._below or self._mapper.mapping.locale] = value

    def _type(self, row: Row, target: Json, value: Any, raw: Any) -> None:
        try:
            target["type"] = {"key": CHECKS["code"](value)}
        except HubError as wrong:
            self._refuse(row, wrong, raw)
            return
        if self.mapping.make and raw is not None:
            row.needs.append(("type", value, str(raw).strip()))

    def _links(self, _: Row, target: Json, value: Any, __: Any) -> None:
        noun = {"categories": "category", "collections": "collection"}[self._name]
        target[self._name] = [{noun: {"key": each}} for each in _listed(value)]

    def _assets(self, row: Row, target: Json, value: Any, _: Any) -> None:
        for address in _listed(value):
            try:
                code = key(self._code(CHECKS["address"](address), {}))
            except HubError as wrong:
                self._refuse(row, wrong, address)
                continue
            if self.mapping.make:
                row.needs.append(("asset", code, address))
            target.setdefault("assets", []).append({"asset": {"key": code}, "role": self._inner})

    def _external_ids(self, _: Row, target: Json, value: Any, __: Any) -> None:
        target.setdefault("external_ids", []).append({"system": self._below, "id": str(value)})

    def _attributes(self, _: Row, target: Json, value: Any, __: Any) -> None:
        target.setdefault("attributes", []).append({"code": self._below, "value": value})

    def _axes(self, _: Row, target: Json, value: Any, __: Any) -> None:
        target.setdefault("axes", {})[self._below] = value

    def _identifiers(self, row: Row, target: Json, value: Any, _: Any) -> None:
        found = target.setdefault("identifiers", [])
        for one in dict.fromkeys(str(each) for each in _listed(value)):
            try:
                number = gtin.parse(one) if self._inner == "gtin" else one
            except HubError as wrong:
                self._refuse(row, wrong, one)
            else:
                found.append({"type": self._inner, "value": number})

    def _prices(self, _: Row, target: Json, value: Any, __: Any) -> None:
        prices = target.setdefault("prices", [])
        price = next((each for each in prices if each["price_list"]["key"] == self._inner), None)
        if price is None:
            price = {"price_list": {"key": self._inner}}
            prices.append(price)
        price[self._below or "amount"] = str(value)


class _Attribute:
    """An attribute mapping made ready."""

    def __init__(self, mapper: Mapper, mapping: AttributeMapping) -> None:
        self.mapping = mapping
        self._steps: Step | None = chain(mapping.transforms) if mapping.transforms else None
        self._shape = _SHAPES.get(mapping.type)
        self._locale = mapper.mapping.locale if mapping.localizable else None

    def take(self, row: Row, raw: Any, record: Json) -> None:
        value = raw
        try:
            if self._steps is not None and value is not None:
                value = self._steps(value, record)
            if self._shape is not None and value is not None:
                value = self._shape(value, self.mapping)
        except HubError as wrong:
            row.refusals.append(
                refusal(wrong, self.mapping.source, raw, imported=self.mapping.refuse == "value")
            )
            return
        if value is None and raw is not None:
            return
        if self.mapping.make and value is not None:
            row.needs.append(("option", self.mapping.code, value))
        one = {"code": self.mapping.code, "value": value}
        row.data["attributes"].append(one if self._locale is None else one | {"locale": self._locale})


def _integer(value: Any, _: AttributeMapping) -> Any:
    return _whole(value)


def _whole(value: Any) -> Any:
    """The whole number that a text or a float is; anything else as it came."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value.strip()) else value


def _decimal(value: Any, _: AttributeMapping) -> Any:
    """The shortest decimal that is this float: what the file says, not what the float makes of it."""
    return repr(value) if isinstance(value, float) else value


def _boolean(value: Any, _: AttributeMapping) -> Any:
    return (
        {"true": True, "false": False}.get(value.strip().lower(), value) if isinstance(value, str) else value
    )


def _measurement(value: Any, mapping: AttributeMapping) -> Any:
    if isinstance(value, dict):
        return value
    if isinstance(value, bool) or not isinstance(value, float | int | str | Decimal):
        raise Invalid(f'Attribute "{mapping.code}" (measurement): {shown(value)} is not a number.')
    return {"amount": repr(value) if isinstance(value, float) else str(value), "unit": mapping.unit}


def _money(value: Any, mapping: AttributeMapping) -> Any:
    return (
        value
        if isinstance(value, dict)
        else {"amount": _decimal(value, mapping), "currency": mapping.currency}
    )


def _choices(value: Any, _: AttributeMapping) -> Any:
    return [key(each) for each in (value if isinstance(value, list) else [value])]


def _choice(value: Any, _: AttributeMapping) -> Any:
    """An option's code is the file's own word for it: nothing that differs there becomes one here."""
    return key(value) if isinstance(value, str) and value.strip() else None


_SHAPES: dict[str, Callable[[Any, AttributeMapping], Any]] = {
    "integer": _integer,
    "decimal": _decimal,
    "boolean": _boolean,
    "measurement": _measurement,
    "money": _money,
    "choices": _choices,
    "choice": _choice,
}


_KINDS = {
    "name": "texts",
    "description": "texts",
    "categories": "links",
    "collections": "links",
    "channel": "keyed",
    "company": "keyed",
    "locale": "keyed",
    "billing_address": "address",
    "shipping_address": "address",
}
_OWN = frozenset(
    {"type", "assets", "external_ids", "attributes", "axes", "identifiers", "prices", "customer", "addresses"}
)
"""Targets that have a way of their own."""


def _kind(name: str, part: str | None) -> str:
    """By which of the methods of a field a value is put. The name of an order's line is text without a language."""
    if part == "lines":
        return "count" if name == "quantity" else "plain"
    return _KINDS.get(name, name if name in _OWN else "plain")


def _target(path: tuple[str | int, ...], row: Json) -> str:
    """The target of a mapping that a path in a row belongs to."""
    match path:
        case ("variants", int(variant), *below):
            return f"variants[].{_below(tuple(below), row['variants'][variant])}"
        case ("lines", int(line), *below):
            return f"lines[].{_below(tuple(below), row['lines'][line])}"
    return _below(path, row)


def _below(path: tuple[str | int, ...], row: Json) -> str:
    match path:
        case ("identifiers", int(place), *_):
            return f"identifiers[{row['identifiers'][place]['type']}]"
        case ("prices", int(place), *_):
            return f"prices[{row['prices'][place]['price_list']['key']}]"
        case ("addresses", int(place), *below):
            return f"addresses[{row['addresses'][place]['code']}].{'.'.join(map(str, below[:1]))}"
        case ("billing_address" | "shipping_address", str(), *_):
            return ".".join(map(str, path[:2]))
    return ".".join(map(str, path[:1]))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _missing(source: str) -> Refusal:
    error = Required(f'The record has no "{source}", which the mapping requires: give it.')
    return refusal(error, source, None)


def _said(value: Any) -> str | None:
    """A value for the record of what was refused; PostgreSQL takes no NUL."""
    return None if value is None else str(value)[:1000].replace("\0", NUL)


def _top(path: str) -> str:
    return path.split(".", maxsplit=1)[0]


def _holes(each: FieldMapping) -> set[str]:
    templates = [
        step["template"] for step in each.transforms if isinstance(step, dict) and "template" in step
    ]
    return {name for text in templates for name in re.findall(r"\{([^{}]+)\}", text)}
