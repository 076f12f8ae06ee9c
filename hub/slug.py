"""Slugs that were: an old address answers with the object that it became."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped

from hub.db import Base


class FormerSlug(Base):
    """A slug that an object had before. The database writes it when a slug changes; a slug in use comes first.

    It goes when its object goes, or when another object of the noun takes the slug.
    """

    __tablename__ = "former_slug"
    __table_args__ = (sa.PrimaryKeyConstraint("entity", "slug"), sa.Index(None, "entity", "entity_id"))

    entity: Mapped[str]
    slug: Mapped[str]
    entity_id: Mapped[int]
