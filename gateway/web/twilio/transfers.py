"""Transfers of a caller to a person: the documents for them, and the webhooks of a warm transfer.

A warm transfer is two calls: the caller waits in a queue of their own, with hold music; the person
is called by REST, hears a summary, and connects to that queue by pressing a key. Where we have no
number to call from, Twilio dials the person instead, with the same summary before the two are
connected. Only the key tells whether the person took the call: what `DialCallStatus` says of a
person who was never connected is nowhere documented.

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
from gateway.bridge.outbound.warm_transfer import (
    ACCEPTED,
    DECLINED,
    FAILED,
    WarmTransfer,
    WarmTransfers,
)
from gateway.call.call_info import CallInfo
from gateway.call.commands import TransferCaller
from gateway.protocols.twilio_webhooks import TERMINAL, VoiceRequest, parse_voice
from gateway.web.twilio.legs import TRANSFER, after_url
from gateway.web.twilio.twiml_documents import TwimlDocuments

log = structlog.get_logger()
ACCEPT_KEY: Final = "1"
"""DTMF key with which a person takes a call."""
REDIRECTED: Final = "redirected"
_BRIDGED: Final = frozenset({"bridged", "redirected-from-bridged"})
_QUEUE_SID: Final = re.compile(r"QU[0-9a-fA-F]{32}")
_UNANSWERED: Final = frozenset({"busy", "no-answer"})


class TransferWebhooks:
    """Webhooks of the two calls of a warm transfer, and the documents that begin any transfer."""

    def __init__(self, public_url: str, documents: TwimlDocuments, warm: WarmTransfers) -> None:
        self._public_url, self._documents, self._warm = public_url, documents, warm

    async def document(
        self, call: CallInfo | VoiceRequest, to: TransferCaller, language: str
    ) -> str:
        """Return the TwiML that connects a caller to the target of a transfer."""
        after = after_url(self._public_url, TRANSFER)
        if to.way == "queue":
            return self._documents.render("queue.xml", language, queue=to.to, after_url=after)
        if to.way == "dial":
            return self._documents.dial(to.to, language, after)
        warm = await self._warm.begin(call.call_sid, call.dialled, to, language)
        after = self._warm.after_url(warm)
        if not warm.ours:
            whisper_url = f"{self._public_url}/twilio/whisper?transfer={warm.id}"
            return self._documents.dial(to.to, language, after, whisper_url)
        hold_url = f"{self._public_url}/twilio/hold?transfer={warm.id}"
        return self._documents.render(
            "warm.xml", language, queue=warm.queue, after_url=after, hold_url=hold_url
        )

    # --- The caller waits ---

    async def hold(self, fields: dict[str, str], request: Request) -> Response:
        """`POST /twilio/hold`: what the caller hears in the queue, requested piece by piece."""
        call, warm = parse_voice(fields), await self.known(request)
        waited = fields.get("QueueTime", "")
        waited_s = int(waited) if re.fullmatch(r"[0-9]{1,6}", waited) else 0
        if warm is None or warm.call_sid != call.call_sid:
            log.warning("warm_transfer_unknown", call_sid=call.call_sid, webhook="hold")
        elif await self._warm.waits_on(warm, waited_s):
            music_url = f"{self._public_url}/twilio/hold.wav"
            return self._documents.response("hold.xml", music_url=music_url)
        return self._documents.response("warm-cancel.xml")

    async def music(self, _request: Request) -> Response:
        """`GET /twilio/hold.wav`: public, so that it needs no signature."""
        headers = {"Cache-Control": f"public, max-age={limits.outbound.HOLD_MUSIC_CACHED_S}"}
        return Response(hold_music_wav(), media_type="audio/wav", headers=headers)

    # --- The person is asked ---

    async def whisper(self, fields: dict[str, str], request: Request) -> Response:
        """`POST /twilio/whisper`: the summary for the person, and then the key they pressed."""
        warm = await self.known(request)
        if warm is None:
            log.warning(
                "warm_transfer_unknown", call_sid=fields.get("CallSid", "")[:34], webhook="whisper"
            )
            return self._documents.response("hangup.xml")
        if "key" not in request.query_params:
            late = await self._warm.outcome(warm) is not None
            return self._documents.response("hangup.xml") if late else self._summary(warm)
        if fields.get("Digits") != ACCEPT_KEY:
            await self._warm.nobody_comes(warm, DECLINED)
        elif await self._warm.accept(warm):
            return self._documents.response(
                "warm-connect.xml" if warm.ours else "warm-accepted.xml", queue=warm.queue
            )
        return self._documents.response("hangup.xml")

    def _summary(self, warm: WarmTransfer) -> Response:
        return self._documents.response(
            "whisper.xml",
            warm.language,
            summary=warm.summary,
            key_url=f"{self._public_url}/twilio/whisper?transfer={warm.id}&key=1",
        )

    async def person_status(self, fields: dict[str, str], request: Request) -> Response:
        """`POST /twilio/person`: the person's call has ended, or was never answered."""
        status, warm = parse_voice(fields).status, await self.known(request)
        if warm is not None and status in TERMINAL:
            outcome = DECLINED if status == "completed" else _failure(status)
            await self._warm.person_is_over(warm, outcome)
        return Response(status_code=204)

    # --- What becomes of the caller ---

    async def known(self, request: Request) -> WarmTransfer | None:
        """Return the transfer that the query names, or None for an unknown one."""
        return await self._warm.find(request.query_params.get("transfer", "")[:64])

    async def out_of_queue(
        self, call: VoiceRequest, fields: dict[str, str], request: Request
    ) -> None:
        """Clean up after a caller who is not in the queue any more, and may have hung up."""
        queue_sid = fields.get("QueueSid", "")
        if _QUEUE_SID.fullmatch(queue_sid):
            self._warm.forget_queue(queue_sid)
        gone = call.status in TERMINAL and fields.get("QueueResult") not in _BRIDGED
        warm = await self.known(request) if gone else None
        if warm is not None:
            await self._warm.caller_is_over(warm)

    def redirected(self, warm: WarmTransfer) -> Response:
        """Return the document for a caller whom a REST redirect took out of the queue.

        Twilio requests it beside the redirect; obeying both does no harm.
        """
        return self._documents.response("warm-return.xml", after_url=self._warm.after_url(warm))

    async def outcome(self, warm: WarmTransfer | None, fields: dict[str, str]) -> str:
        """Return what became of a warm transfer, as the status of a plain dial."""
        dial_status, result = fields.get("DialCallStatus", ""), fields.get("QueueResult", "")
        if result in _BRIDGED:
            return "completed"
        if warm is None:
            return FAILED
        if not dial_status:
            return await self._warm.left_queue(warm)
        answered = dial_status in ("completed", "answered")
        await self._warm.settle(warm, DECLINED if answered else _failure(dial_status))
        taken = await self._warm.outcome(warm) == ACCEPTED
        return "completed" if taken else DECLINED if answered else dial_status


def _failure(status: str) -> str:
    return status if status in _UNANSWERED else FAILED
