"""Events that are to be delivered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("call_id", sa.String(200), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("give_up_at", sa.BigInteger, nullable=False),
        sa.Column("leased_until", sa.BigInteger, nullable=False),
        sa.Column("lease", sa.String(40)),
        sa.Column("delivered_at", sa.BigInteger),
        sa.Column("last_status", sa.SmallInteger),
        sa.Column("last_error", sa.String(60)),
        sa.Column("sealed_body", sa.LargeBinary, nullable=False),
    )
    op.create_index("deliveries_by_due", "deliveries", ["state", "due_at"])
    op.create_index("deliveries_by_call", "deliveries", ["call_id", "state", "created_at", "id"])
    op.create_index("deliveries_by_time", "deliveries", ["created_at", "id"])
    op.create_index("deliveries_by_state", "deliveries", ["state", "created_at", "id"])
