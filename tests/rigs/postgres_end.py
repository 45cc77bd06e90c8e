"""The real PostgreSQL server, for a test's length. It refuses to run as root, which CI may be."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

_USER = "postgres"
_numbers = count(1)


@dataclass
class PostgresEnd:
    """One server; every test gets a database of its own."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    _options: dict[str, Any] = field(default_factory=dict)

    def new_database(self) -> str:
        """Return the address of an empty database."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload] # a name
        return self.url(name)

    @contextlib.contextmanager
    def small_disk(self, mib: int) -> Iterator[tuple[str, Path]]:
        """Mount a disk; yield the address of an empty database on it, and its folder."""
        folder, name = self.folder / f"small-{next(_numbers)}", f"small_{next(_numbers)}"
        folder.mkdir()
        options = f"size={mib}m,mode=700,uid={pwd.getpwnam(_USER).pw_uid}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
        try:
            with psycopg.connect(self.url("postgres"), autocommit=True) as admin:
                admin.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'".encode())
                admin.execute(f"CREATE DATABASE {name} TABLESPACE {name}".encode())
                yield self.url(name), folder
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
                admin.execute(f"DROP TABLESPACE {name}".encode())
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)

    def url(self, database: str) -> str:
        return f"postgresql://{_USER}:secret@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(_program("postgres"), "-D", str(self.folder / "data")),
                    *("-p", str(self.port), "-c", "listen_addresses=127.0.0.1"),
                    *("-c", f"unix_socket_directories={self.folder}", "-c", "fsync=off"),
                    *("-c", "shared_buffers=16MB", "-c", "max_connections=40"),
                ],
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                **self._options,
            )
        while True:  # the connection waits, the server says nothing when it is ready
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "log").read_text()

    def stop(self) -> None:
        """At once, as when its machine is gone."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)
            self.process = None


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresEnd]:
    folder = Path(tempfile.mkdtemp(prefix="gateway-pg-"))
    options: dict[str, Any] = {}
    if os.geteuid() == 0:
        who = pwd.getpwnam(_USER)
        os.chown(folder, who.pw_uid, who.pw_gid)
        options = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
    password = folder / "password"
    password.write_text("secret")
    password.chmod(0o644)
    subprocess.run(
        [
            *(_program("initdb"), "-D", str(folder / "data"), "-U", _USER, "-A", "scram-sha-256"),
            *("--pwfile", str(password), "--no-sync", "-E", "UTF8", "--locale", "C"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        **options,
    )
    end = PostgresEnd(folder, _free_port(), _options=options)
    end.start()
    try:
        yield end
    finally:
        end.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found is not None, "install postgresql (apt-get install postgresql)"
    return found


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
