"""Which system wrote a value, who, and when: stored with the value, in the row itself.

``provenance`` maps a path to ``[source, actor, time]``. ``*`` stands for the row as it was inserted; a path of its own
(``sku``, ``name/de``, ``attributes/colour/*/de``) for a value that was changed later. The database keeps it by itself
(``hub.capture``): what a statement writes there by hand is ignored.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from hub.db import Json


class Sourced:
    """Mixed into every kept table: its rows know where each of their values comes from."""

    provenance: Mapped[Json] = mapped_column(
        JSONB, nullable=False, server_default=sa.text("hub_provenance()"), sort_order=900
    )
