"""Languages: which texts are stemmed, and by the rules of which tongue.

The list is closed, so a new locale adds no field to the index: its texts go to the fields of its language, or to the
unstemmed ones.
"""

from __future__ import annotations

from functools import lru_cache

STEMMED = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}
"""Language subtag → name of the stemmer."""

WITHOUT_STOP_WORDS = frozenset({"ar", "el", "ro", "ta", "tr"})
"""Stemmed languages for which the embedded engine ships no list of words to skip."""

UNSTEMMED = "any"
"""Every text of a document as it stands: for languages without a stemmer, and for staff who name no locale."""

PAIRED = "cjk"
"""Chinese, Japanese and Korean, whose words nothing parts: they are found by pairs of characters."""

TONGUES = (*STEMMED, PAIRED, UNSTEMMED)
"""Every language that texts are kept in."""

ALIASES = {"nb": "no", "nn": "no", "zh": PAIRED, "ja": PAIRED, "ko": PAIRED}


@lru_cache(maxsize=1_000)
def of(locale: str | None) -> str:
    """The language whose rules a locale's texts follow, or ``any``."""
    if locale is None:
        return UNSTEMMED
    subtag = locale.replace("_", "-").split("-")[0].lower()
    subtag = ALIASES.get(subtag, subtag)
    return subtag if subtag in TONGUES else UNSTEMMED
