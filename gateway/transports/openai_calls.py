"""Control of SIP calls at OpenAI: accept, reject, refer, hang up. Source: Realtime calls API.

The vendor's own client is not used: importing it takes longer than the rest of the gateway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import httpx2

from gateway import limits
from gateway.errors import LinkError
from gateway.protocols.openai_refusals import error_of, is_final
from gateway.protocols.realtime_server import ErrorBody
from gateway.transports.openai_headers import bearer
from gateway.transports.retry import retried
from gateway.transports.tls import tls_context

_DECIDED: Final = "http_409"
REFUSED: Final = "http_400"


class SessionRefused(LinkError):
    """The vendor refuses the session with which a call was to be accepted."""

    def __init__(self, error: ErrorBody) -> None:
        self.error = error
        super().__init__(REFUSED, retryable=False)


class OpenAICalls:
    """Client for SIP calls, one for the process; `close` it at the end."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._calls_url = f"{base_url.rstrip('/')}/realtime/calls"
        self._client = httpx2.AsyncClient(
            headers=bearer(api_key),
            verify=tls_context(),
            timeout=limits.web.REST_TIMEOUT_S,
            follow_redirects=False,
        )

    async def accept(self, call_id: str, session: Mapping[str, Any], timeout_s: float) -> None:
        """Accept a call with a session that names no audio formats: SIP negotiates them.

        Raises SessionRefused, and LinkError; after `timeout` the call may have been accepted all
        the same.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._accept(call_id, session)
        except TimeoutError:
            raise LinkError("timeout", retryable=True) from None

    async def _accept(self, call_id: str, session: Mapping[str, Any]) -> None:
        body = {"type": "realtime", **session}
        tried = False

        async def attempt() -> None:
            nonlocal tried
            again, tried = tried, True
            try:
                await self._request(call_id, "accept", body)
            except LinkError as error:
                # An earlier attempt was taken, and only its answer was lost.
                if not (again and error.reason == _DECIDED):
                    raise

        await retried(attempt, limits.sip.ACCEPT_TRIES, limits.sip.ACCEPT_FIRST_PAUSE_S)

    async def reject(self, call_id: str, status_code: int, timeout_s: float) -> None:
        """Answer the INVITE with a SIP status. Raises LinkError."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._request(call_id, "reject", {"status_code": status_code})
        except TimeoutError:
            raise LinkError("timeout", retryable=True) from None

    async def refer(self, call_id: str, target_uri: str) -> None:
        """Ask for a transfer. Raises LinkError; the vendor reports no outcome of the transfer."""
        await self._repeated(call_id, "refer", {"target_uri": target_uri})

    async def hang_up(self, call_id: str) -> None:
        """End a call, or accept that it has ended already (404). Raises LinkError."""
        try:
            await self._repeated(call_id, "hangup", None)
        except LinkError as error:
            if error.reason != "http_404":
                raise

    async def close(self) -> None:
        await self._client.aclose()

    async def _repeated(self, call_id: str, action: str, body: Mapping[str, Any] | None) -> None:
        async def attempt() -> None:
            try:
                await self._request(call_id, action, body)
            except LinkError as error:
                # A call that another request has locked (409) is free again soon.
                if error.reason != _DECIDED:
                    raise
                raise LinkError(_DECIDED, retryable=True) from error

        await retried(attempt, limits.web.REST_TRIES, limits.sip.CONTROL_FIRST_PAUSE_S)

    async def _request(self, call_id: str, action: str, body: Mapping[str, Any] | None) -> None:
        url = f"{self._calls_url}/{quote(call_id, safe='')}/{action}"
        try:
            response = await self._client.post(url, json=body)
        except httpx2.HTTPError as error:
            raise LinkError(type(error).__name__, retryable=True) from error
        status = response.status_code
        if status == HTTPStatus.BAD_REQUEST and action == "accept":
            raise SessionRefused(error_of(response.content))
        if not response.is_success:
            passes = status >= 500 or (status in (408, 429) and not is_final(response.content))
            raise LinkError(f"http_{status}", retryable=passes)


def refer_target(to: str) -> str:
    """Return the target for `refer`: `tel:` for a number, a SIP address as it is."""
    return f"tel:{to}" if to.startswith("+") else to
