"""`POST /twilio/messages`: a text or photo to one of our numbers, by SMS, MMS or WhatsApp."""

from __future__ import annotations

import structlog
from starlette.requests import Request
from starlette.responses import Response

from gateway import limits
from gateway.agents.texts.written import written_texts
from gateway.bridge.calls.agents_in_use import AgentsInUse
from gateway.bridge.messaging.pictures import Pictures
from gateway.ops.store.caller_index import CallerIndex
from gateway.ops.store.key_names import hashed
from gateway.ops.store.shared import Store
from gateway.ops.telemetry.logs import masked
from gateway.protocols.twilio_webhooks import MessageRequest, parse_message
from gateway.web.twilio.twiml_documents import TwimlDocuments, twiml

log = structlog.get_logger()


class MessageEndpoint:
    """Passes callers' messages into their running calls."""

    def __init__(
        self,
        agents: AgentsInUse,
        store: Store,
        index: CallerIndex,
        pictures: Pictures,
        documents: TwimlDocuments,
    ) -> None:
        self._agents, self._store, self._index = agents, store, index
        self._pictures, self._documents = pictures, documents

    async def messages(self, fields: dict[str, str], _request: Request) -> Response:
        """Answer at once; attached media are downloaded afterwards, and only once."""
        message = parse_message(fields)
        key = f"message:{message.message_sid}"
        if not await self._store.claim(key, limits.messages.MESSAGE_REMEMBERED_S):
            known = await self._store.get(f"{key}:answer")
            return twiml(known) if known else self._nothing()
        call = await self._pictures.call_between(message.sender, message.to)
        if call is None:
            response = await self._no_call(message)
        else:
            self._pictures.take(message, call)
            response = self._nothing()
        answer = bytes(response.body).decode()
        await self._store.put(f"{key}:answer", answer, limits.messages.MESSAGE_REMEMBERED_S)
        for one in (key, f"{key}:answer"):
            await self._index.note_key(message.sender, one)
        return response

    def _nothing(self) -> Response:
        return self._documents.response("no-message.xml")

    async def _no_call(self, message: MessageRequest) -> Response:
        self._pictures.belongs_nowhere(message)
        log.debug("message_without_call", sender=masked(message.sender))
        key = f"answered:{hashed(message.sender, message.to)}"
        agent = self._agents.current.book.pick(message.to)
        if not await self._store.claim(key, limits.messages.MESSAGE_ANSWERED_EVERY_S):
            return self._nothing()
        await self._index.note_key(message.sender, key)
        words = written_texts(agent.language if agent else "en")
        return self._documents.response("message.xml", text=words.no_call)
