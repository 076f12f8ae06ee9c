"""Source records: what other systems said of a person, as they said it.

A record is known by its system, its id there and its version. It is never changed and never deleted; a system that says
something new adds a version. What the hub makes of records stands elsewhere (``hub.identity``) and can be made again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub import value
from hub.db import Base, Id, Json
from hub.errors import HubError, Invalid, Limit, Required

NOUN = "source_record"
"""What its ids say it is, and what mappings call it."""

LARGEST = 64 * 1024
"""Bytes of a payload."""
MOST_IDENTIFIERS = 50
MOST_ADDRESSES = 20


class SourceRecord(Base):
    """One version of one record. ``payload``: as it came; ``fields``: what of it the hub reads, checked.

    ``observed_at``: when the system saw it so; ``received_at``: when the hub took it in. Emptied where it was erased.
    """

    __tablename__ = NOUN
    __table_args__ = (sa.UniqueConstraint("system", "external_id", "version"),)

    id: Mapped[Id]
    system: Mapped[str]
    external_id: Mapped[str]
    version: Mapped[str]
    payload: Mapped[Json] = mapped_column(JSONB)
    fields: Mapped[Json] = mapped_column(JSONB)
    observed_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    received_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    erased_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))


APPEND_ONLY = """
CREATE OR REPLACE FUNCTION rule_source_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('hub.order_way', true) IS DISTINCT FROM 'erasure' THEN
        RAISE EXCEPTION 'Record "%" of system "%" stays as it came: add a new version of it.', OLD.external_id, OLD.system
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN coalesce(NEW, OLD);
END $$;
CREATE OR REPLACE TRIGGER rule_source_record BEFORE UPDATE OR DELETE ON source_record
    FOR EACH ROW EXECUTE FUNCTION rule_source_record();
ALTER TABLE source_record ENABLE ALWAYS TRIGGER rule_source_record;
"""

_TEXTS = {
    "given_name": "line",
    "family_name": "line",
    "email": "email",
    "phone": "phone",
    "birth_date": "birth_date",
}
_ADDRESS = {
    **dict.fromkeys(("name", "company", "street", "street2", "postal_code", "city", "region"), "line"),
    "code": "code",
    "country": "country",
    "phone": "phone",
}
_KNOWN = {*_TEXTS, "identifiers", "addresses", "system", "external_id", "version", "observed_at", "payload"}


def read(given: Json) -> Json:
    """A record ready to be stored: checked, with its version. Raises ``HubError``."""
    for name in given:
        if name not in _KNOWN:
            raise Invalid(f'"{name}" is not a field of a source record.', (name,))
    row: Json = {"fields": _fields(given)}
    for name, kind in (("system", "code"), ("external_id", "key")):
        if given.get(name) is None:
            raise Required(f"A source record needs its {name.replace('_', ' ')}.", (name,))
        row[name] = _checked(kind, given[name], name)
    row["payload"] = given.get("payload") if given.get("payload") is not None else row["fields"]
    if not isinstance(row["payload"], dict):
        raise Invalid("The payload is not an object: give the record as it came.", ("payload",))
    written = orjson.dumps([row["payload"], row["fields"]], option=orjson.OPT_SORT_KEYS)
    if len(written) > LARGEST:
        raise Limit(f"The record has {len(written)} bytes: at most {LARGEST} are kept.", ("payload",))
    row["version"] = _checked("line", given.get("version") or sha256(written).hexdigest()[:32], "version")
    row["observed_at"] = _observed(given.get("observed_at"))
    return row


def _observed(given: Any) -> datetime:
    now = datetime.now(UTC)
    if given is None:
        return now
    moment: datetime = _checked("moment", given, "observed_at")
    if moment > now:
        raise Invalid(f"The record was observed at {moment.isoformat()}, which is to come.", ("observed_at",))
    return moment


def _fields(given: Json) -> Json:
    """What is read of the person, without what is unknown."""
    found = {
        name: _checked(kind, given[name], name)
        for name, kind in _TEXTS.items()
        if given.get(name) is not None
    }
    for name, most, check in (
        ("identifiers", MOST_IDENTIFIERS, _identifier),
        ("addresses", MOST_ADDRESSES, _address),
    ):
        rows = given.get(name) or []
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Invalid(f"{name} is not a list.", (name,))
        if len(rows) > most:
            raise Limit(f"{name} has {len(rows)} entries: a record has at most {most}.", (name,))
        if rows:
            found[name] = [check(row, name, place) for place, row in enumerate(rows)]
    return found


def _identifier(row: Json, name: str, place: int) -> Json:
    for field in ("type", "value"):
        if not row.get(field):
            raise Required(f"An identifier needs its {field}.", (name, place, field))
    type_ = row["type"]
    kind = type_ if type_ in ("email", "phone") else "line"
    return {
        "type": _checked("code", type_, name, place, "type"),
        "value": _checked(kind, row["value"], name, place, "value"),
        "verified": bool(row.get("verified")),
    }


def _address(row: Json, name: str, place: int) -> Json:
    found = {"code": "home" if place == 0 else f"address-{place + 1}"}
    for field, given in row.items():
        if field not in _ADDRESS:
            raise Invalid(f'"{field}" is not a field of an address.', (name, place, field))
        if given is not None:
            found[field] = _checked(_ADDRESS[field], given, name, place, field)
    return found


def _checked(kind: str, given: Any, *path: str | int) -> Any:
    try:
        return value.CHECKS[kind](given)
    except HubError as wrong:
        raise wrong.under(*path) from None


def name_of(system: str, external_id: str) -> str:
    """What a record is called wherever it is spoken of. A system's name has no space."""
    return f"{system} {external_id}"
