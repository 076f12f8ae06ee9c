"""The headers that an endpoint wants sent with its deliveries: a key of a gateway, the name of a tenant.

They may hold credentials: their values are sealed like secrets, and only their names are ever shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hub.errors import Duplicate, Invalid, Limit, Required

MOST = 20
LONGEST = 4_000
"""Characters of a value."""

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
VALUE = re.compile(r"[\x20-\x7e\xa0-\xff]*")
"""What RFC 9110 takes for a field's name and value."""

FORBIDDEN = frozenset(
    {
        *(
            "accept-encoding",
            "connection",
            "content-encoding",
            "content-length",
            "content-type",
            "expect",
            "host",
        ),
        *(
            "http2-settings",
            "keep-alive",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "user-agent",
            "via",
        ),
    }
)
"""Headers that say how the request itself is made."""

FORBIDDEN_STARTS = ("webhook-", "proxy-", "sec-")


def check(given: Sequence[Mapping[str, str | None]], stands: Mapping[str, str]) -> dict[str, str]:
    """The headers as they are sent, by lower-case name.

    ``given``: ``name`` and ``value``; a null value keeps the one that ``stands``. Raises ``hub.errors.HubError`` for
    a name or value that no request may carry.
    """
    if len(given) > MOST:
        raise Limit(f"An endpoint has at most {MOST} headers of its own, not {len(given)}.")
    found: dict[str, str] = {}
    for place, each in enumerate(given):
        name = _name(str(each["name"]), place)
        if name in found:
            raise Duplicate(f'Header "{name}" is named twice: give it once.', (place, "name"))
        value = each.get("value")
        if value is None and name not in stands:
            raise Required(f'Header "{name}" has no value yet: give one.', (place, "value"))
        found[name] = stands[name] if value is None else _value(name, value, place)
    return found


def _name(given: str, place: int) -> str:
    name = given.lower()
    if not NAME.fullmatch(name):
        raise Invalid(f'"{given[:100]}" is no name of a header: write it like x-api-key.', (place, "name"))
    if name in FORBIDDEN or name.startswith(FORBIDDEN_STARTS):
        raise Invalid(f'Header "{name}" is the hub\'s own business: leave it out.', (place, "name"))
    return name


def _value(name: str, given: str, place: int) -> str:
    if len(given) > LONGEST:
        raise Limit(
            f'The value of header "{name}" has {len(given)} characters, at most {LONGEST} are sent.',
            (place, "value"),
        )
    if not VALUE.fullmatch(given) or given != given.strip():
        raise Invalid(
            f'The value of header "{name}" holds a line feed, another control character, a character beyond Latin-1,'
            " or spaces around it: take them out.",
            (place, "value"),
        )
    return given
