"""The operators' end of a call out: has a gateway place it, and asks what it knows of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from gateway.errors import ServiceUnreachable

LOOK_S: Final = 0.1
PATIENCE_S: Final = 8.0


@dataclass(frozen=True, slots=True)
class OperatorDial:
    client: httpx2.AsyncClient
    url: str
    token: str

    async def dial(self, number: str, agent: str) -> str:
        """The CallSid; one that is asked too often is asked again. Raises ServiceUnreachable."""
        wanted = {"to": number, "agent": agent}
        while True:
            answer = await self._ask("POST", "/api/calls", wanted)
            if answer.status_code == 202:
                return str(answer.json()["call"])
            if answer.status_code != 429:
                raise ServiceUnreachable(f"The gateway does not place the call: {_detail(answer)}")
            await asyncio.sleep(float(answer.headers.get("retry-after", "1")))

    async def record(self, call_sid: str) -> dict[str, Any]:
        """As soon as it says that the call is over; what there is of it after some seconds."""
        for _ in range(round(PATIENCE_S / LOOK_S)):
            answer = await self._ask("GET", f"/api/calls/{call_sid}")
            found: dict[str, Any] = answer.json() if answer.is_success else {}
            if found.get("state") == "ended":
                return found
            await asyncio.sleep(LOOK_S)
        return found

    async def _ask(self, method: str, path: str, body: Any = None) -> httpx2.Response:
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
