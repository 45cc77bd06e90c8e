"""GATEWAY_DATABASE, and the engine that it stands for."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.ops.database.address import WRITES, database_address, open_engine
from gateway.settings import Settings, load_settings


@pytest.mark.parametrize(
    ("setting", "kind", "file"),
    [
        (None, "sqlite", "data/gateway.sqlite3"),
        ("sqlite:///records.db", "sqlite", "records.db"),
        ("sqlite:////var/lib/records.db", "sqlite", "/var/lib/records.db"),
        ("postgresql://me:pw@db.example:5432/gateway", "postgresql", None),
        ("postgres://db/gateway?sslmode=require", "postgresql", None),
    ],
)
def test_the_setting_names_a_database(setting: str | None, kind: str, file: str | None) -> None:
    address = database_address(setting, Path("data"))
    assert (address.kind, address.file) == (kind, Path(file) if file else None)
    if file is None:
        assert address.url.startswith("postgresql+psycopg://")


def load(value: str) -> Settings:
    return load_settings({"GATEWAY_DATABASE": value}, simulated=True)


@pytest.mark.parametrize("value", ["mysql://x/y", "sqlite://", "postgresql://", "records.db"])
def test_any_other_is_refused(value: str) -> None:
    with pytest.raises(Exception, match="GATEWAY_DATABASE must be sqlite:///PATH or postgresql"):
        load(value)


def test_a_password_is_not_shown() -> None:
    assert "hunter2" not in repr(load("postgresql://me:hunter2@db/gateway"))


def test_the_file_and_its_folder_are_only_ours(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "deep"
    address = database_address(None, folder)
    engine = open_engine(address)
    connection = engine.connect().execution_options(**{WRITES: True})
    with connection, connection.begin():
        connection.execute(text("CREATE TABLE one (id INTEGER)"))
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    engine.dispose()
    assert len(modes) == 3, "the write-ahead log has two files of its own"
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
