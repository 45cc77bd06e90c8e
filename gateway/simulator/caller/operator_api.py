"""Somebody at the operators' API during a rehearsal, who allows a tool or does not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from gateway.simulator.scenario.schema import Decide

LOOK_S: Final = 0.1


@dataclass(frozen=True)
class Operator:
    """`url` is the gateway's; `call_sid` the one call that he looks at."""

    client: httpx2.AsyncClient
    url: str
    token: str
    call_sid: str

    async def decide(self, wanted: Decide) -> str:
        """As soon as the request is there. Returns what was wrong, or nothing."""
        if not self.token:
            return "there is no operator without GATEWAY_ADMIN_TOKEN"
        try:
            async with asyncio.timeout(wanted.timeout_s):
                while (found := await self._waiting(wanted.tool)) is None:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(LOOK_S)
            path = f"/api/calls/{found[0]}/approvals/{found[1]}"
            answer = await self._ask("POST", path, {"approve": wanted.approve})
        except TimeoutError:
            return f"nobody asked for leave to use {wanted.tool}"
        except httpx2.HTTPError as error:
            return f"the operators' API does not answer: {error}"
        return "" if answer.is_success else f"the answer was not taken: {answer.text}"

    async def _waiting(self, tool: str) -> tuple[str, str] | None:
        """The call's id, which on the SIP path is not its CallSid, and the request's."""
        listed = (await self._ask("GET", "/api/calls?state=live")).json()
        for call in listed.get("calls", ()):
            if call["call_sid"] == self.call_sid:
                record = (await self._ask("GET", f"/api/calls/{call['id']}")).json()
                for asked in record.get("approvals", ()):
                    if asked["tool"] == tool and asked["outcome"] is None:
                        return call["id"], asked["id"]
        return None

    async def _ask(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.client.request(method, self.url + path, json=body, headers=headers)
