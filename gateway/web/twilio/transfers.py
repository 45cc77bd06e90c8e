"""A caller is handed to a person: the documents for it, and what the person is whispered first.

A warm transfer is two calls: the caller waits in a queue of his own, and hears our music there;
the person is rung by REST, hears what it is about, and dials that queue by pressing a key. Where we
have no number to ring from, Twilio dials the person instead, with the same whisper before the two
are connected. Whether he took the call is known by his key alone: what `DialCallStatus` says of one
who was never connected is nowhere documented.

Sources: Twilio docs "TwiML Voice: <Enqueue>", "<Queue>", "<Leave>".
"""

from __future__ import annotations

import re
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response

from gateway import limits
from gateway.audio.hold_music import hold_music_wav
from gateway.bridge.outbound.warm_transfer import DECLINED, FAILED, TAKEN, WarmTransfer
from gateway.call.call_info import CallInfo
from gateway.call.commands import TransferCaller
from gateway.protocols.twilio_webhooks import TERMINAL, VoiceRequest, parse_voice
from gateway.web.twilio.context import TwilioContext
from gateway.web.twilio.twiml_responses import TRANSFER

log = structlog.get_logger()
TAKES: Final = "1"
"""The key with which a person takes a call."""
REDIRECTED: Final = "redirected"
_BRIDGED: Final = frozenset({"bridged", "redirected-from-bridged"})
_QUEUE_SID: Final = re.compile(r"QU[0-9a-fA-F]{32}")
_UNANSWERED: Final = frozenset({"busy", "no-answer"})


class TransferWebhooks:
    def __init__(self, desk: TwilioContext) -> None:
        self._desk = desk

    async def document(
        self, call: CallInfo | VoiceRequest, to: TransferCaller, language: str
    ) -> str:
        """What takes a call to somebody."""
        desk = self._desk
        after_url = f"{desk.public_url}/twilio/after?leg={TRANSFER}"
        if to.way == "queue":
            return desk.document("queue.xml", language, queue=to.to, after_url=after_url)
        if to.way == "dial":
            return desk.ring(to.to, language, after_url)
        warm = await desk.warm.begin(call.call_sid, call.dialled, to, language)
        after_url = desk.warm.after_url(warm)
        if not warm.ours:
            whisper_url = f"{desk.public_url}/twilio/whisper?transfer={warm.id}"
            return desk.ring(to.to, language, after_url, whisper_url)
        hold_url = f"{desk.public_url}/twilio/hold?transfer={warm.id}"
        return desk.document(
            "warm.xml", language, queue=warm.queue, after_url=after_url, hold_url=hold_url
        )

    # --- The caller waits ---

    async def hold(self, fields: dict[str, str], request: Request) -> Response:
        """`POST /twilio/hold`: what he hears in the queue, asked anew at the end of each piece."""
        call, warm = parse_voice(fields), await self.known(request)
        waited = fields.get("QueueTime", "")
        waited_s = int(waited) if re.fullmatch(r"[0-9]{1,6}", waited) else 0
        if warm is None or warm.call_sid != call.call_sid:
            log.warning("a caller waits for nobody", call_sid=call.call_sid)
        elif await self._desk.warm.waits_on(warm, waited_s):
            music_url = f"{self._desk.public_url}/twilio/hold.wav"
            return self._desk.twiml("hold.xml", music_url=music_url)
        return self._desk.twiml("warm-cancel.xml")

    async def music(self, _request: Request) -> Response:
        """`GET /twilio/hold.wav`: the same for everybody, so that nobody has to sign for it."""
        headers = {"Cache-Control": f"public, max-age={limits.outbound.HOLD_MUSIC_CACHED_S}"}
        return Response(hold_music_wav(), media_type="audio/wav", headers=headers)

    # --- The person is asked ---

    async def whisper(self, fields: dict[str, str], request: Request) -> Response:
        """`POST /twilio/whisper`: what the person hears, and then which key he pressed."""
        desk, warm = self._desk, await self.known(request)
        if warm is None:
            log.warning("somebody was rung for a call that nobody knows")
            return desk.twiml("hangup.xml")
        if "key" not in request.query_params:
            late = await desk.warm.outcome(warm) is not None
            return desk.twiml("hangup.xml") if late else self._say(warm)
        if fields.get("Digits") != TAKES:
            await desk.warm.nobody_comes(warm, DECLINED)
        elif await desk.warm.takes(warm):
            return desk.twiml(
                "warm-connect.xml" if warm.ours else "warm-accepted.xml", queue=warm.queue
            )
        return desk.twiml("hangup.xml")

    def _say(self, warm: WarmTransfer) -> Response:
        return self._desk.twiml(
            "whisper.xml",
            warm.language,
            summary=warm.summary,
            key_url=f"{self._desk.public_url}/twilio/whisper?transfer={warm.id}&key=1",
        )

    async def step(self, fields: dict[str, str], request: Request) -> Response:
        """`POST /twilio/rung`: the person's call is over, or never came about."""
        status, warm = parse_voice(fields).status, await self.known(request)
        if warm is not None and status in TERMINAL:
            outcome = DECLINED if status == "completed" else _failure(status)
            await self._desk.warm.person_is_over(warm, outcome)
        return Response(status_code=204)

    # --- What becomes of the caller ---

    async def known(self, request: Request) -> WarmTransfer | None:
        """The transfer in the query of the address; None for one that nobody knows."""
        return await self._desk.warm.find(request.query_params.get("transfer", "")[:64])

    async def out_of_queue(
        self, call: VoiceRequest, fields: dict[str, str], request: Request
    ) -> None:
        """The caller is not in it any more, and may have hung up."""
        queue_sid = fields.get("QueueSid", "")
        if _QUEUE_SID.fullmatch(queue_sid):
            self._desk.warm.forget_queue(queue_sid)
        gone = call.status in TERMINAL and fields.get("QueueResult") not in _BRIDGED
        warm = await self.known(request) if gone else None
        if warm is not None:
            await self._desk.warm.caller_is_over(warm)

    def redirected(self, warm: WarmTransfer) -> Response:
        """We take him out ourselves: this is asked besides, and it does no harm when obeyed."""
        return self._desk.twiml("warm-return.xml", after_url=self._desk.warm.after_url(warm))

    async def outcome(self, warm: WarmTransfer | None, fields: dict[str, str]) -> str:
        """What became of a warm transfer, as the status of a plain dial."""
        dialled, result = fields.get("DialCallStatus", ""), fields.get("QueueResult", "")
        if result in _BRIDGED:
            return "completed"
        if warm is None:
            return FAILED
        if not dialled:
            return await self._desk.warm.came_out(warm)
        answered = dialled in ("completed", "answered")
        await self._desk.warm.settle(warm, DECLINED if answered else _failure(dialled))
        taken = await self._desk.warm.outcome(warm) == TAKEN
        return "completed" if taken else DECLINED if answered else dialled


def _failure(status: str) -> str:
    return status if status in _UNANSWERED else FAILED
