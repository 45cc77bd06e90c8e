"""A caller is handed to a person: the documents for it, and what the person is whispered first.

Twilio rings the person by `<Dial>` and asks the address in `<Number url>` what he is to hear
before the two are connected; the caller hears it ring meanwhile. Whether the person took the call
is known by his key alone: what `DialCallStatus` says of one who was never connected is nowhere
documented.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from gateway.call.commands import Transfer
from gateway.limits import ENDINGS_KEPT_S, MAX_CALL_MAX_S
from gateway.web.desk import Desk
from gateway.web.rungs import TRANSFER, WARM

log = structlog.get_logger()
TAKES: Final = "1"
"""The key with which a person takes a call."""
_CALL_SID: Final = re.compile(r"CA[0-9a-fA-F]{32}")
_KEPT_S: Final = MAX_CALL_MAX_S + ENDINGS_KEPT_S
"""The two may talk for as long as Twilio lets them, and only then it asks what comes next."""


class _Whisper(msgspec.Struct):
    summary: str
    language: str


class Handing:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def document(self, call_sid: str, to: Transfer, language: str) -> str:
        """What takes a call to somebody; a later question about it is answered by `whisper`."""
        desk = self._desk
        after_url = f"{desk.public_url}/twilio/after?leg={WARM if to.way == 'warm' else TRANSFER}"
        if to.way == "queue":
            return desk.document("queue.xml", language, queue=to.to, after_url=after_url)
        if to.way == "dial":
            return desk.ring(to.to, language, after_url)
        desk.store.forget(_taken(call_sid))
        said = msgspec.json.encode(_Whisper(to.summary, language)).decode()
        desk.store.remember(_said(call_sid), said, ENDINGS_KEPT_S)
        whisper_url = f"{desk.public_url}/twilio/whisper?call={call_sid}"
        return desk.ring(to.to, language, after_url, whisper_url)

    async def whisper(self, fields: dict[str, str], request: Request) -> Response:
        """`POST /twilio/whisper`: what the person hears, and then which key he pressed."""
        desk, call_sid = self._desk, request.query_params.get("call", "")
        known = await desk.store.get(_said(call_sid)) if _CALL_SID.fullmatch(call_sid) else None
        if known is None:
            log.warning("somebody was rung for a call that nobody knows")
            return desk.twiml("hangup.xml")
        if "key" not in request.query_params:
            return self._say(call_sid, msgspec.json.decode(known, type=_Whisper))
        if fields.get("Digits") != TAKES:
            return desk.twiml("hangup.xml")
        await desk.store.put(_taken(call_sid), "1", _KEPT_S)
        return desk.twiml("taken.xml")

    def _say(self, call_sid: str, whisper: _Whisper) -> Response:
        return self._desk.twiml(
            "whisper.xml",
            whisper.language,
            summary=whisper.summary,
            key_url=f"{self._desk.public_url}/twilio/whisper?call={call_sid}&key=1",
        )

    async def outcome(self, call_sid: str, dial_status: str) -> str:
        """What became of a warm transfer, as the status of a plain dial."""
        if await self._desk.store.get(_taken(call_sid)) is not None:
            outcome, status = "taken", "completed"
        elif dial_status in ("completed", "answered"):
            outcome = status = "declined"
        else:
            status = dial_status
            outcome = dial_status if dial_status in ("busy", "no-answer") else "failed"
        self._desk.metrics.warm_transfers.labels(outcome).inc()
        return status


def _said(call_sid: str) -> str:
    return f"whisper:{call_sid}"


def _taken(call_sid: str) -> str:
    return f"taken:{call_sid}"
