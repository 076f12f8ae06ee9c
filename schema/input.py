"""Inputs, made from the registry: one for every noun and for every table inside one.

GraphQL's form becomes the plain rows that ``hub.save`` takes: references by id, key or external id, texts by locale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, get_args

import sqlalchemy as sa
import strawberry
from strawberry.scalars import JSON
from strawberry.types.base import get_object_definition
from strawberry.utils.str_converters import to_camel_case, to_snake_case

from hub import ids, registry
from hub.db import Json
from hub.draft import shapes
from hub.errors import HubError, Invalid, Path
from hub.field import Field
from hub.registry import Part
from schema import declare
from schema import spec as specs
from schema.scalar import Long

ANY_NOUN = "*"
"""Stands for the noun of a reference whose attribute, not its place, says what it refers to."""


@strawberry.input(description="What another system calls an object.")
class ExternalIdInput:
    """What another system calls an object."""

    system: str = strawberry.field(description="The other system's name, for example erp.")
    id: str = strawberry.field(description="The object's id there.")


@strawberry.input(one_of=True, description="Names an object in one of three ways.")
class Reference:
    """Names an object in one of three ways."""

    id: strawberry.ID | None = strawberry.field(description="Its id in this hub.", default=strawberry.UNSET)
    key: str | None = strawberry.field(
        description="What people know it by: code, slug, SKU or number.", default=strawberry.UNSET
    )
    external_id: ExternalIdInput | None = strawberry.field(
        description="What another system calls it.", default=strawberry.UNSET
    )


# Commands take references as they came in: what they name is only known inside the transaction.
get_object_definition(Reference, strict=True).from_input = lambda _, raw, __: dict(raw)


@strawberry.input(description="A paper or message of another system that a movement of stock stands on.")
class StockDocumentInput:
    """A paper or message of another system that a movement of stock stands on."""

    system: str = strawberry.field(description="The other system's name, for example erp.")
    id: str = strawberry.field(description="The document's number there. Its lines move stock once each.")
    line: str | None = strawberry.field(
        description="The line, where the document has several.", default=strawberry.UNSET
    )


get_object_definition(StockDocumentInput, strict=True).from_input = lambda _, raw, __: dict(raw)


@strawberry.input(description="A text in one locale.")
class LocalizedTextInput:
    """A text in one locale."""

    locale: str = strawberry.field(description="BCP 47 tag, for example de-AT.")
    text: str | None = strawberry.field(description="The text; null removes it.", default=strawberry.UNSET)


@strawberry.input(description="An amount in a unit of measurement.")
class MeasurementInput:
    """An amount in a unit of measurement."""

    amount: Decimal = strawberry.field(description="How many of the unit.")
    unit: str = strawberry.field(description="The unit's code, for example cm.")


@strawberry.input(description="An amount of money.")
class MoneyInput:
    """An amount of money."""

    amount: Decimal = strawberry.field(description="With no more decimals than the currency has.")
    currency: str = strawberry.field(description="ISO 4217 code, for example EUR.")


@strawberry.input(one_of=True, description="An attribute's value; the field that fits the attribute's type.")
class AttributeContentInput:
    """An attribute's value."""

    text: str | None = strawberry.field(description="For text and rich_text.", default=strawberry.UNSET)
    integer: Long | None = strawberry.field(description="For integer.", default=strawberry.UNSET)
    decimal: Decimal | None = strawberry.field(description="For decimal.", default=strawberry.UNSET)
    boolean: bool | None = strawberry.field(description="For boolean.", default=strawberry.UNSET)
    day: date | None = strawberry.field(name="date", description="For date.", default=strawberry.UNSET)
    date_time: datetime | None = strawberry.field(description="For datetime.", default=strawberry.UNSET)
    choice: str | None = strawberry.field(
        description="For choice: an option's code.", default=strawberry.UNSET
    )
    choices: list[str] | None = strawberry.field(
        description="For choices: the options' codes.", default=strawberry.UNSET
    )
    measurement: MeasurementInput | None = strawberry.field(
        description="For measurement.", default=strawberry.UNSET
    )
    money: MoneyInput | None = strawberry.field(description="For money.", default=strawberry.UNSET)
    reference: Reference | None = strawberry.field(
        description="For reference: a product or an asset.", default=strawberry.UNSET
    )
    table: list[JSON] | None = strawberry.field(
        description="For table: its rows, each an object by column code.", default=strawberry.UNSET
    )
    not_applicable: bool | None = strawberry.field(
        description="True: the attribute does not apply, which is not the same as unknown.",
        default=strawberry.UNSET,
    )


@strawberry.input(description="One value of an attribute.")
class AttributeValueInput:
    """One value of an attribute."""

    code: str = strawberry.field(description="The attribute's code.")
    channel: str | None = strawberry.field(
        description="A channel's code, for an attribute kept per channel; left out: for all channels.",
        default=strawberry.UNSET,
    )
    locale: str | None = strawberry.field(
        description="BCP 47 tag, for an attribute kept per locale.", default=strawberry.UNSET
    )
    value: AttributeContentInput | None = strawberry.field(
        description="The value; null removes it.", default=strawberry.UNSET
    )


