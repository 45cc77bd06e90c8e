"""Tables as they are after the last migration; `docs/reference/database.md` describes them.

Times are microseconds since 1970, UTC. Columns named `sealed` hold bytes of `Sealer`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

metadata = MetaData()

calls = Table(
    "calls",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("version", SmallInteger, nullable=False),
    Column("began_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("delete_at", BigInteger),
    Column("agent", String(64), nullable=False),
    Column("path", String(20), nullable=False),
    Column("direction", String(10), nullable=False),
    Column("ending", String(40), nullable=False),
    Column("well", Boolean, nullable=False),
    Column("caller_hash", String(64), nullable=False),
    Column("parts", Text, nullable=False),
    Column("sealed_summary", LargeBinary, nullable=False),
    Column("sealed_record", LargeBinary, nullable=False),
    Index("calls_by_time", "began_at", "id"),
    Index("calls_by_agent", "agent", "began_at", "id"),
    Index("calls_by_path", "path", "began_at", "id"),
    Index("calls_by_ending", "ending", "began_at", "id"),
    Index("calls_by_caller", "caller_hash", "began_at", "id"),
    Index("calls_by_end", "ended_at"),
    Index("calls_by_deletion", "delete_at"),
)

keys = Table(
    "keys",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("sealed_value", LargeBinary, nullable=False),
    Column("made_at", BigInteger, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("type", String(40), nullable=False),
    Column("call_id", String(200), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("give_up_at", BigInteger, nullable=False),
    Column("leased_until", BigInteger, nullable=False),
    Column("lease", String(40)),
    Column("delivered_at", BigInteger),
    Column("last_status", SmallInteger),
    Column("last_error", String(60)),
    Column("sealed_body", LargeBinary, nullable=False),
    Index("deliveries_by_due", "state", "due_at"),
    Index("deliveries_by_call", "call_id", "state", "created_at", "id"),
    Index("deliveries_by_time", "created_at", "id"),
    Index("deliveries_by_state", "state", "created_at", "id"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("role", String(10), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", String(64), nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("who", String(64), nullable=False),
    Column("role", String(10), nullable=False),
    Column("source", String(100), nullable=False),
    Column("action", String(40), nullable=False),
    Column("call_id", String(200), nullable=False),
    Column("status", SmallInteger, nullable=False),
    Index("audit_by_time", "at", "id"),
    Index("audit_by_who", "who", "at", "id"),
    Index("audit_by_call", "call_id", "at", "id"),
)

forgotten = Table(
    "forgotten",
    metadata,
    Column("name_hash", String(64), primary_key=True),
    Column("forgotten_at", BigInteger, nullable=False),
    Index("forgotten_by_time", "forgotten_at"),
)

migrations = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), primary_key=True),
)

__all__ = ["audit", "calls", "deliveries", "forgotten", "keys", "metadata", "migrations", "tokens"]
