"""OpenAI as a stranger sees it: webhooks signed by `standardwebhooks`, call control, sidebands.

Nothing here comes from the gateway or its simulator.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from base64 import b64encode
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx2
from far_end import FarEnd, far_end
from standardwebhooks.webhooks import Webhook
from websockets.frames import Frame, Opcode

SECRET = "whsec_" + b64encode(b"the secret of a webhook").decode()
PROJECT = "proj_0123456789abcdefghijklm"
SIP_SETTINGS = {"OPENAI_PROJECT_ID": PROJECT, "OPENAI_WEBHOOK_SECRET": SECRET}
PATIENCE_S = 30.0
TRUNK_HEADERS = (
    ("From", "<sip:+14155550123@example.pstn.twilio.com>;tag=1"),
    ("To", "<sip:+15550100@sip.api.openai.com>"),
    ("Call-ID", "abc@192.0.2.1"),
)

_ids = itertools.count(1)


def new_id(prefix: str) -> str:
    return f"{prefix}_{next(_ids):08x}"


def invite(uri: str) -> list[tuple[str, str]]:
    """The headers of the INVITE with which Twilio dials an address of ours."""
    address, _, query = uri.partition("?")
    assert query, uri
    return [("To", f"<{address}>"), TRUNK_HEADERS[0], *parse_qsl(query)]


def incoming(
    call_id: str,
    headers: Sequence[tuple[str, str]] = TRUNK_HEADERS,
    *,
    security: str | None = "srtp",
    age_s: float = 0,
    kind: str = "realtime.call.incoming",
) -> bytes:
    """The body of a webhook about a call."""
    data: dict[str, Any] = {
        "call_id": call_id,
        "sip_headers": [{"name": name, "value": value} for name, value in headers],
    }
    if security is not None:
        data["sip_media_security"] = security
    event = {
        "object": "event",
        "id": new_id("evt"),
        "type": kind,
        "created_at": int(time.time() - age_s),
        "data": data,
    }
    return json.dumps(event).encode()


def signed(
    body: bytes, *, webhook_id: str | None = None, at: float | None = None, secret: str = SECRET
) -> dict[str, str]:
    """The headers of one delivery."""
    webhook_id, at = webhook_id or new_id("wh"), time.time() if at is None else at
    moment = datetime.fromtimestamp(int(at), tz=UTC)
    signature = Webhook(secret).sign(webhook_id, moment, body.decode())
    return {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": signature,
    }


@dataclass(frozen=True)
class Asked:
    """One request for control of a call."""

    verb: str
    call_id: str
    body: Any
    headers: Mapping[str, str]
    at: float


class Sideband:
    """One WebSocket to a call."""

    def __init__(self, far: FarEnd) -> None:
        self._far = far
        self.headers = far.headers
        self.opening: list[dict[str, Any]] = []
        """What is put in front of the conversation when it begins."""
        self.heard: list[dict[str, Any]] = []
        """Everything else."""
        self._news = asyncio.Event()
        self.closed = asyncio.Event()

    def say(self, kind: str, **fields: Any) -> None:
        self._far.say(json.dumps({"type": kind, "event_id": new_id("event"), **fields}))

    def drop(self) -> None:
        """The connection ends without a word: 1006 at the other end."""
        self._far.hang_up()

    async def hears(self, kind: str, nth: int = 1) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while len(found := [e for e in self.heard if e["type"] == kind]) < nth:
                self._news.clear()
                await self._news.wait()
        return found[nth - 1]

    async def listen(self) -> None:
        try:
            while (frame := await self._far.frame()).opcode is not Opcode.CLOSE:
                if frame.opcode is Opcode.PING:
                    self._far.send(Frame(Opcode.PONG, frame.data).serialize(mask=False))
                    continue
                event = json.loads(frame.data)
                opens = event.get("previous_item_id") == "root"
                (self.opening if opens else self.heard).append(event)
                self._news.set()
        except (AssertionError, ConnectionError):
            pass  # the gateway is gone
        finally:
            self.closed.set()


@dataclass
class Line:
    """One SIP call at the vendor's."""

    call_id: str
    state: str = "ringing"
    """Then `accepted` or `rejected`, then `over`."""
    sidebands: list[Sideband] = field(default_factory=list)

    def end(self) -> None:
        """The leg is gone: as after BYE, in either direction."""
        self.state = "over"
        for sideband in self.sidebands:
            sideband.drop()


