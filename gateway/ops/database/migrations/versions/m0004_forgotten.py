"""Calls and callers that were forgotten: what is written of them afterwards is dropped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "forgotten",
        sa.Column("name_hash", sa.String(64), primary_key=True),
        sa.Column("forgotten_at", sa.BigInteger, nullable=False),
    )
    op.create_index("forgotten_by_time", "forgotten", ["forgotten_at"])
