"""Control of SIP calls at OpenAI: accept, reject, refer, hang up. Source: `openai`'s own client."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import openai
from openai import AsyncOpenAI

from gateway import limits
from gateway.errors import LinkError

_PAUSE_S: Final = 0.1
_DECIDED: Final = 409


class OpenAICalls:
    """One client for the process; `close` it at the end."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._client = AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            timeout=limits.web.REST_TIMEOUT_S,
            max_retries=limits.web.REST_TRIES - 1,
        )
        self._calls = self._client.realtime.calls
        # The vendor's client would try a decision again that was made already (409).
        self._once = self._client.with_options(max_retries=0).realtime.calls

    async def accept(self, call_id: str, session: Mapping[str, Any], timeout_s: float) -> None:
        """The session without audio formats: SIP negotiates them.

        Raises LinkError; after `timeout` the call may have been accepted all the same.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._accept(call_id, session)
        except TimeoutError:
            raise LinkError("timeout", retryable=True) from None

    async def _accept(self, call_id: str, session: Mapping[str, Any]) -> None:
        for attempt in range(1, limits.sip.ACCEPT_TRIES + 1):
            try:
                await self._once.accept(call_id, type="realtime", extra_body=dict(session))
            except openai.OpenAIError as error:
                failure = _link_error(error)
                if attempt > 1 and failure.reason == f"http_{_DECIDED}":
                    return  # by our first try, then
                if not failure.retryable or attempt == limits.sip.ACCEPT_TRIES:
                    raise failure from error
            else:
                return
            await asyncio.sleep(_PAUSE_S)

    async def reject(self, call_id: str, status_code: int, timeout_s: float) -> None:
        """Answers the INVITE with that SIP status. Raises LinkError."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._once.reject(call_id, status_code=status_code)
        except TimeoutError:
            raise LinkError("timeout", retryable=True) from None
        except openai.OpenAIError as error:
            raise _link_error(error) from error

    async def refer(self, call_id: str, target_uri: str) -> None:
        """Relayed is all that the answer says; the outcome is reported nowhere."""
        try:
            await self._calls.refer(call_id, target_uri=target_uri)
        except openai.OpenAIError as error:
            raise _link_error(error) from error

    async def hang_up(self, call_id: str) -> None:
        """A call that has ended already (404) is as good. Raises LinkError."""
        try:
            await self._calls.hangup(call_id)
        except openai.NotFoundError:
            return
        except openai.OpenAIError as error:
            raise _link_error(error) from error

    async def close(self) -> None:
        await self._client.close()


def refer_target(to: str) -> str:
    """What `refer` takes: `tel:` for a number, a SIP address as it is."""
    return f"tel:{to}" if to.startswith("+") else to


def _link_error(error: openai.OpenAIError) -> LinkError:
    if isinstance(error, openai.APIStatusError):
        status = error.status_code
        return LinkError(f"http_{status}", retryable=status == 429 or status >= 500)
    return LinkError(type(error).__name__, retryable=True)
