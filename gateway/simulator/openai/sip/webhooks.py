"""OpenAI's webhooks about a SIP call: signed, retried, and malformed on request."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import uuid4

import httpx2

from gateway.simulator.openai.realtime.outbox import JournalWriter
from gateway.simulator.openai.realtime.script import Webhook
from gateway.simulator.openai.sip.signing import signed_headers

USER_AGENT: Final = "OpenAI/1.0 (+https://platform.openai.com/docs/webhooks)"
ANSWER_MAX_S: Final = 3.0
"""Timeout of the vendor's delivery."""
TRIES: Final = 6
FIRST_PAUSE_S: Final = 0.2
"""First pause between retries; the vendor retries for 72 hours."""
STALE_S: Final = 301
"""Age beyond the tolerance of 300 s."""
LATE_S: Final = 60
"""Age of a call whose webhook is signed now."""
OVERSIZED_BYTES: Final = 2 << 20
OLD_SECRET: Final = "whsec_" + "b2xkIHNlY3JldCB0aGF0IHdhcyByb3RhdGVkIGF3YXk="


@dataclass(frozen=True)
class CallAnnouncement:
    """Content of the webhook about an INVITE."""

    call_id: str
    sip_headers: tuple[dict[str, str], ...]
    media_security: str


class Delivery(NamedTuple):
    """Answer to a delivery; status 0 stands for no answer."""

    status: int
    ms: float


@dataclass
class WebhookSender:
    """Sender of webhooks to one project's endpoint."""

    url: str
    secrets: tuple[str, ...] = field(repr=False)
    client: httpx2.AsyncClient
    log: JournalWriter

    async def announce(self, call: CallAnnouncement, kinds: tuple[Webhook, ...]) -> list[Delivery]:
        """Send webhooks of these kinds in order; only a plain one is retried."""
        webhook_id = _webhook_id()
        return [await self._send(call, kind, webhook_id) for kind in kinds]

    async def _send(self, call: CallAnnouncement, kind: Webhook, webhook_id: str) -> Delivery:
        shown_id = webhook_id if kind in ("plain", "again") else _webhook_id()
        body = encoded(event(call, kind))
        pause_s = FIRST_PAUSE_S
        for attempt in range(1, (TRIES if kind == "plain" else 1) + 1):
            delivered = await self._deliver(kind, shown_id, body)
            status, ms = delivered
            self.log(
                "webhook",
                what=kind,
                call_id=call.call_id,
                webhook_id=shown_id,
                status=status,
                ms=round(ms, 1),
                attempt=attempt,
            )
            if kind != "plain" or 200 <= status < 300:
                break
            await asyncio.sleep(pause_s)
            pause_s *= 2
        return delivered

    async def _deliver(self, kind: Webhook, webhook_id: str, body: bytes) -> Delivery:
        timestamp = int(time.time()) - (STALE_S if kind == "stale" else 0)
        secrets = (OLD_SECRET,) if kind == "old_secret" else self.secrets
        signed = signed_headers(secrets, webhook_id, timestamp, body)
        if kind == "unsigned":
            del signed["webhook-signature"]
        if kind == "tampered":
            body = body.replace(b'"srtp"', b'"none"').replace(b"rtc_u1_", b"rtc_u2_")
        headers = {"content-type": "application/json", "user-agent": USER_AGENT, **signed}
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_MAX_S):
                answer = await self.client.post(self.url, content=body, headers=headers)
            status = answer.status_code
        except (TimeoutError, httpx2.HTTPError):
            status = 0
        return Delivery(status, (time.monotonic() - began_s) * 1000)


def _webhook_id() -> str:
    return f"wh_{uuid4().hex}"


def encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def event(call: CallAnnouncement, kind: Webhook = "plain") -> dict[str, Any]:
    """Return the body of a webhook; everything about the call is under `data`."""
    data: dict[str, Any] = {"call_id": call.call_id, "sip_headers": list(call.sip_headers)}
    if call.media_security:
        data["sip_media_security"] = call.media_security
    name = "realtime.call.incoming"
    if kind == "live":
        name = "live.transport.incoming"
        live_id = "live_" + call.call_id.removeprefix("rtc_u1_")
        data = {"type": "sip", "session_id": live_id} | data
        del data["call_id"]
    elif kind == "other_type":
        name, data = "response.completed", {"id": f"resp_{uuid4().hex}"}
    elif kind == "oversized":
        filler = {"name": "X-Filler", "value": "x" * OVERSIZED_BYTES}
        data["sip_headers"] = [*data["sip_headers"], filler]
    created_at = int(time.time()) - (LATE_S if kind == "late" else 0)
    return {
        "object": "event",
        "id": f"evt_{uuid4().hex}",
        "type": name,
        "created_at": created_at,
        "data": data,
    }
