"""Mappings: how the records of a file become products, customers or orders, as data.

A mapping is a YAML file that keeps to ``mappings/mapping.schema.json``. The hub ships some by name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import orjson
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from hub import unit, value
from hub.db import Json
from hub.errors import HubError, Invalid, NotFound
from hub.import_target import TARGETS, Target
from hub.reading import Format

SHIPPED = Path(__file__).parent / "mappings"
SCHEMA = SHIPPED / "mapping.schema.json"

Refuse = Literal["record", "value"]


@dataclass(frozen=True)
class FieldMapping:
    """One field of what a record becomes. ``source`` names fields of the record, several for a template."""

    to: str
    source: tuple[str, ...] = ()
    transforms: tuple[Any, ...] = ()
    required: bool = False
    default: Any = None
    make: bool = False
    code: tuple[Any, ...] = ()
    refuse: Refuse = "record"


@dataclass(frozen=True)
class AttributeMapping:
    """One attribute: its definition, made if missing, and the field of the record that its values come from."""

    source: str
    code: str
    type: str
    unit: str | None = None
    currency: str | None = None
    name: str | None = None
    transforms: tuple[Any, ...] = ()
    required: bool = False
    localizable: bool = False
    searchable: bool = False
    filterable: bool = False
    facet: bool = False
    make: bool = False
    refuse: Refuse = "record"

    def definition(self, locale: str) -> Json:
        """The attribute as an input of ``hub.save``."""
        family = None if self.unit is None else unit.find(self.unit).family
        flags = ("localizable", "searchable", "filterable", "facet")
        made: Json = {"code": self.code, "type": self.type} | {name: getattr(self, name) for name in flags}
        made["name"] = {locale: self.name or self.code}
        return made if family is None else made | {"unit_family": family, "unit": self.unit}


@dataclass(frozen=True)
class ChannelMapping:
    """The channel that products are listed in or orders come from, made like this if missing."""

    code: str
    currency: str
    name: str | None = None
    price_lists: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mapping:
    """A whole mapping. ``hash`` tells two versions of it apart.

    ``locale`` is that of the texts in the file, ``names`` that of the names in the mapping itself.
    """

    name: str
    system: str
    key: str
    fields: tuple[FieldMapping, ...]
    attributes: tuple[AttributeMapping, ...] = ()
    form: Format = field(default_factory=Format)
    locale: str = "en"
    names: str = "en"
    channel: ChannelMapping | None = None
    price_lists: tuple[Json, ...] = ()
    product_types: tuple[Json, ...] = ()
    ignore: frozenset[str] = frozenset()
    refuse_unknown: bool = True
    noun: str = "product"
    repeats: Literal["refuse", "number"] = "refuse"
    hash: str = ""

    @property
    def target(self) -> Target:
        """What its records become."""
        return TARGETS[self.noun]

    def listed_in(self, channel: str | None, locale: str | None) -> Mapping:
        """The mapping with the channel and the locale that the command names, where it names them."""
        made = self if locale is None else replace(self, locale=value.locale(locale))
        if channel is None or (self.channel is not None and channel == self.channel.code):
            return made
        if self.channel is None:
            raise Invalid(
                f'Mapping "{self.name}" names no channel: describe its channel, or leave --channel out.'
            )
        code = str(value.CHECKS["code"](channel))
        return replace(made, channel=replace(self.channel, code=code, name=code))


def load(name: str) -> Mapping:
    """A shipped mapping by its name, or one by the path of its file. Raises ``NotFound`` or ``Invalid``."""
    path = SHIPPED / f"{name}.yaml" if re.fullmatch(r"[a-z0-9_-]+", name) else Path(name)
    if not path.is_file():
        raise NotFound(f'Mapping "{name}" does not exist: name a file, or one of {", ".join(shipped())}.')
    return parse(path.read_bytes(), path.name)


def shipped() -> list[str]:
    """The names of the mappings that come with the hub."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def parse(text: bytes, name: str) -> Mapping:
    """A mapping from its text. Raises ``Invalid`` naming the place that is wrong."""
    try:
        document = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders
    except (yaml.YAMLError, UnicodeDecodeError) as wrong:
        raise Invalid(f'Mapping "{name}" is not YAML: {" ".join(str(wrong).split())}.') from wrong
    validator = Draft202012Validator(orjson.loads(SCHEMA.read_bytes()))
    wrong_part = best_match(validator.iter_errors(document))
    if wrong_part is not None:
        raise _refusal(name, wrong_part)
    made = _mapping(document, hashlib.sha256(text).hexdigest())
    _check(made, name)
    return made


