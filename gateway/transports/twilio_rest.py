"""Twilio's REST API for running calls and texts. Source: Calls resource, 2010-04-01."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import httpx2

from gateway import limits
from gateway.errors import LinkError
from gateway.transports.retry import retried
from gateway.transports.tls import tls_context

_NOT_IN_PROGRESS: Final = 21220


class TwilioRest:
    """Client for calls and messages, one for the process; `close` it at the end."""

    def __init__(self, base_url: str, account_sid: str, auth_token: str) -> None:
        account = f"{base_url}/2010-04-01/Accounts/{account_sid}"
        self._calls, self._messages = f"{account}/Calls", f"{account}/Messages.json"
        self._queues = f"{account}/Queues"
        self._client = httpx2.AsyncClient(
            auth=(account_sid, auth_token),
            verify=tls_context(),
            timeout=limits.web.REST_TIMEOUT_S,
            follow_redirects=False,
        )

    async def hang_up(self, call_sid: str) -> None:
        """End a call, or accept that it has ended already. Raises LinkError."""
        await self._update(call_sid, {"Status": "completed"}, gone_is_well=True)

    async def redirect(self, call_sid: str, document: str) -> None:
        """Replace the running TwiML, which ends a stream. Raises LinkError.

        The document may have 4000 characters.
        """
        await self._update(call_sid, {"Twiml": document}, gone_is_well=False)

    async def redirect_to(self, call_sid: str, url: str) -> None:
        """Replace the running TwiML by a document at an address. Raises LinkError."""
        await self._update(call_sid, {"Url": url, "Method": "POST"}, gone_is_well=False)

    async def send_text(self, sender: str, to: str, body: str) -> None:
        """Send a text message; repeated only where Twilio cannot have taken it. Raises LinkError.

        The reason is `twilio_CODE` where Twilio gives one (21610: the person has opted out).
        """
        fields = {"From": sender, "To": to, "Body": body}

        async def attempt() -> None:
            try:
                response = await self._client.post(self._messages, data=fields)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                raise LinkError(type(error).__name__, retryable=True) from error
            except httpx2.HTTPError as error:
                raise LinkError(type(error).__name__, retryable=False) from error
            if not response.is_success:
                raise LinkError(_reason(response), retryable=response.status_code == 429)

        await retried(attempt, limits.web.REST_TRIES, limits.web.REST_FIRST_PAUSE_S)

    async def dial(self, fields: Mapping[str, str | list[str]]) -> str:
        """Place a call and return its CallSid.

        Raises LinkError: `twilio_CODE`, `http_...`, `unknown`. A request is repeated only if the
        call was surely not placed: no person is called twice.
        """

        async def attempt() -> str:
            try:
                response = await self._client.post(f"{self._calls}.json", data=fields)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                raise LinkError(type(error).__name__, retryable=True) from error
            except httpx2.HTTPError:
                raise LinkError("unknown", retryable=False) from None
            if not response.is_success:
                raise _refusal_of(response)
            return _sid_of(response)

        return await retried(attempt, limits.web.REST_TRIES, limits.web.REST_FIRST_PAUSE_S)

    async def cancel(self, call_sid: str) -> None:
        """Cancel a ringing call, or hang up one that was answered meanwhile. Raises LinkError."""
        try:
            await self._update(call_sid, {"Status": "canceled"}, gone_is_well=False)
        except LinkError as error:
            if error.retryable:
                raise
            await self.hang_up(call_sid)

    async def delete_queue(self, queue_sid: str) -> None:
        """Delete an empty queue, or accept that it is gone already. Raises LinkError."""
        try:
            response = await self._client.delete(f"{self._queues}/{queue_sid}.json")
        except httpx2.HTTPError as error:
            raise LinkError(type(error).__name__, retryable=True) from error
        if not response.is_success and response.status_code != 404:
            raise LinkError(_reason(response), retryable=False)

    async def status(self, call_sid: str) -> str:
        """Return Twilio's CallStatus, like `ringing` or `busy`; "" when it is not known."""
        try:
            response = await self._client.get(f"{self._calls}/{call_sid}.json")
            return str(response.json().get("status", "")) if response.is_success else ""
        except (httpx2.HTTPError, ValueError, AttributeError):
            return ""

    async def _update(self, call_sid: str, fields: dict[str, str], *, gone_is_well: bool) -> None:
        async def attempt() -> None:
            try:
                response = await self._client.post(f"{self._calls}/{call_sid}.json", data=fields)
            except httpx2.HTTPError as error:
                raise LinkError(type(error).__name__, retryable=True) from error
            if response.is_success or (gone_is_well and _has_ended(response)):
                return
            retryable = response.status_code == 429 or response.status_code >= 500
            raise LinkError(f"http_{response.status_code}", retryable=retryable)

        await retried(attempt, limits.web.REST_TRIES, limits.web.REST_FIRST_PAUSE_S)

    async def close(self) -> None:
        await self._client.aclose()


def _sid_of(response: httpx2.Response) -> str:
    """Return the CallSid. Raises LinkError("unknown"): the call may have been placed."""
    try:
        sid = str(response.json()["sid"])
    except (ValueError, KeyError, TypeError):
        sid = ""
    if not re.fullmatch(r"CA[0-9a-fA-F]{32}", sid):
        raise LinkError("unknown", retryable=False)
    return sid


def _refusal_of(response: httpx2.Response) -> LinkError:
    if response.status_code >= 500:
        return LinkError("unknown", retryable=False)
    return LinkError(_reason(response), retryable=response.status_code == 429)


def _reason(response: httpx2.Response) -> str:
    try:
        return f"twilio_{int(response.json()['code'])}"
    except (ValueError, KeyError, TypeError):
        return f"http_{response.status_code}"


def _has_ended(response: httpx2.Response) -> bool:
    if response.status_code == 404:
        return True
    try:
        return bool(response.json().get("code") == _NOT_IN_PROGRESS)
    except (ValueError, AttributeError):
        return False
