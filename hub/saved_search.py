"""Saved searches: what staff search for again and again, for themselves or for all of them.

They are settings of those who use them and part of nothing that the hub keeps of the shop: the feed has none of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from hub import value
from hub.db import Base, Id, Json
from hub.errors import Conflict, Duplicate, Forbidden, Invalid, Limit, NotFound, Required
from hub.viewer import Viewer

NOUN = "saved_search"
"""What its ids say it is."""

MOST = 500
"""Saved searches of one owner."""

LONGEST_NAME = 200

FIELDS = ("name", "shared", "channel_id", "locale", "query", "filter", "sort")
"""The columns that are given."""


class SavedSearch(Base):
    """A search under a name. ``owner``: the system of the token that saved it; ``shared``: whether others see it too.

    ``filter`` and ``sort`` have the form of the API's inputs. Null: without one; the channel and locale of whoever runs it.
    """

    __tablename__ = "saved_search"
    __table_args__ = (sa.UniqueConstraint("owner", "name"),)

    id: Mapped[Id]
    owner: Mapped[str]
    name: Mapped[str]
    shared: Mapped[bool] = mapped_column(server_default="false")
    channel_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("channel.id", ondelete="CASCADE"), index=True
    )
    locale: Mapped[str | None]
    query: Mapped[str | None]
    filter: Mapped[Json | None]
    sort: Mapped[Json | None]
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    updated_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())


def require(viewer: Viewer, verb: Any) -> None:
    """Raises ``Forbidden`` for a token that saved searches are closed to."""
    if not viewer.sees_unlisted:
        raise Forbidden("Saved searches are for staff and apps.")
    viewer.require("search", verb)


def seen(viewer: Viewer) -> sa.ColumnElement[bool]:
    """Those that a viewer sees: their own, and those that are shared."""
    return sa.or_(SavedSearch.owner == viewer.system, SavedSearch.shared)


def create(tx: sa.Connection, viewer: Viewer, given: Json) -> int:
    """Save a search; gives its id. Raises ``Required``, ``Invalid``, ``Duplicate`` or ``Limit``."""
    if given.get("name") is None:
        raise Required("A saved search needs a name.", ("name",))
    own = sa.select(sa.func.count()).where(SavedSearch.owner == viewer.system)
    if tx.execute(own.select_from(SavedSearch)).scalar_one() >= MOST:
        raise Limit(f'"{viewer.system}" has {MOST} saved searches already: delete some.')
    row = _checked(given) | {"owner": viewer.system}
    _check_free(tx, viewer.system, row["name"])
    return int(tx.execute(sa.insert(SavedSearch).values(row).returning(SavedSearch.id)).scalar_one())


def update(
    tx: sa.Connection, viewer: Viewer, number: int, given: Json, if_version: int | None = None
) -> None:
    """Change what is given. Raises ``NotFound``, ``Conflict``, and what ``create`` does."""
    row = _locked(tx, viewer, number)
    if if_version is not None and row["version"] != if_version:
        raise Conflict(
            f'Saved search "{row["name"]}" is at version {row["version"]}, not {if_version}: read it again and retry.',
            ("if_version",),
            row["version"],
        )
    changed = {name: each for name, each in _checked(given).items() if each != row[name]}
    if not changed:
        return
    if "name" in changed:
        _check_free(tx, row["owner"], changed["name"])
    changed |= {"version": row["version"] + 1, "updated_at": sa.func.now()}
    tx.execute(sa.update(SavedSearch).where(SavedSearch.id == number).values(changed))


def delete(tx: sa.Connection, viewer: Viewer, number: int) -> None:
    """Forget it. Raises ``NotFound``."""
    _locked(tx, viewer, number)
    tx.execute(sa.delete(SavedSearch).where(SavedSearch.id == number))


def _locked(tx: sa.Connection, viewer: Viewer, number: int) -> Any:
    statement = sa.select(SavedSearch.__table__).where(SavedSearch.id == number, seen(viewer))
    found = tx.execute(statement.with_for_update()).mappings().first()
    if found is None:
        raise NotFound(
            "There is no saved search of that id: savedSearches lists those that you see.", ("id",)
        )
    return found


def _checked(given: Json) -> Json:
    """The columns that are given, as they are kept."""
    row = {name: given[name] for name in FIELDS if name in given}
    if "name" in row:
        row["name"] = _name(row["name"])
    if "shared" in row and row["shared"] is None:
        raise Invalid("shared is null: give true or false.", ("shared",))
    if row.get("locale") is not None:
        row["locale"] = value.locale(row["locale"])
    return row


def _name(given: str | None) -> str:
    if given is None or not given.strip():
        raise Invalid("A saved search cannot be without a name.", ("name",))
    if len(given) > LONGEST_NAME:
        raise Limit(f"The name has {len(given)} characters: at most {LONGEST_NAME} are kept.", ("name",))
    return given.strip()


def _check_free(tx: sa.Connection, owner: str, name: str) -> None:
    taken = sa.select(SavedSearch.id).where(SavedSearch.owner == owner, SavedSearch.name == name)
    if tx.execute(taken).first() is not None:
        raise Duplicate(
            f'"{owner}" has a saved search "{name}" already: change that one, or take another name.',
            ("name",),
        )
