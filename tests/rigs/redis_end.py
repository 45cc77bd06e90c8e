"""The real Redis server, for a test's length."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from redis.asyncio import Redis

from gateway import limits
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

    @contextlib.asynccontextmanager
    async def admin(self) -> AsyncIterator[Any]:
        """Yield a client that may say anything."""
        client: Any = Redis.from_url(self.url)
        yield client
        await client.aclose()

    def remote(
        self, failures: list[int] | None = None, max_s: float = limits.store.STORE_MAX_S
    ) -> Remote:
        redis = RedisStore(self.url, Encryptor(["key"]), max_s)
        self.opened.append(redis)
        return Remote(redis, lambda: failures.append(1) if failures is not None else None)

    def store(
        self, failures: list[int] | None = None, max_s: float = limits.store.STORE_MAX_S
    ) -> Store:
        return Store(MemoryStore(monotonic), self.remote(failures, max_s))


@contextlib.asynccontextmanager
async def running_redis(port: int | None = None) -> AsyncIterator[RedisEnd]:
    """On a free port, or on one where there was another before."""
    binary = shutil.which("redis-server")
    assert binary is not None, "install redis-server (apt-get install redis-server)"
    port = port or _free_port()
    folder = tempfile.mkdtemp(prefix="gateway-redis-")  # a replica writes what it is sent
    process = await asyncio.create_subprocess_exec(
        binary,
        "--port",
        str(port),
        "--save",
        "",
        "--bind",
        "127.0.0.1",
        "--dir",
        folder,
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
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class RedisName:
    """Address that leads to one server now, and to another after a failover.

    As a Service of Kubernetes does, it leads only new connections elsewhere.
    """

    to: RedisEnd
    port: int = 0
    opened: list[RedisStore] = field(default_factory=list)

    def store(self) -> Store:
        """Return the store of one more process."""
        redis = RedisStore(f"redis://127.0.0.1:{self.port}/0", Encryptor(["key"]))
        self.opened.append(redis)
        return Store(MemoryStore(monotonic), Remote(redis))

    async def lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", self.to.port)
        except OSError:
            writer.close()
            return
        async with asyncio.TaskGroup() as both:
            both.create_task(_pass_on(reader, there[1]))
            both.create_task(_pass_on(there[0], writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def redis_name(to: RedisEnd) -> AsyncIterator[RedisName]:
    name = RedisName(to)
    listener = await asyncio.start_server(name.lead, "127.0.0.1", 0)
    name.port = listener.sockets[0].getsockname()[1]
    try:
        yield name
    finally:
        for redis in name.opened:
            await redis.close()
        listener.close()


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
