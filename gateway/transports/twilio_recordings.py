"""Recordings that Twilio made: fetched, paused, deleted. Source: Recordings resource, 2010-04-01.

The address of a recording is made from the account and its sid, never taken from a webhook.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import BinaryIO, Final

import httpx2

from gateway import limits
from gateway.errors import LinkError
from gateway.transports.tls import tls_context

_CURRENT: Final = "Twilio.CURRENT"
"""The recording that runs in a call, in place of its sid."""


class TwilioRecordings:
    """Client for recordings, one for the process; `close` it at the end."""

    def __init__(
        self,
        base_url: str,
        account_sid: str,
        auth_token: str,
        *,
        file_max_bytes: int = limits.recordings.CARRIER_FILE_MAX_BYTES,
    ) -> None:
        self._file_max_bytes = file_max_bytes
        self._account = f"{base_url}/2010-04-01/Accounts/{account_sid}"
        self._client = httpx2.AsyncClient(
            auth=(account_sid, auth_token),
            verify=tls_context(),
            timeout=limits.web.REST_TIMEOUT_S,
            follow_redirects=False,
        )

    async def fetch(self, recording_sid: str, target: Path) -> None:
        """Write a recording to a file, as a WAV with a channel for each leg.

        Raises LinkError, OSError.
        """
        url = f"{self._account}/Recordings/{recording_sid}.wav"
        with await asyncio.to_thread(target.open, "wb") as file:
            try:
                async with self._client.stream("GET", url, params={"RequestedChannels": "2"}) as it:
                    if it.status_code != 200:
                        raise LinkError(f"http_{it.status_code}", retryable=True)
                    await _copy(it, file, self._file_max_bytes)
            except httpx2.HTTPError as error:
                raise LinkError(type(error).__name__, retryable=True) from error

    async def delete(self, recording_sid: str) -> None:
        """Delete a recording, or accept that it is gone already. Raises LinkError."""
        try:
            answer = await self._client.delete(f"{self._account}/Recordings/{recording_sid}.json")
        except httpx2.HTTPError as error:
            raise LinkError(type(error).__name__, retryable=True) from error
        if not answer.is_success and answer.status_code != 404:
            raise LinkError(f"http_{answer.status_code}", retryable=True)

    async def pause(self, call_sid: str, *, paused: bool) -> None:
        """Pause the recording that runs in a call, or resume it. Raises LinkError.

        Silence takes the place of the sound, so that what follows stays at its time.
        """
        url = f"{self._account}/Calls/{call_sid}/Recordings/{_CURRENT}.json"
        fields = {"Status": "paused", "PauseBehavior": "silence"}
        try:
            answer = await self._client.post(
                url, data=fields if paused else {"Status": "in-progress"}
            )
        except httpx2.HTTPError as error:
            raise LinkError(type(error).__name__, retryable=True) from error
        if not answer.is_success:
            raise LinkError(f"http_{answer.status_code}", retryable=answer.status_code >= 500)

    async def close(self) -> None:
        await self._client.aclose()


async def _copy(response: httpx2.Response, file: BinaryIO, max_bytes: int) -> None:
    size = 0
    async for chunk in response.aiter_bytes(limits.recordings.FETCH_BYTES):
        size += len(chunk)
        if size > max_bytes:
            raise LinkError("too_large", retryable=False)
        file.write(chunk)
