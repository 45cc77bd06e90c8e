"""Keys that a caller typed at the carrier: passed to the operator's function, and to nobody else.

The fields of these requests have digits in them. They are in this module's local variables and in
one request to the operator; the conversation gets the answer.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from prometheus_client import Counter
from starlette.requests import Request
from starlette.responses import Response

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.secret_input import SecretDigits
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.failover.snapshots import SnapshotStore
from gateway.call.briefing import NO_BRIEFING
from gateway.ops.store.shared import Store
from gateway.protocols.twilio_webhooks import TERMINAL, VoiceRequest, parse_voice
from gateway.tools.python import ToolContext
from gateway.tools.secret_functions import SecretAnswer
from gateway.web.twilio.failover import Failover
from gateway.web.twilio.secret_entries import SecretEntries, SecretEntry
from gateway.web.twilio.twiml_documents import TwimlDocuments, twiml

log = structlog.get_logger()
_RETRY: Final = "i-twilio-idempotency-token"
_DIGITS: Final = re.compile(rf"[0-9]{{1,{limits.tools.SECRET_DIGITS_MAX}}}")
_PAY_RESULTS: Final = {
    "too-many-failed-attempts": "mistyped",
    "caller-interrupted-with-star": "cancelled",
    "caller-hung-up": "hung_up",
}
"""Results of `<Pay>` but `success`; any other is an error of the connector, or of the request."""
_PAY_FIELDS: Final = {
    "payment_token": "PaymentToken",
    "profile_id": "ProfileId",
    "card_type": "PaymentCardType",
    "card": "PaymentCardNumber",
    "expires": "ExpirationDate",
}
"""Fields that the operator gets, under names of ours; the carrier has masked the card's number."""
_PAY_FIELD_MAX_CHARS: Final = 256

Current = Callable[[VoiceRequest], Awaitable[tuple[VoiceRequest, Agent | None]]]


class SecretInputEndpoints:
    """Webhooks of `<Gather>` and `<Pay>`; each answers with the caller's way back."""

    def __init__(
        self,
        registry: CallRegistry,
        store: Store,
        entries: SecretEntries,
        snapshots: SnapshotStore,
        failover: Failover,
        documents: TwimlDocuments,
        current: Current,
        ended: Counter,
    ) -> None:
        """`current` returns the agent of a call; `ended` counts inputs by how they ended."""
        self._registry, self._store, self._entries = registry, store, entries
        self._snapshots, self._failover, self._documents = snapshots, failover, documents
        self._current, self._ended = current, ended

    async def digits(self, fields: dict[str, str], request: Request) -> Response:
        """`POST /twilio/digits`: the caller has typed, or has not."""
        typed = fields.get("Digits", "")

        async def next_document(call: VoiceRequest, entry: SecretEntry) -> Response:
            if "*" in typed:
                return await self._over(call, entry, SecretAnswer("cancelled"))
            entered = typed.strip("#")
            wanted = self._wanted(call, entry)
            if not entered:
                return await self._failed(call, entry, SecretAnswer("timeout"))
            exact = wanted.digits if isinstance(wanted, SecretDigits) else None
            if not _DIGITS.fullmatch(entered) or exact not in (None, len(entered)):
                return await self._failed(call, entry, SecretAnswer("mistyped"))
            answer = await self._ask(call, entry, {"digits": entered})
            if answer.outcome == "refused":
                return await self._failed(call, entry, answer)
            return await self._over(call, entry, answer)

        return await self._answered(fields, request, next_document)

    async def payment(self, fields: dict[str, str], request: Request) -> Response:
        """`POST /twilio/payment`: the Pay Connector has a token, or has none."""
        result = fields.get("Result", "")

        async def next_document(call: VoiceRequest, entry: SecretEntry) -> Response:
            if result != "success":
                outcome = _PAY_RESULTS.get(result, "error")
                if outcome == "error":
                    log.warning("payment_failed", call_sid=call.call_sid, agent=entry.agent)
                return await self._over(call, entry, SecretAnswer(outcome))
            known = {name: fields.get(field, "") for name, field in _PAY_FIELDS.items()}
            given = {n: value[:_PAY_FIELD_MAX_CHARS] for n, value in known.items() if value}
            return await self._over(call, entry, await self._ask(call, entry, given))

        return await self._answered(fields, request, next_document)

    async def hung_up(self, call_sid: str) -> None:
        """Count an input whose caller has hung up meanwhile: no document follows."""
        entry = await self._entries.take(call_sid)
        if entry is not None:
            self._count(entry, "hung_up")

    # --- One request ---

    async def _answered(
        self,
        fields: dict[str, str],
        request: Request,
        next_document: Callable[[VoiceRequest, SecretEntry], Awaitable[Response]],
    ) -> Response:
        call, agent = await self._current(parse_voice(fields))
        if call.status in TERMINAL:
            await self.hung_up(call.call_sid)
            self._registry.leg_is_over(call.call_sid)
            return self._documents.response("hangup.xml")
        retry = request.headers.get(_RETRY)
        known = await self._store.get(f"secret-next:{retry}") if retry else None
        if known is not None:
            return twiml(known)
        entry = await self._entries.find(call.call_sid, request.query_params.get("entry", ""))
        if entry is None:
            log.warning("secret_input_unknown", call_sid=call.call_sid)
            return await self._failover.back(call, agent)
        response = await next_document(call, entry)
        if retry:
            body = bytes(response.body).decode()
            key = f"secret-next:{retry}"
            await self._store.put(key, body, limits.web.WEBHOOK_REMEMBERED_S)
        return response

    def _agent(self, call: VoiceRequest, entry: SecretEntry) -> Agent | None:
        return self._registry.agents.agent(entry.agent, call.call_sid)

    def _wanted(self, call: VoiceRequest, entry: SecretEntry) -> object:
        agent = self._agent(call, entry)
        return None if agent is None else agent.secret_input(entry.kind, entry.name)

    async def _ask(
        self, call: VoiceRequest, entry: SecretEntry, typed: dict[str, str]
    ) -> SecretAnswer:
        agent = self._agent(call, entry)
        if agent is None:
            return SecretAnswer("error")
        state = await self._snapshots.known(call.call_sid)
        briefing = NO_BRIEFING if state is None else state.briefing
        context = ToolContext(
            call.call_sid,
            call.caller,
            call.dialled,
            entry.agent,
            call.call_sid,
            direction="outbound" if call.outbound else "inbound",
            facts=briefing.facts,
        )
        functions = self._registry.agents.version_of(agent).toolbox.secret_functions
        return await functions.ask(entry.kind, entry.name, typed, context)

    async def _failed(
        self, call: VoiceRequest, entry: SecretEntry, answer: SecretAnswer
    ) -> Response:
        """Have the caller type once more, a few times; then the agent is told."""
        agent = self._agent(call, entry)
        wanted = None if agent is None else agent.secret_input(entry.kind, entry.name)
        if agent is None or wanted is None or entry.attempts >= wanted.attempts:
            return await self._over(call, entry, answer)
        return twiml(await self._entries.again(call.call_sid, entry, agent))

    async def _over(self, call: VoiceRequest, entry: SecretEntry, answer: SecretAnswer) -> Response:
        await self._entries.take(call.call_sid)
        self._count(entry, answer.outcome)
        if answer.outcome == "hung_up":
            return self._documents.response("hangup.xml")
        agent = self._agent(call, entry)
        return await self._failover.back(call, agent, entry, answer)

    def _count(self, entry: SecretEntry, outcome: str) -> None:
        self._ended.labels(entry.agent, entry.kind, outcome).inc()
