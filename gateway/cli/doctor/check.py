"""Findings of checks, and running all checks at once within a time limit."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Final, Literal

import httpx2

CHECK_MAX_S: Final = 8.0
_DNS: Final = ("the host's name is not known", "Check the name, and this host's DNS.")
_TLS_FIX: Final = "Check the certificate, its chain and this clock."
Status = Literal["ok", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`fix` says what to do about a cross or a warning."""

    name: str
    status: Status
    detail: str = ""
    fix: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)


Check = Callable[[], Awaitable[Iterable[Finding]]]


def ok(name: str, detail: str = "") -> Finding:
    return Finding(name, "ok", detail)


def fail(name: str, detail: str, fix: str) -> Finding:
    return Finding(name, "fail", detail, fix)


def warn(name: str, detail: str, fix: str) -> Finding:
    return Finding(name, "warn", detail, fix)


def skip(name: str, why: str) -> Finding:
    return Finding(name, "skip", why)


async def run_all(checks: Iterable[tuple[str, Check]], max_s: float = CHECK_MAX_S) -> list[Finding]:
    """Run all checks at once; the findings are in the order of the checks."""
    found = await asyncio.gather(*(_one(name, check, max_s) for name, check in checks))
    return [finding for findings in found for finding in findings]


async def _one(name: str, check: Check, max_s: float) -> list[Finding]:
    try:
        async with asyncio.timeout(max_s):
            return list(await check())
    except TimeoutError:
        return [fail(name, f"no answer within {max_s:g} s", "Is a firewall in the way?")]
    except (OSError, httpx2.HTTPError) as error:
        return [unreachable(name, error)]


def unreachable(name: str, error: BaseException) -> Finding:
    """Why a connection failed, from the deepest cause that says anything."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            return fail(name, *_DNS)
        if isinstance(cause, ssl.SSLError):
            why = getattr(cause, "verify_message", "") or cause.reason or "TLS failed"
            return fail(name, f"TLS: {why}", _TLS_FIX)
        if isinstance(cause, ConnectionRefusedError):
            return fail(name, "the connection is refused", "Nobody listens there: check the port.")
    if isinstance(error, httpx2.ConnectError):
        text = str(error).lower()
        if "certificate" in text or "ssl" in text:
            return fail(name, "TLS failed", _TLS_FIX)
        if "name" in text or "address" in text:
            return fail(name, *_DNS)
    kind = type(causes[-1]).__name__
    return fail(name, f"cannot be reached ({kind})", "Is a firewall or a proxy in the way?")


def _causes(error: BaseException | None) -> Iterable[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
