"""Texts in the shop's three languages."""

from __future__ import annotations

Texts = dict[str, str]
"""Texts by locale."""

LOCALES = ("en", "de", "fr")


def texts(en: str, de: str, fr: str) -> Texts:
    """One text in the three languages."""
    return {"en": en, "de": de, "fr": fr}


def each(make: Texts, **parts: Texts) -> Texts:
    """A sentence per language from its pattern and the parts in the same language."""
    return {
        locale: make[locale].format(**{name: part[locale] for name, part in parts.items()}) for locale in make
    }