class Vendor:
    """`answers` of a verb, or of `sideband`: statuses, in order, in place of the usual one.

    An asyncio.Event among them is waited for first, and None is the usual answer.
    """

    def __init__(self) -> None:
        self.url = ""
        self.lines: dict[str, Line] = {}
        self.asked: list[Asked] = []
        self.answers: defaultdict[str, deque[Any]] = defaultdict(deque)
        self._news = asyncio.Event()

    @property
    def base_url(self) -> str:
        return f"{self.url.replace('ws', 'http', 1)}/v1"

    def forget(self) -> None:
        self.lines.clear()
        self.asked.clear()
        self.answers.clear()

    # --- What happens here ---

    def rings(self, *headers: tuple[str, str], **how: Any) -> tuple[Line, bytes]:
        """A call comes in: what is known of it, and the webhook's body."""
        line = Line(new_id("rtc"))
        self.lines[line.call_id] = line
        return line, incoming(line.call_id, headers or TRUNK_HEADERS, **how)

    async def ring(self, client: httpx2.AsyncClient, *headers: tuple[str, str], **how: Any) -> Line:
        """The same, and the webhook is taken."""
        line, body = self.rings(*headers, **how)
        response = await client.post("/openai/webhook", content=body, headers=signed(body))
        assert response.status_code == 200, response.text
        return line

    # --- What is asked ---

    def of(self, verb: str, call_id: str | None = None) -> list[Asked]:
        return [a for a in self.asked if a.verb == verb and call_id in (None, a.call_id)]

    async def hears(self, verb: str, nth: int = 1) -> Asked:
        async with asyncio.timeout(PATIENCE_S):
            while len(found := self.of(verb)) < nth:
                self._news.clear()
                await self._news.wait()
        return found[nth - 1]

    async def sideband(self, line: Line, nth: int = 1) -> Sideband:
        async with asyncio.timeout(PATIENCE_S):
            while len(line.sidebands) < nth:
                self._news.clear()
                await self._news.wait()
        return line.sidebands[nth - 1]

    # --- How it is answered ---

    async def behave(self, far: FarEnd) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await far.request()
            method, target, _ = far.request_line.split()
            await (self._control if method == "POST" else self._attach)(far, target)

    async def _scripted(self, what: str) -> int | None:
        answers = self.answers[what]
        answer = answers.popleft() if answers else None
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            return await self._scripted(what)
        return answer  # type: ignore[no-any-return]

    async def _control(self, far: FarEnd, target: str) -> None:
        *_, call_id, verb = target.split("/")
        raw = await far.body()
        body = json.loads(raw) if raw else None
        self.asked.append(Asked(verb, call_id, body, far.headers, time.monotonic()))
        self._news.set()
        status = await self._scripted(verb)
        if status is None:
            status = self._usual(verb, call_id)
        error = {"error": {"message": "No.", "type": "x", "code": "x"}}
        far.respond(status, b"" if status == 200 else json.dumps(error).encode())
        await far.drain()

    def _usual(self, verb: str, call_id: str) -> int:
        line = self.lines.get(call_id)
        if line is None or line.state in ("rejected", "over"):
            return 404
        if verb in ("accept", "reject"):
            if line.state != "ringing":
                return 409
            line.state = f"{verb}ed"
        elif line.state != "accepted":
            return 404
        if verb == "hangup":
            line.end()
        return 200

    async def _attach(self, far: FarEnd, target: str) -> None:
        query = parse_qs(urlsplit(target).query)
        if "model" in query:  # a session of the media path, which stays silent here
            far.send(far.acceptance())
            return await Sideband(far).listen()
        call_id = query.get("call_id", [""])[0]
        self.asked.append(Asked("sideband", call_id, None, far.headers, time.monotonic()))
        self._news.set()
        status = await self._scripted("sideband")
        line = self.lines.get(call_id)
        if status is None and line is not None and line.state == "accepted":
            sideband = Sideband(far)
            far.send(far.acceptance())
            line.sidebands.append(sideband)
            self._news.set()
            await sideband.listen()
        else:
            far.respond(status or 404)
            await far.drain()
        return None


@contextlib.asynccontextmanager
async def running_vendor() -> AsyncIterator[Vendor]:
    vendor = Vendor()
    async with far_end(vendor.behave) as url:
        vendor.url = url
        yield vendor
