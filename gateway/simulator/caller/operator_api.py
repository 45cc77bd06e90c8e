"""Client of the gateway's operator API: approves tools, places calls, reads their records."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from gateway.errors import ServiceUnreachable
from gateway.simulator.scenario.parties import CallerSpec
from gateway.simulator.scenario.steps import Decide

POLL_S: Final = 0.1
RECORD_TIMEOUT_S: Final = 8.0
RESULT_TIMEOUT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class OperatorApi:
    """The operator API of the gateway at `url`, used with one token."""

    client: httpx2.AsyncClient
    url: str
    token: str

    async def decide(self, call_sid: str, wanted: Decide) -> str:
        """Answer a tool's request for approval once it exists. Return what failed, or nothing."""
        if not self.token:
            return "there is no operator without GATEWAY_ADMIN_TOKEN"
        try:
            async with asyncio.timeout(wanted.timeout_s):
                while (found := await self._pending(call_sid, wanted.tool)) is None:  # noqa: ASYNC110 - the API has no event for it
                    await asyncio.sleep(POLL_S)
            path = f"/api/calls/{found[0]}/approvals/{found[1]}"
            answer = await self._request("POST", path, {"approve": wanted.approve})
        except TimeoutError:
            return f"no approval was requested for {wanted.tool}"
        except ServiceUnreachable as error:
            return str(error)
        return "" if answer.is_success else f"the approval was not accepted: {answer.text}"

    async def _pending(self, call_sid: str, tool: str) -> tuple[str, str] | None:
        """Return the call's id, which on the SIP path is not its CallSid, and the approval's id."""
        listed = (await self._request("GET", "/api/calls?state=live")).json()
        for call in listed.get("calls", ()):
            if call["call_sid"] == call_sid:
                record = (await self._request("GET", f"/api/calls/{call['id']}")).json()
                for approval in record.get("approvals", ()):
                    if approval["tool"] == tool and approval["outcome"] is None:
                        return call["id"], approval["id"]
        return None

    async def dial(self, call: CallerSpec) -> str:
        """Place a call and return its CallSid, retrying on 429. Raises ServiceUnreachable."""
        briefing = {"about": call.about, "facts": call.facts}
        wanted = {"to": call.to, "agent": call.agent, **briefing}
        while True:
            answer = await self._request("POST", "/api/calls", wanted)
            if answer.status_code == 202:
                return str(answer.json()["call"])
            if answer.status_code != 429:
                raise ServiceUnreachable(f"The gateway does not place the call: {_detail(answer)}")
            await asyncio.sleep(float(answer.headers.get("retry-after", "1")))

    async def record(self, call_sid: str) -> dict[str, Any]:
        """Return the record of a call when it has ended, or its state after some seconds."""
        for _ in range(round(RECORD_TIMEOUT_S / POLL_S)):
            answer = await self._request("GET", f"/api/calls/{call_sid}")
            found: dict[str, Any] = answer.json() if answer.is_success else {}
            if found.get("state") == "ended":
                return found
            await asyncio.sleep(POLL_S)
        return found

    async def result(self, call_sid: str) -> dict[str, Any]:
        """Return the result of a call, once it is there, or nothing after some seconds."""
        for _ in range(round(RESULT_TIMEOUT_S / POLL_S)):
            listed = (await self._request("GET", "/api/calls?state=ended")).json()
            # On the SIP path the id of a call is not its CallSid.
            ids = [one["id"] for one in listed.get("calls", ()) if one["call_sid"] == call_sid]
            for call_id in ids:
                answer = await self._request("GET", f"/api/calls/{call_id}")
                if answer.is_success and (result := answer.json().get("result")):
                    return dict(result)
            await asyncio.sleep(POLL_S)
        return {}

    async def _request(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            return await self.client.request(method, self.url + path, json=body, headers=headers)
        except httpx2.HTTPError as error:
            raise ServiceUnreachable(
                f"The gateway {self.url} cannot be reached ({error}); is it running there?"
            ) from error


def _detail(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"it answers {answer.status_code}; is its GATEWAY_ADMIN_TOKEN set here too?"
