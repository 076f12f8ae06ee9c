"""Wording: which texts of a product are shown in a channel and locale, and so can be searched there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.db import Json

ALL = "*"
MARKUP = re.compile(r"<[^>]*>")
SHOWN_AS_LABELS = frozenset({"choice", "choices"})


@dataclass(frozen=True)
class Attribute:
    """An attribute, with the names of those of its options that are in use: option code → texts."""

    code: str
    type: str
    searchable: bool = True
    filterable: bool = False
    facet: bool = False
    localizable: bool = False
    options: dict[str, Json] = field(default_factory=dict)


Attributes = Mapping[str, Attribute]
"""Code → attribute."""


@dataclass(frozen=True)
class View:
    """Where and in which language a product is looked at.

    ``channel`` is the channel's code; null for staff, who see the values of all channels.
    ``locales``: those to fall back along, the wanted one first. ``*`` among them stands for values of no locale.
    """

    channel: str | None
    locales: Sequence[str]


def shown(texts: Json, view: View) -> str | None:
    """The text in the first locale that has one."""
    return next((texts[locale] for locale in view.locales if texts.get(locale)), None)


def values(leaves: Json, view: View) -> list[Any]:
    """What an attribute says in this view: one value in a channel, every channel's for staff."""
    channels = leaves if view.channel is None else (view.channel, ALL)
    found = (_first(leaves.get(channel, {}), view.locales) for channel in channels)
    said = [value for value in found if value is not None]
    return said if view.channel is None else said[:1]


def _first(by_locale: Json, locales: Sequence[str]) -> Any:
    return next((by_locale[locale] for locale in locales if by_locale.get(locale) is not None), None)


def labels(attributes: Attributes, said: Json, axes: Json, view: View) -> Iterator[str]:
    """The names of the options chosen, by attributes and by axes; the code of one without a name."""
    for attribute, leaves, axis in _held(attributes, said, axes):
        if attribute.type in SHOWN_AS_LABELS:
            chosen = _every(leaves) if view.channel is None else values(leaves, view)
            for code in _flat([*chosen, axis]):
                name = shown(attribute.options.get(code, {}), view)
                if name or ALL in view.locales:
                    yield name or code


def _held(attributes: Attributes, said: Json, axes: Json) -> Iterator[tuple[Attribute, Json, Any]]:
    """The searchable attributes that a product or variant has, with its values and its axis of each."""
    for code in (*said, *(axis for axis in axes if axis not in said)):
        if code in attributes and attributes[code].searchable:
            yield attributes[code], said.get(code, {}), axes.get(code)


def _every(leaves: Json) -> list[Any]:
    return [value for by_locale in leaves.values() for value in by_locale.values()]


def details(attributes: Attributes, said: Json, axes: Json, view: View) -> Iterator[str]:
    """The texts and numbers that the other attributes hold."""
    for attribute, leaves, axis in _held(attributes, said, axes):
        if attribute.type not in SHOWN_AS_LABELS:
            for value in (*values(leaves, view), axis if ALL in view.locales else None):
                yield from _spoken(value)


def _flat(chosen: Iterable[Any]) -> Iterator[str]:
    for value in chosen:
        if isinstance(value, list):
            yield from _flat(value)
        elif isinstance(value, str):
            yield value


def _spoken(value: Any) -> Iterator[str]:
    """The words in a stored value. What is neither text nor number says nothing that people would search."""
    match value:
        case None | bool() | {"not_applicable": True} | {"type": _, "id": _}:
            return
        case str():
            yield plain(value)
        case int() | float():
            yield str(value)
        case {"amount": amount, "unit": unit}:
            yield f"{amount} {unit}"
        case {"amount": amount, "currency": currency}:
            yield f"{amount} {currency}"
        case dict():
            for part in value.values():
                yield from _spoken(part)
        case list():
            for part in value:
                yield from _spoken(part)


def plain(text: str) -> str:
    """The text without markup; a tag parts words."""
    return MARKUP.sub(" ", text) if "<" in text else text
