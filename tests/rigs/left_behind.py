"""Everything that a rehearsed gateway leaves: files, logs, what it delivered, and its Redis."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
from redis.asyncio import Redis


@contextlib.asynccontextmanager
async def receiver(bodies: list[bytes]) -> AsyncIterator[str]:
    """Where events are delivered: takes every one of them."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                )
                bodies.append(await reader.readexactly(length))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/events"


async def redis_dump(port: int) -> bytes:
    """Return every key of the Redis server and what stands under it, also as it is decoded."""
    client = Redis(host="127.0.0.1", port=port)
    found: list[bytes] = []
    async for key in client.scan_iter("*"):
        text = await client.type(key) == b"string"
        value = await (client.get(key) if text else client.dump(key))
        found += [key, value or b""]
        with contextlib.suppress(binascii.Error):  # states of calls are written so
            found.append(base64.b64decode(value or b"", validate=True))
    await client.aclose()
    return b"\n".join(found)


@contextlib.asynccontextmanager
async def redis_watched(port: int) -> AsyncIterator[list[bytes]]:
    """Look at all of a Redis server several times a second: what a call has there is deleted."""
    seen: list[bytes] = []
    over = asyncio.Event()

    async def look() -> None:
        while not over.is_set():
            seen.append(await redis_dump(port))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 0.2)

    task = asyncio.create_task(look())
    try:
        yield seen
    finally:
        over.set()
        await task


def files_of(out: Path) -> dict[str, bytes]:
    """Return the files of a spawned gateway, by their names below `out`."""
    places = (*(out / "data").rglob("*"), out / "gateway.log")
    return {str(file.relative_to(out)): file.read_bytes() for file in places if file.is_file()}


async def last_metrics(log: Path) -> bytes:
    """Return what a spawned gateway says last at `/metrics`; runs until it has ended."""
    port, text = None, b""
    async with httpx2.AsyncClient(verify=False, trust_env=False) as client:
        while port is None:
            await asyncio.sleep(0.2)
            port = _port_in(log)
        while True:
            try:
                text = (await client.get(f"http://127.0.0.1:{port}/metrics")).content
            except httpx2.HTTPError:
                if text:
                    return text
            await asyncio.sleep(0.2)


def _port_in(log: Path) -> int | None:
    found = re.search(rb"127\.0\.0\.1:(\d+)", log.read_bytes()) if log.is_file() else None
    return None if found is None else int(found[1])
