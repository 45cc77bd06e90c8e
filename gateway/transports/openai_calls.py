"""Control of SIP calls at OpenAI: accept, reject, refer, hang up. Source: `openai`'s own client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openai
from openai import AsyncOpenAI

from gateway.errors import LinkError
from gateway.limits import REST_TIMEOUT_S, REST_TRIES


class OpenAICalls:
    """One client for the process; `close` it at the end."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._client = AsyncOpenAI(
            api_key=api_key, base_url=base_url, timeout=REST_TIMEOUT_S, max_retries=REST_TRIES - 1
        )
        self._calls = self._client.realtime.calls

    async def accept(self, call_id: str, session: Mapping[str, Any], timeout_s: float) -> None:
        """The session without audio formats: SIP negotiates them. Raises LinkError."""
        try:
            calls = self._client.with_options(max_retries=1).realtime.calls
            await calls.accept(
                call_id, type="realtime", extra_body=dict(session), timeout=timeout_s / 2
            )
        except openai.OpenAIError as error:
            raise _link_error(error) from error

    async def reject(self, call_id: str, status_code: int) -> None:
        """Answers the INVITE with that SIP status. Raises LinkError."""
        try:
            await self._calls.reject(call_id, status_code=status_code)
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
