"""Locales: the languages and regions that texts are kept in."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy.orm import Mapped

from hub.db import Base, Id, Json, written
from hub.provenance import Sourced
from hub.registry import Kept, KeptModel


class Locale(KeptModel, Sourced, Base):
    """A BCP 47 language tag that texts may be written in."""

    __tablename__ = "locale"
    __kept__: ClassVar[Kept] = Kept("locale", scope="settings", key="code", deep=("name",))

    id: Mapped[Id]
    code: Mapped[str] = written(unique=True, required=True, kind="locale")
    name: Mapped[Json] = written(server_default="{}", kind="texts")
