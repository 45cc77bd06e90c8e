"""The real Redis server, for a test's length."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from time import monotonic

from gateway.ops.store.encryption import Encryptor
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.redis import RedisStore
from gateway.ops.store.shared import Remote, Store


@dataclass
class RedisEnd:
    port: int
    process: asyncio.subprocess.Process
    opened: list[RedisStore] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def remote(self, failures: list[int] | None = None) -> Remote:
        redis = RedisStore(self.url, Encryptor(["key"]))
        self.opened.append(redis)
        return Remote(redis, lambda: failures.append(1) if failures is not None else None)

    def store(self, failures: list[int] | None = None) -> Store:
        return Store(MemoryStore(monotonic), self.remote(failures))


@contextlib.asynccontextmanager
async def running_redis(port: int | None = None) -> AsyncIterator[RedisEnd]:
    """On a free port, or on one where there was another before."""
    binary = shutil.which("redis-server")
    assert binary is not None, "install redis-server (apt-get install redis-server)"
    port = port or _free_port()
    process = await asyncio.create_subprocess_exec(
        binary,
        "--port",
        str(port),
        "--save",
        "",
        "--bind",
        "127.0.0.1",
        stdout=asyncio.subprocess.DEVNULL,
    )
    running = RedisEnd(port, process)
    try:
        await _reachable(port)
        yield running
    finally:
        for redis in running.opened:
            await redis.close()
        if process.returncode is None:
            process.kill()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def _reachable(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
