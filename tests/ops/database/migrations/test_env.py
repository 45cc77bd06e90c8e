"""Alembic runs on the connection that it is given, in the transaction of that."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect

FOLDER = Path(__file__).parents[4] / "gateway/ops/database/migrations"


def test_it_runs_on_the_connection_given() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        assert connection.in_transaction()
        assert "alembic_version" in inspect(connection).get_table_names()
    engine.dispose()
