"""What somebody may have meant by a name that is not there, for the sentence that says so."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

OFFERED = 3
SHOWN = 5
"""Names that are told where none is close."""

LIKE = 0.6
"""How much alike two names have to be, 0 to 1: ``difflib.SequenceMatcher.ratio``."""


def hint(wanted: str, known: Iterable[tuple[str, Iterable[str]]]) -> str:
    """What there is instead, as the end of a sentence. ``known``: each name with what else it is called."""
    spoken: dict[str, str] = {}
    names: list[str] = []
    for name, others in known:
        names.append(name)
        for each in (name, *others):
            spoken.setdefault(each.casefold(), name)
    close = get_close_matches(wanted.casefold(), list(spoken), n=SHOWN, cutoff=LIKE)
    found = list(dict.fromkeys(spoken[each] for each in close))[:OFFERED]
    if found:
        return f"the closest {'is' if len(found) == 1 else 'are'} {_listed(found)}"
    return _every(names)


def _every(names: list[str]) -> str:
    if not names:
        return "there is none"
    if len(names) <= SHOWN + 1:
        return f"there {'is' if len(names) == 1 else 'are'} {_listed(names)}"
    return f"there are {_listed(names[:SHOWN])} and {len(names) - SHOWN} more"


def _listed(names: list[str]) -> str:
    return ", ".join(f'"{each}"' for each in names)