@strawberry.input(description="The value of one axis: what tells a variant from its siblings.")
class AxisValueInput:
    """The value of one axis."""

    code: str = strawberry.field(description="The axis attribute's code.")
    value: AttributeContentInput | None = strawberry.field(
        description="The value; null removes it.", default=strawberry.UNSET
    )


@dataclass(frozen=True)
class Given:
    """One input as it came in; ``row`` brings it into the form of ``hub.save``."""

    part: Part
    raw: Mapping[str, Any]

    def row(self) -> tuple[Json, list[HubError]]:
        """The row, and what of it could not be read."""
        errors: list[HubError] = []
        return _row(self.part, self.raw, (), errors), errors


@dataclass(frozen=True)
class Slot:
    """One field of an input: its type in GraphQL, its description, and how its value becomes part of a row."""

    annotation: Any
    description: str
    read: Callable[[Any, Path, list[HubError]], Any]


@cache
def slots(part: Part) -> dict[str, Slot]:
    """The fields of a part's input by the row's names."""
    found: dict[str, Slot] = {}
    if part.is_root or not part.kept.whole:
        found["id"] = Slot(strawberry.ID, f"Its id in this hub; {_named_by(part)}", _id_of(part.name))
    found |= {name: _slot(part, name, *each) for name, each in part.fields().items()}
    for child in collections(part):
        found[child.kept.collection or ""] = _list_slot(child)
    for name, condition in shapes()[part.name].conditions.items():
        found[name] = Slot(Long, condition.says, _as_is)
    if (not part.is_root and not part.kept.whole) or part.name == "external_id":
        found["remove"] = Slot(bool, "True takes this entry away.", _as_is)
    return found


def collections(part: Part) -> list[Part]:
    """The tables whose rows the input of a part holds."""
    named = [registry.part("external_id")] if part.is_root or part.kept.key else []
    return [*registry.children(part), *named]


@cache
def of(part: Part) -> type[Any]:
    """The GraphQL input of a part: ``ProductInput`` for product, ``VariantInput`` for variant."""
    namespace: dict[str, Any] = {"__annotations__": {}, "__doc__": part.model.__doc__, "__module__": __name__}
    for name, slot in slots(part).items():
        namespace["__annotations__"][name] = slot.annotation | None
        namespace[name] = strawberry.field(description=slot.description, default=strawberry.UNSET)
    title = "ExternalIdEntryInput" if part.name == "external_id" else f"{part.model.__name__}Input"
    made = strawberry.input(type(title, (), namespace), description=_summary(part))
    get_object_definition(made, strict=True).from_input = lambda _, raw, __: Given(part, raw)
    return made


def reference(raw: Mapping[str, Any], noun: str, path: Path = ()) -> Json:
    """A reference in the form of ``hub.save``. Raises ``Invalid`` for an id that is not one of the noun."""
    how, named = next(iter(raw.items()))
    if how == "externalId":
        return {"external_id": dict(named)}
    if how == "key":
        return {"key": named}
    number = local_id(named, noun, (*path, "id"))
    return {"id": number, "type": ids.decode(named)[0]} if noun == ANY_NOUN else {"id": number}


def local_id(global_id: str, noun: str, path: Path = ("id",)) -> int:
    """The number behind a global id. Raises ``Invalid`` for an id of another noun, or of no hub."""
    try:
        kind, number = ids.decode(global_id)
    except ValueError as wrong:
        raise Invalid(str(wrong), path) from wrong
    if noun not in (kind, ANY_NOUN):
        raise Invalid(f'"{global_id}" is the id of a {kind}: give the id of a {noun}.', path)
    return number


def _row(part: Part, raw: Mapping[str, Any], path: Path, errors: list[HubError]) -> Json:
    fields = slots(part)
    row: Json = {}
    for outside, value in raw.items():
        name = to_snake_case(outside)
        try:
            row[name] = value if value is None else fields[name].read(value, (*path, name), errors)
        except HubError as wrong:
            errors.append(wrong)
    return row


def _slot(part: Part, name: str, column: sa.Column[Any], declared: Field) -> Slot:
    description = _description(part, name, column, declared)
    if declared.refers is not None:
        noun = declared.refers
        return Slot(Reference, description, lambda raw, path, _: reference(raw, noun, path))
    if declared.kind in BY_KIND:
        annotation, read = BY_KIND[declared.kind]
        return Slot(annotation, description, read)
    return Slot(_plain(part, column), description, _as_is)


def _plain(part: Part, column: sa.Column[Any]) -> Any:
    """The type that the noun's own field has, without null; the column's where the noun does not show it."""
    read = declare.by_name(part.name)
    for name, spec in read.specs.items() if read else ():
        shown = read.fields[name].type_annotation if read else None
        if isinstance(spec, specs.Column) and (spec.name or name) == column.name and shown is not None:
            evaluated = shown.evaluate()
            return next((each for each in get_args(evaluated) if each is not type(None)), evaluated)
    return column.type.python_type


