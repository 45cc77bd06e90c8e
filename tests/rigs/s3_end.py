"""A real S3-compatible server (`rclone serve s3`) that checks each request's signature (SigV4).

Before it stands a proxy that passes everything on as it came, answers 503 when a test wants it, and
mends what rclone does otherwise than S3: a range is 206 there, RFC 9110, 15.3.7, and 200 in rclone.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.simulator.caller.gateway_process import free_port
from gateway.simulator.twilio.rest_api import listening

KEY_ID, SECRET = "AKIDOFTHETESTS", "a-secret-of-the-tests"
BUCKET: Final = "calls"
_BUSY: Final = (
    b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>'
)
_HOP: Final = frozenset({"connection", "transfer-encoding", "date", "server", "keep-alive"})


@dataclass
class S3End:
    """Where the server is, and what was asked of it."""

    folder: Path
    url: str = ""
    busy: int = 0
    """How many requests are still to be answered by 503."""
    asked: Counter[str] = field(default_factory=Counter)
    """Methods, and `503` for each such answer."""

    def environ(self, secret: str = SECRET) -> dict[str, str]:
        """Return the environment by the names that the vendor's own tools use."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": "us-east-1",
        }

    @property
    def objects(self) -> list[str]:
        bucket = self.folder / BUCKET
        return sorted(str(p.relative_to(bucket)) for p in bucket.rglob("*") if p.is_file())


@contextlib.asynccontextmanager
async def running_s3(folder: Path) -> AsyncIterator[S3End]:
    end = S3End(folder)
    async with rclone(folder, "--auth-key", f"{KEY_ID},{SECRET}") as (client, behind):
        app = Starlette(routes=[_route(end, client, behind)])
        async with listening(app, 0) as end.url:
            yield end


@contextlib.asynccontextmanager
async def rclone(folder: Path, *options: str) -> AsyncIterator[tuple[httpx2.AsyncClient, str]]:
    """Serve a folder's buckets; yields a client and the server's address."""
    (folder / BUCKET).mkdir(parents=True)
    behind = f"127.0.0.1:{free_port()}"
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "rclone"),
        *("serve", "s3", "--addr", behind, str(folder), *options),
        *("--config", "", "--log-level", "ERROR", "--vfs-cache-mode", "off"),
    )
    limits = httpx2.Limits(max_connections=20)
    async with httpx2.AsyncClient(
        verify=False, trust_env=False, timeout=20.0, limits=limits
    ) as client:
        try:
            await _listens(client, behind)
            yield client, behind
        finally:
            process.terminate()
            await process.wait()


async def _listens(client: httpx2.AsyncClient, address: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await client.get(f"http://{address}/")
            except httpx2.HTTPError:
                await asyncio.sleep(0.02)
            else:
                return


def _route(end: S3End, client: httpx2.AsyncClient, behind: str) -> Route:
    async def passed(request: Request) -> Response:
        body = await request.body()
        end.asked[request.method] += 1
        if end.busy:
            end.busy -= 1
            end.asked["503"] += 1
            return Response(_BUSY, 503, media_type="application/xml")
        query = request.scope["query_string"].decode()
        url = f"http://{behind}{request.scope['raw_path'].decode()}{'?' if query else ''}{query}"
        # With the host by which the client has signed.
        headers = [(k.decode(), v.decode()) for k, v in request.headers.raw if k != b"connection"]
        answer = await client.request(request.method, url, headers=headers, content=body)
        status = answer.status_code
        if status == 200 and "content-range" in answer.headers:
            status = 206
        kept = {k: v for k, v in answer.headers.items() if k not in _HOP}
        return Response(answer.content, status, kept)

    return Route("/{path:path}", passed, methods=["GET", "HEAD", "PUT", "POST", "DELETE"])
