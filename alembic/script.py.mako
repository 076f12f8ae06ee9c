"""${message}

Waits at most 5 s for a lock and 10 min for a statement (alembic/env.py). An index on a large table is built with
CONCURRENTLY, alone in its migration, inside ``with op.get_context().autocommit_block()``.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