def _list_slot(child: Part) -> Slot:
    whole = (
        "The list replaces the whole collection." if child.kept.whole else "Only the rows named are touched."
    )
    if child.name == "external_id":
        whole = "Only the ones named are touched."

    def read(raw: Sequence[Mapping[str, Any]], path: Path, errors: list[HubError]) -> list[Json]:
        return [_row(child, each, (*path, place), errors) for place, each in enumerate(raw)]

    return Slot(list[of(child)], f"{_summary(child)} {whole}", read)  # type: ignore[misc]


def _as_is(raw: Any, _: Path, __: list[HubError]) -> Any:
    return raw.value if isinstance(raw, Enum) else raw


def _id_of(noun: str) -> Callable[[Any, Path, list[HubError]], int]:
    return lambda raw, path, _: local_id(raw, noun, path)


def _texts(raw: Sequence[Mapping[str, Any]], path: Path, _: list[HubError]) -> dict[str, str | None]:
    texts: dict[str, str | None] = {}
    for place, each in enumerate(raw):
        if each["locale"] in texts:
            raise Invalid(
                f'Locale "{each["locale"]}" is given twice: keep one of the texts.', (*path, place, "locale")
            )
        texts[each["locale"]] = each.get("text")
    return texts


def _attributes(raw: Sequence[Mapping[str, Any]], path: Path, _: list[HubError]) -> list[Json]:
    return [
        {**each, "value": _content(each.get("value"), (*path, place, "value"))}
        for place, each in enumerate(raw)
    ]


def _axes(raw: Sequence[Mapping[str, Any]], path: Path, _: list[HubError]) -> Json:
    return {
        each["code"]: _content(each.get("value"), (*path, place, "value")) for place, each in enumerate(raw)
    }


def _content(raw: Mapping[str, Any] | None, path: Path) -> Any:
    """The one value given, in the form that ``hub.attribute_value`` checks."""
    if raw is None:
        return None
    kind, value = next(iter(raw.items()))
    if kind == "notApplicable":
        return {"not_applicable": True} if value else None
    if kind == "reference":
        return reference(value, ANY_NOUN, (*path, "reference"))
    return value.isoformat() if kind == "date" else value


def _address(raw: Mapping[str, Any], _: Path, __: list[HubError]) -> Json:
    return {to_snake_case(name): value for name, value in raw.items()}


def _words(name: str) -> str:
    return f"{name.replace('_', ' ').capitalize()}."


def _address_type() -> type[Any]:
    """A postal address as it was: the fields of a customer's address, without what tells it from the others."""
    fields = registry.part("customer_address").fields()
    names = [name for name in fields if name not in ("code", "position")]
    namespace: dict[str, Any] = {"__annotations__": dict.fromkeys(names, str | None), "__module__": __name__}
    namespace |= {
        name: strawberry.field(description=_words(name), default=strawberry.UNSET) for name in names
    }
    return strawberry.input(
        type("PostalAddressInput", (), namespace), description="A postal address as it was at that moment."
    )


BY_KIND: dict[str | None, tuple[Any, Callable[[Any, Path, list[HubError]], Any]]] = {
    "texts": (list[LocalizedTextInput], _texts),
    "attributes": (list[AttributeValueInput], _attributes),
    "axes": (list[AxisValueInput], _axes),
    "rules": (JSON, _as_is),
    "address_snapshot": (_address_type(), _address),
    "document": (StockDocumentInput, _as_is),
}
"""GraphQL type and reader of the kinds that are more than one plain value."""


def _description(part: Part, name: str, column: sa.Column[Any], declared: Field) -> str:
    """What the noun's own field says of the column; its name where the noun does not show it."""
    needed = " Required when it is made." if declared.required else ""
    cleared = " Null clears it." if column.nullable else ""
    read = declare.by_name(part.name)
    said = next((spec.description for spec in _specs(read, column.name)), _words(name))
    # What null means when it is read follows a semicolon; here it means something else.
    return f"{said.partition('; null')[0].rstrip('.')}.{needed}{cleared}"


def _specs(read: declare.Noun | None, column: str) -> Iterator[specs.Spec]:
    for name, spec in read.specs.items() if read else ():
        named = getattr(spec, "name", None) or getattr(spec, "via", None) or name
        if named == column and isinstance(spec, specs.Column | specs.Text | specs.One):
            yield spec


def _summary(part: Part) -> str:
    lines = (part.model.__doc__ or "").strip().splitlines()
    return lines[0].replace("``", "") if lines else ""


def _named_by(part: Part) -> str:
    if not part.is_root:
        named = ", ".join(to_camel_case(name) for name in part.kept.match)
        return f"left out, it is found by its {named}."
    key = f"by {to_camel_case(part.kept.key)} or by an " if part.kept.key else "by an "
    return f"left out, it is found {key}external id."
