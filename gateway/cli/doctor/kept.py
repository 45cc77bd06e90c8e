"""Stores of what is left of calls: the database, the recordings, and the receiver of events.

Nothing stays of a check: what it writes to the database is rolled back, its object is deleted, and
the receiver gets no event.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gateway.agents.routing import AgentBook
from gateway.cli.doctor.check import Finding, fail, ok, skip, unreachable, warn
from gateway.errors import LinkError, SettingsError
from gateway.ops.database.address import WRITES, DatabaseAddress, database_address
from gateway.ops.recordings.object_store import ObjectMissing, RecordingObjects
from gateway.settings import Settings
from gateway.transports.tls import tls_context

if TYPE_CHECKING:
    from sqlalchemy import Connection

_CORRECT: Final = "Correct GATEWAY_DATABASE."
_DATABASE_SAYS: Final = (
    ("password authentication", "does not accept the password", _CORRECT),
    ("no password supplied", "wants a password", _CORRECT),
    ("database file is locked", "is locked by another process", "Stop what has it open."),
    ("does not exist", "has no such database or user", "Make it: createdb, createuser."),
    ("readonly", "may only be read", "Let the gateway's user write to the file and its folder."),
    ("read-only", "may only be read", "Point GATEWAY_DATABASE at the primary server."),
    (
        "permission denied",
        "may not be written by this user",
        "Grant CREATE and USAGE on the schema.",
    ),
    (
        "unable to open",
        "cannot be opened",
        "Let the gateway's user write to the file and its folder.",
    ),
    ("not a database", "is no SQLite database", _CORRECT),
)
"""Pieces of a driver's words, which are not shown: they hold addresses and users."""
_STORE_SAYS: Final = {
    "PermissionDeniedError": "Give these credentials the right to read, write, list and delete.",
    "UnauthenticatedError": "Check the credentials that the store's own tools read.",
    "NotFoundError": "Make the bucket, or correct GATEWAY_RECORDINGS.",
    "PermissionError": "Let the gateway's user write to the folder.",
}


async def database(settings: Settings) -> list[Finding]:
    """Connect, look at the migrations, and write something that is rolled back."""
    setting = settings.database.get_secret_value() if settings.database else None
    address = database_address(setting, settings.data_dir)
    name = f"database ({address.kind})"
    if address.file is not None and not address.file.exists():
        return [ok(name, "is made at the first start")]
    return [await asyncio.to_thread(_database, name, address)]


def _database(name: str, address: DatabaseAddress) -> Finding:
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - 11 MB, for this command alone

    from gateway.ops.database.address import open_engine  # noqa: PLC0415
    from gateway.ops.database.migrate import REVISIONS  # noqa: PLC0415

    engine = None
    try:
        engine = open_engine(address)
        with engine.connect().execution_options(**{WRITES: True}) as connection:
            version = _tried(connection)
    except (SQLAlchemyError, OSError) as error:
        said = str(getattr(error, "orig", error)).lower()
        for piece, what, fix in _DATABASE_SAYS:
            if piece in said:
                return fail(name, what, fix)
        fix = "Check GATEWAY_DATABASE, that the server runs, and the way to it."
        return fail(name, "cannot be reached", fix)
    finally:
        if engine is not None:
            engine.dispose()
    if version is None or version in REVISIONS[:-1]:
        return ok(name, "answers and can be written; it is migrated at the next start")
    if version != REVISIONS[-1]:
        fix = "Run the version of the gateway that migrated it, or a later one."
        return warn(name, f"was migrated by a later version ({version})", fix)
    return ok(name, "answers, is migrated, and can be written")


def _tried(connection: Connection) -> str | None:
    """Return the last migration, after a write like those of a migration and of a record."""
    from sqlalchemy import text  # noqa: PLC0415

    from gateway.ops.database.migrate import version_of  # noqa: PLC0415

    with connection.begin() as transaction:
        version = version_of(connection)
        if version is None:
            connection.execute(text("CREATE TABLE gateway_doctor (number INTEGER)"))
        else:
            named = {"name": f"doctor-{secrets.token_hex(8)}", "value": b"", "at": 0}
            columns = "(name, sealed_value, made_at) VALUES (:name, :value, :at)"
            connection.execute(text(f"INSERT INTO keys {columns}"), named)
        transaction.rollback()
    return version


async def recordings(settings: Settings, book: AgentBook) -> list[Finding]:
    """Put, get and delete a small object."""
    if settings.recordings is None and not any(one.recording for one in book.agents.values()):
        return [skip("recordings", "no agent records")]
    objects = RecordingObjects(settings.recordings_url)
    try:
        objects.open()
    except SettingsError as error:
        return [fail("recordings", str(error).rstrip("."), "Correct GATEWAY_RECORDINGS.")]
    key, content = f"doctor/{secrets.token_hex(8)}", b"gateway doctor"
    doing = "put"
    try:
        await objects.put(key, content)
        doing = "get"
        found = await objects.read(key, 0, len(content))
        doing = "delete"
        await objects.delete(key)
    except (LinkError, ObjectMissing) as error:
        reason = error.reason if isinstance(error, LinkError) else "NotFoundError"
        fix = _STORE_SAYS.get(reason, "Check GATEWAY_RECORDINGS, the store, and the way to it.")
        return [fail("recordings", f"an object cannot be {_DONE[doing]} ({reason})", fix)]
    if found != content:
        fix = "Look at what stands between the gateway and the store."
        return [fail("recordings", "an object comes back as another", fix)]
    return [ok("recordings", "an object was put, got and deleted")]


_DONE: Final = {"put": "put", "get": "got", "delete": "deleted"}


async def events(settings: Settings) -> list[Finding]:
    """Connect to the receiver of events, with TLS, and send nothing."""
    if settings.events_url is None:
        return [skip("events", "GATEWAY_EVENTS_URL is not set")]
    parts = urlsplit(settings.events_url.get_secret_value())
    name, tls = f"events {parts.hostname}", parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    context = tls_context() if tls else None
    try:
        _, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
    except OSError as error:
        return [unreachable(name, error)]
    writer.close()
    return [ok(name, "takes connections" + (", and its certificate holds" if tls else ""))]
