"""Records of calls, and keys made by the gateway itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calls",
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("version", sa.SmallInteger, nullable=False),
        sa.Column("began_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sa.Column("delete_at", sa.BigInteger),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("path", sa.String(20), nullable=False),
        sa.Column("direction", sa.String(10), nullable=False),
        sa.Column("ending", sa.String(40), nullable=False),
        sa.Column("well", sa.Boolean, nullable=False),
        sa.Column("caller_hash", sa.String(64), nullable=False),
        sa.Column("parts", sa.Text, nullable=False),
        sa.Column("sealed_summary", sa.LargeBinary, nullable=False),
        sa.Column("sealed_record", sa.LargeBinary, nullable=False),
    )
    op.create_index("calls_by_time", "calls", ["began_at", "id"])
    for name, column in (
        ("agent", "agent"),
        ("path", "path"),
        ("ending", "ending"),
        ("caller", "caller_hash"),
    ):
        op.create_index(f"calls_by_{name}", "calls", [column, "began_at", "id"])
    op.create_index("calls_by_end", "calls", ["ended_at"])
    op.create_index("calls_by_deletion", "calls", ["delete_at"])
    op.create_table(
        "keys",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("sealed_value", sa.LargeBinary, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
    )
