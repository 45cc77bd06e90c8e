"""The certificate of the public address, looked at from outside like anybody."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from skipped_time import now_s, skipping

from gateway.ops.telemetry.certificate import address_of, expiry, watch_certificate


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key, and a certificate of its own making that holds for ten days."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "10", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", file, "-out", f"{file}.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


@asynccontextmanager
async def tls_server(pem: Path) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"


async def test_it_tells_when_the_certificate_ends(pem: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(pem))
    async with tls_server(pem) as url:
        found = await expiry(url, trusting)
    assert found is not None
    days = (found - datetime.now(UTC).timestamp()) / 86_400
    assert 9.9 < days < 10.1


async def test_one_that_nobody_would_accept_has_ended_already(pem: Path) -> None:
    async with tls_server(pem) as url:
        assert await expiry(url) == 0.0


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://gw.example.com", "gw.example.com", 443),
        ("https://gw.example.com:8443/a", "gw.example.com", 8443),
        ("https://[2001:db8::1]/", "2001:db8::1", 443),
    ],
)
def test_where_it_is_looked_at(url: str, host: str, port: int) -> None:
    assert address_of(url) == (host, port)


async def test_where_nobody_answers_nothing_is_told() -> None:
    assert await expiry("https://127.0.0.1:9") is None


async def test_without_tls_there_is_nothing_to_watch() -> None:
    async with asyncio.timeout(1):
        await watch_certificate("http://127.0.0.1:8080", lambda _: pytest.fail("told"))


def test_it_is_looked_at_after_a_minute_and_then_every_six_hours() -> None:
    """A pod that starts cannot be reached yet. What nobody can see is not told."""
    answers, told = iter([1_800_000_000.0, None, 0.0, 1.0]), list[tuple[float, float]]()
    looked: list[tuple[str, float]] = []

    async def look(url: str) -> float | None:
        looked.append((url, now_s()))
        return next(answers)

    async def watch() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(60.0 + 3 * 6 * 3600.0 - 1.0):
                await watch_certificate(
                    "https://gateway.example", lambda at: told.append((at, now_s())), look
                )

    skipping(watch())
    at_s = [60.0 + nth * 6 * 3600.0 for nth in range(3)]
    assert looked == [("https://gateway.example", at) for at in at_s]
    assert told == [(1_800_000_000.0, at_s[0]), (0.0, at_s[2])]
