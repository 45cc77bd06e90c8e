"""Webhooks of Twilio: signed form posts with its timeouts and retry."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urljoin, urlsplit
from uuid import uuid4

import httpx2

from gateway.simulator.shared_tls import shared_context
from gateway.simulator.twilio.signing import SIGNATURE, signature

CONNECT_TIMEOUT_S: Final = 5.0
TOTAL_TIMEOUT_S: Final = 15.0
RETRIES_MAX: Final = 5
_ALL: Final = frozenset({"ct", "rt", "4xx", "5xx"})


class WebhookFailed(Exception):
    """Error 11200, no usable answer; `unreachable` marks a refused connection."""

    def __init__(self, url: str, problem: str, *, unreachable: bool = False) -> None:
        self.url, self.problem, self.unreachable = url, problem, unreachable
        super().__init__(f"{url}: {problem}")


@dataclass(frozen=True, slots=True)
class Retries:
    """How often Twilio asks again, and after what; by default once, after a failed connect.

    Source: Twilio docs, "Connection Overrides": `rc` and `rp` in the fragment of an address.
    """

    most: int = 1
    after: frozenset[str] = frozenset({"ct"})

    @classmethod
    def of(cls, url: str) -> Retries:
        given = dict(parse_qsl(urlsplit(url).fragment))
        after = frozenset(given.get("rp", "ct").split(","))
        most = min(RETRIES_MAX, int(given.get("rc", "1")))
        return cls(most, _ALL if "all" in after else after)


@dataclass(frozen=True, slots=True)
class Account:
    sid: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """Public address of the gateway, and the one to connect to from here."""

    url: str
    public_url: str

    def webhook(self, path: str) -> str:
        return self.public_url.rstrip("/") + path

    def real(self, public: str) -> str:
        """Return the address to connect to for a public one; others are unchanged."""
        for scheme in ("http", "ws"):
            base = _rescheme(self.public_url, scheme)
            if public == base or public.startswith(base + "/"):
                return _rescheme(self.url, scheme) + public.removeprefix(base)
        return public


def _rescheme(url: str, scheme: str) -> str:
    """Return the URL with another scheme, secure or not as before."""
    head, _, rest = url.rstrip("/").partition("://")
    return f"{scheme}{'s' if head in ('https', 'wss') else ''}://{rest}"


class Webhooks:
    """Sender of one account's webhooks."""

    def __init__(self, account: Account, reach: GatewayAddress, client: httpx2.AsyncClient) -> None:
        self.account, self.reach = account, reach
        self.client = client

    async def request(
        self, url: str, fields: dict[str, str], *, method: str = "POST", base: str = ""
    ) -> httpx2.Response:
        """Send one request with its retry. Raises WebhookFailed unless the answer is 2xx."""
        target, _, _ = urljoin(base, url).partition("#")
        try:
            async with asyncio.timeout(TOTAL_TIMEOUT_S):
                response = await self._try(
                    target, fields, method.upper() or "POST", Retries.of(url)
                )
        except TimeoutError:
            raise WebhookFailed(target, f"no answer within {TOTAL_TIMEOUT_S:.0f} s") from None
        if not response.is_success:
            raise WebhookFailed(target, f"answered {response.status_code}")
        return response

    async def _try(
        self, url: str, fields: dict[str, str], method: str, retries: Retries
    ) -> httpx2.Response:
        idempotency = {"I-Twilio-Idempotency-Token": str(uuid4())}
        for left in reversed(range(retries.most + 1)):
            try:
                response = await self.send(url, fields, method, idempotency)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                if not left or "ct" not in retries.after:
                    problem = f"cannot be reached ({error})"
                    raise WebhookFailed(url, problem, unreachable=True) from error
            except httpx2.HTTPError as error:
                if not left or "rt" not in retries.after:
                    raise WebhookFailed(url, f"{type(error).__name__}: {error}") from error
            else:
                if not left or f"{response.status_code // 100}xx" not in retries.after:
                    return response
        raise AssertionError("the last attempt returns or raises")

    async def send(
        self, url: str, fields: dict[str, str], method: str, headers: dict[str, str]
    ) -> httpx2.Response:
        """Send one signed request, without a retry."""
        if method == "GET":
            joint = "&" if urlsplit(url).query else "?"
            url = f"{url}{joint}{httpx2.QueryParams(fields)}" if fields else url
        signed = signature(self.account.token, url, None if method == "GET" else fields)
        return await self.client.request(
            method,
            self.reach.real(url),
            data=None if method == "GET" else fields,
            headers={**headers, SIGNATURE: signed, "User-Agent": "TwilioProxy/1.1"},
        )


def client() -> httpx2.AsyncClient:
    """Return an HTTP client with Twilio's timeouts."""
    timeout = httpx2.Timeout(TOTAL_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    return httpx2.AsyncClient(
        verify=shared_context(),
        timeout=timeout,
        trust_env=False,
        limits=httpx2.Limits(max_connections=None),
    )
