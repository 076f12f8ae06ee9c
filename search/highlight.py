"""Highlights: where a text says what was searched, as HTML that is safe to show."""

from __future__ import annotations

from html import escape

from search import analysis
from search.wanted import Text

OPEN, CLOSE = "<mark>", "</mark>"
LONGEST = 300
"""Characters of a longer text that are shown around its first match."""

BEFORE = 60
"""Characters before the first match that are shown."""


def highlighted(text: str, sought: Text, *, longest: int = LONGEST) -> str | None:
    """The text with every match marked, everything else escaped; a long one is cut. Null where nothing matches."""
    spans = _spans(text, sought)
    if not spans:
        return None
    start = max(spans[0][0] - BEFORE, 0) if len(text) > longest else 0
    end = min(start + longest, len(text))
    parts, at = ["…" if start else ""], start
    for first, last in spans:
        if last <= end:
            parts += [escape(text[at:first]), OPEN, escape(text[first:last]), CLOSE]
            at = last
    return "".join([*parts, escape(text[at:end]), "…" if end < len(text) else ""])


def _spans(text: str, sought: Text) -> list[tuple[int, int]]:
    """Where matches stand; overlapping ones, as pairs of characters are, become one."""
    tongue = sought.tongues[0]
    terms = {analysis.term(word, tongue) for word in _words(sought)}
    spans: list[tuple[int, int]] = []
    for word in analysis.words(text):
        if analysis.term(word.text, tongue) in terms:
            if spans and word.start < spans[-1][1]:
                spans[-1] = (spans[-1][0], word.end)
            else:
                spans.append((word.start, word.end))
    return spans


def _words(sought: Text) -> set[str]:
    found = set(sought.plain)
    for wanted in sought.words:
        found.update(wanted.respelled)
        found.update(word for other in wanted.others for word in other)
    return found
