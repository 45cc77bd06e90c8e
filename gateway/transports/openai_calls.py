"""Control of SIP calls at OpenAI: accept, reject, refer, hang up. Source: `openai`'s own client."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import openai
from openai import AsyncOpenAI

from gateway import limits
from gateway.errors import LinkError
from gateway.transports.retry import retried

_PAUSE_S: Final = 0.1
_DECIDED: Final = 409


class OpenAICalls:
    """Client for SIP calls, one for the process; `close` it at the end."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._client = AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            timeout=limits.web.REST_TIMEOUT_S,
            max_retries=limits.web.REST_TRIES - 1,
        )
        self._calls = self._client.realtime.calls
        # The vendor's client would repeat a request that was decided already (409).
        self._once = self._client.with_options(max_retries=0).realtime.calls

    async def accept(self, call_id: str, session: Mapping[str, Any], timeout_s: float) -> None:
        """Accept a call with a session that names no audio formats: SIP negotiates them.

        Raises LinkError; after `timeout` the call may have been accepted all the same.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._accept(call_id, session)
        except TimeoutError:
            raise LinkError("timeout", retryable=True) from None

    async def _accept(self, call_id: str, session: Mapping[str, Any]) -> None:
        tried = False

        async def attempt() -> None:
            nonlocal tried
            again, tried = tried, True
            try:
                await self._once.accept(call_id, type="realtime", extra_body=dict(session))
            except openai.OpenAIError as error:
                failure = _link_error(error)
                # An earlier attempt was taken, and only its answer was lost.
                if not (again and failure.reason == f"http_{_DECIDED}"):
                    raise failure from error

        await retried(attempt, limits.sip.ACCEPT_TRIES, _PAUSE_S)

    async def reject(self, call_id: str, status_code: int, timeout_s: float) -> None:
        """Answer the INVITE with a SIP status. Raises LinkError."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._once.reject(call_id, status_code=status_code)
        except TimeoutError:
            raise LinkError("timeout", retryable=True) from None
        except openai.OpenAIError as error:
            raise _link_error(error) from error

    async def refer(self, call_id: str, target_uri: str) -> None:
        """Ask for a transfer. Raises LinkError; the vendor reports no outcome of the transfer."""
        try:
            await self._calls.refer(call_id, target_uri=target_uri)
        except openai.OpenAIError as error:
            raise _link_error(error) from error

    async def hang_up(self, call_id: str) -> None:
        """End a call, or accept that it has ended already (404). Raises LinkError."""
        try:
            await self._calls.hangup(call_id)
        except openai.NotFoundError:
            return
        except openai.OpenAIError as error:
            raise _link_error(error) from error

    async def close(self) -> None:
        await self._client.close()


def refer_target(to: str) -> str:
    """Return the target for `refer`: `tel:` for a number, a SIP address as it is."""
    return f"tel:{to}" if to.startswith("+") else to


def _link_error(error: openai.OpenAIError) -> LinkError:
    if isinstance(error, openai.APIStatusError):
        status = error.status_code
        return LinkError(f"http_{status}", retryable=status == 429 or status >= 500)
    return LinkError(type(error).__name__, retryable=True)
