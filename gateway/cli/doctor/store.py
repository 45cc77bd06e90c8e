"""Redis, where calls are remembered across processes: asked in its own protocol (RESP)."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import unquote, urlsplit

from gateway.cli.doctor.check import Finding, fail, ok, skip, unreachable
from gateway.settings import Settings


async def redis(settings: Settings) -> list[Finding]:
    url = settings.store.get_secret_value()
    if url == "memory://":
        return [skip("Redis", "GATEWAY_STORE is memory://")]
    parts = urlsplit(url)
    name, tls = f"Redis {parts.hostname}", parts.scheme == "rediss"
    try:
        reader, writer = await asyncio.open_connection(
            parts.hostname, parts.port or 6379, ssl=ssl.create_default_context() if tls else None
        )
    except OSError as error:
        return [unreachable(name, error)]
    try:
        if parts.password:
            user = [unquote(parts.username)] if parts.username else []
            writer.write(_command("AUTH", *user, unquote(parts.password)))
            if not (await reader.readline()).startswith(b"+OK"):
                return [fail(name, "does not accept the password", "Correct GATEWAY_STORE.")]
        writer.write(_command("PING"))
        answer = (await reader.readline()).strip()
    finally:
        writer.close()
    if answer != b"+PONG":
        kind = answer[1:].split(b" ")[0].decode("ascii", "replace")[:20] or "nothing"
        return [fail(name, f"answers {kind} to a PING", "Correct GATEWAY_STORE.")]
    return [ok(name, "answers")]


def _command(*words: str) -> bytes:
    parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
    return f"*{len(words)}\r\n{''.join(parts)}".encode()
