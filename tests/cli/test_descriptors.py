"""A process that has no descriptors left, by the system's own limit."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from gateway_calls import TOKEN, Carrier, new_sid
from running_gateway import ACCOUNT, API_KEY, NOWHERE, PUBLIC_URL

from gateway.simulator.caller.gateway_process import free_port

DESCRIPTORS = 96
CONNECTIONS = 4 * DESCRIPTORS
PATIENCE_S = 30.0
SERVE = "import sys; sys.argv = ['gateway', 'serve']; from gateway.cli.main import run; run()"


@contextlib.asynccontextmanager
async def served(folder: Path, port: int) -> AsyncIterator[Path]:
    """`gateway serve` with so many descriptors; yields its log once calls can come."""
    log = folder / "log"
    environ = {
        "OPENAI_API_KEY": API_KEY,
        "OPENAI_BASE_URL": NOWHERE,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": TOKEN,
        "TWILIO_BASE_URL": NOWHERE,
        "GATEWAY_PUBLIC_URL": PUBLIC_URL,
        "GATEWAY_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "GATEWAY_DATA_DIR": str(folder / "data"),
        "GATEWAY_DRAIN_SECONDS": "0",
        "GATEWAY_LOG_FORMAT": "json",
        "PYTHONPATH": ":".join(sys.path),
    }
    limited = f'ulimit -n {DESCRIPTORS}; exec "$0" -c "$1"'
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", limited, sys.executable, SERVE, env=environ, stdout=out, stderr=out
        )
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not _logged(log, "ready_for_calls"):
                    assert process.returncode is None, log.read_text("utf-8")
                    await asyncio.sleep(0.05)  # nobody tells: it is another process
            yield log
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


def _logged(log: Path, event: str) -> list[dict[str, object]]:
    lines = log.read_text("utf-8").splitlines()
    parsed = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in parsed if line["event"] == event]


@contextlib.contextmanager
def strangers(port: int) -> Iterator[None]:
    """As many connections at once as no descriptors are left for, each without a request."""
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        yield


async def ring(port: int) -> int | None:
    """The status of a caller's webhook; None for a connection that was closed at once."""
    url = f"http://127.0.0.1:{port}"
    async with httpx2.AsyncClient(
        verify=False, base_url=url, trust_env=False, timeout=PATIENCE_S
    ) as client:
        try:
            return (await Carrier(client, PUBLIC_URL, ACCOUNT).ring(new_sid("CA"))).status_code
        except (httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.ConnectError):
            return None


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted on Linux only")
async def test_new_calls_do_not_fail_silently_and_come_again(tmp_path: Path) -> None:
    """Twilio takes a 503, and a connection that is closed, to the number's fallback."""
    port = free_port()
    async with served(tmp_path, port) as log:
        with strangers(port):
            answers = [await ring(port) for _ in range(8)]
            assert set(answers) <= {503, None}
            (line,) = _logged(log, "descriptors_exhausted")
            assert line["level"] == "error"
            assert line["limit"] == DESCRIPTORS
        async with asyncio.timeout(PATIENCE_S):
            while await ring(port) != 200:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        async with httpx2.AsyncClient(verify=False, trust_env=False, timeout=PATIENCE_S) as client:
            metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        (refused,) = [
            line
            for line in metrics.splitlines()
            if line.startswith('gateway_connections_refused_total{reason="descriptors"}')
        ]
        assert float(refused.split()[-1]) > 0