def _refusal(name: str, wrong: ValidationError) -> Invalid:
    place = "/".join(str(part) for part in wrong.absolute_path) or "the top"
    return Invalid(
        f'Mapping "{name}", at {place}: {wrong.message}. See mapping.schema.json.', tuple(wrong.absolute_path)
    )


def _mapping(document: Json, digest: str) -> Mapping:
    make = document.get("make", {})
    channel = document.get("channel")
    defaults = document.get("defaults", {})
    return Mapping(
        name=document["name"],
        system=document["system"],
        key=document["key"],
        fields=tuple(_field(each) for each in document["fields"]),
        attributes=tuple(
            _attribute(each, defaults.get(each["type"], {})) for each in document.get("attributes", ())
        ),
        form=Format(**document.get("format", {})),
        locale=document.get("locale", "en"),
        names=document.get("locale", "en"),
        channel=None if channel is None else ChannelMapping(**_tuples(channel)),
        price_lists=tuple(make.get("price_lists", ())),
        product_types=tuple(make.get("product_types", ())),
        ignore=frozenset(document.get("ignore", ())),
        refuse_unknown=document.get("unknown", "refuse") == "refuse",
        noun=document.get("noun", "product"),
        repeats=document.get("repeats", "refuse"),
        hash=digest,
    )


def _tuples(given: Json) -> Json:
    return {name: tuple(one) if isinstance(one, list) else one for name, one in given.items()}


def _field(given: Json) -> FieldMapping:
    made = _tuples(given)
    source = made.pop("from", ())
    return FieldMapping(source=(source,) if isinstance(source, str) else source, **made)


def _attribute(given: Json, defaults: Json) -> AttributeMapping:
    made = _tuples(defaults | given)
    return AttributeMapping(source=made.pop("from"), **made)


def _check(made: Mapping, name: str) -> None:
    """What a schema cannot say. Raises ``Invalid``."""
    value.locale(made.locale)
    _check_targets(made, name)
    if made.key not in {each.to for each in made.fields}:
        raise Invalid(f'Mapping "{name}": no field leads to its key "{made.key}".', ("key",))
    _check_once(name, (each.to for each in made.fields), "fields", "to")
    _check_once(name, (each.source for each in made.attributes), "attributes", "from")
    _check_once(name, (each.code for each in made.attributes), "attributes", "code")
    for place, each in enumerate(made.attributes):
        try:
            _check_type(each)
        except HubError as wrong:
            raise Invalid(
                f'Mapping "{name}", at attributes/{place}: {wrong.message}', ("attributes", place)
            ) from wrong


def _check_targets(made: Mapping, name: str) -> None:
    for place, each in enumerate(made.fields):
        if not made.target.fields.fullmatch(each.to):
            raise Invalid(
                f'Mapping "{name}", at fields/{place}: "{each.to}" is no target of {made.target.plural}:'
                " see docs/import.md for those that are.",
                ("fields", place, "to"),
            )
    if not made.target.keys.fullmatch(made.key):
        raise Invalid(
            f'Mapping "{name}", at key: {made.target.plural} are not found again by "{made.key}": take'
            f" {' or '.join(_keys(made.target))}.",
            ("key",),
        )
    if made.attributes and made.noun != "product":
        raise Invalid(
            f'Mapping "{name}": only products have attributes, not {made.target.plural}.', ("attributes",)
        )
    if made.noun == "order" and made.channel is None and "channel" not in {each.to for each in made.fields}:
        raise Invalid(
            f'Mapping "{name}": an order has a channel: describe it, or map a field to it.', ("channel",)
        )


def _keys(target: Target) -> list[str]:
    """The keys of a target, for people."""
    examples = ("slug", "number", "variants[].sku", "external_ids.erp")
    return [example for example in examples if target.keys.fullmatch(example)]


def _check_once(name: str, values: Iterable[str], section: str, what: str) -> None:
    seen: set[str] = set()
    for place, one in enumerate(values):
        if one in seen:
            raise Invalid(
                f'Mapping "{name}", at {section}/{place}: {what} "{one}" is named twice.', (section, place)
            )
        seen.add(one)


def _check_type(each: AttributeMapping) -> None:
    if each.unit is not None:
        unit.find(each.unit)
    if (each.type == "measurement") != (each.unit is not None):
        raise Invalid(
            f'Attribute "{each.code}" is {each.type}: a measurement names its unit, and nothing else does.'
        )
    if (each.type == "money") != (each.currency is not None):
        raise Invalid(
            f'Attribute "{each.code}" is {each.type}: money names its currency, and nothing else does.'
        )
