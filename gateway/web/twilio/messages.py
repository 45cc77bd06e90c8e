"""`POST /twilio/messages`: a text or photo to one of our numbers, by SMS, MMS or WhatsApp."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from starlette.requests import Request
from starlette.responses import Response

from gateway import limits
from gateway.agents.texts.written import written_texts
from gateway.bridge.messaging.pictures import Pictures
from gateway.ops.telemetry.logs import masked
from gateway.protocols.twilio_webhooks import MessageRequest, parse_message
from gateway.web.twilio.context import TwilioContext

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MessageEndpoint:
    desk: TwilioContext
    photos: Pictures

    async def messages(self, fields: dict[str, str], _request: Request) -> Response:
        """Answered at once: what came with it is fetched afterwards, and only once."""
        message, store = parse_message(fields), self.desk.store
        key = f"message:{message.message_sid}"
        if not await store.claim(key, limits.messages.MESSAGE_REMEMBERED_S):
            known = await store.get(f"{key}:answer")
            return Response(known, media_type="text/xml") if known else self._nothing()
        call = await self.photos.call_between(message.sender, message.to)
        if call is None:
            response = await self._no_call(message)
        else:
            self.photos.take(message, call)
            response = self._nothing()
        answer = bytes(response.body).decode()
        await store.put(f"{key}:answer", answer, limits.messages.MESSAGE_REMEMBERED_S)
        return response

    def _nothing(self) -> Response:
        return self.desk.twiml("no-message.xml")

    async def _no_call(self, message: MessageRequest) -> Response:
        self.photos.belongs_nowhere(message)
        log.debug("a message that belongs to no call", sender=masked(message.sender))
        key = f"answered:{message.sender}:{message.to}"
        agent = self.desk.registry.book.pick(message.to)
        if not await self.desk.store.claim(key, limits.messages.MESSAGE_ANSWERED_EVERY_S):
            return self._nothing()
        words = written_texts(agent.language if agent else "en")
        return self.desk.twiml("message.xml", text=words.no_call)
