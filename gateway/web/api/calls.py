"""The operators' API: lists of calls, their records, and actions on running ones."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
import structlog
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.bridge.agents_reload import AgentsReload
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.operators.actions import (
    ACCEPTED,
    ActionOutcome,
    OperatorAction,
    OperatorActions,
)
from gateway.bridge.operators.remote_calls import RemoteCalls
from gateway.bridge.outbound.outbound_calls import OutboundCalls
from gateway.call.briefing import briefing_of
from gateway.errors import NotDialled, PeerError
from gateway.imaging.image_processor import ImageProcessor
from gateway.ops.access.audit_log import AuditLog
from gateway.ops.access.token_book import TokenBook
from gateway.ops.delivery.delivery_queue import DeliveryQueue
from gateway.ops.recordings.library import RecordingLibrary
from gateway.ops.records.event_stream import EventStream, Subscription
from gateway.ops.records.forgetting import Forgetting
from gateway.ops.records.record import CallRecord
from gateway.ops.records.store import RecordStore
from gateway.web.api import recordings
from gateway.web.api.call_queries import call_query
from gateway.web.api.paging import cursor_of, first_cursor
from gateway.web.api.shapes import (
    AgentInfo,
    AgentList,
    CallList,
    DecisionBody,
    DialBody,
    DoneBody,
    PhoneLink,
    PhoneLinkBody,
    SayBody,
    TransferBody,
)
from gateway.web.api.words import WORDLESS_PARTS, StreamedPart, without_words
from gateway.web.http.problems import RequestRefused
from gateway.web.http.request_body import body_of, media_type

log = structlog.get_logger()
IMAGE_TYPES: Final = ("image/png", "image/jpeg", "image/webp")
_BodyT = TypeVar("_BodyT", bound=Struct)


@dataclass(frozen=True, slots=True)
class CallsEndpoints:
    """Handlers of the operators' API."""

    registry: CallRegistry
    records: RecordStore
    event_stream: EventStream
    image_processor: ImageProcessor
    outbound: OutboundCalls
    actions: OperatorActions
    remote: RemoteCalls
    phone_link: Callable[[str, float], tuple[str, float]]
    """Returns the link for an agent and a time in seconds, and when it expires, Unix time."""
    agents_reload: AgentsReload
    deliveries: DeliveryQueue
    tokens: TokenBook
    audit: AuditLog
    library: RecordingLibrary
    forgetting: Forgetting
    on_image_refused: Callable[[str], None]
    """Gets why an operator's picture could not be shown."""

    # --- Reading ---

    async def calls(self, request: Request) -> Response:
        """`GET /api/calls`"""
        wanted = call_query(request)
        live, elsewhere = [], set()
        # Running calls stand on the first page, however many they are.
        if wanted.state != "ended" and wanted.after is None:
            own = self.records.live(wanted.calls)
            known = {call.id for call in own}
            others = [c for c in await self.remote.live(wanted.calls) if c.id not in known]
            elsewhere = {call.id for call in others}
            live = sorted([*own, *others], key=lambda call: call.began_at, reverse=True)
            live = live[: wanted.limit]
        shown = [call.id for call in live if call.id in elsewhere]
        left = wanted.limit - len(live)
        if wanted.state == "live" or not left:
            following = None if wanted.state == "live" else first_cursor()
            return _json(CallList(live, following, complete=True, elsewhere=shown))
        page = await self.records.ended(wanted.calls, left, wanted.after)
        # A call that has just moved to another process may have ended here.
        running = {call.id for call in live}
        ended = [call for call in page.calls if call.id not in running]
        return _json(CallList([*live, *ended], cursor_of(page.after), page.complete, shown))

    async def call(self, request: Request) -> Response:
        """`GET /api/calls/{id}`"""
        record = await self._record(request)
        if not request.state.operator.sees_words:
            record = without_words(record)
        return _json(record)

    async def recording(self, request: Request) -> Response:
        """`GET /api/calls/{id}/recording`"""
        endpoints = recordings.RecordingEndpoints(self.library)
        return await endpoints.sound(request, await self._record(request))

    async def recording_info(self, request: Request) -> Response:
        """`GET /api/calls/{id}/recording/info`"""
        record = await self._record(request)
        began = datetime.fromisoformat(record.began_at).timestamp()
        return _json(await recordings.RecordingEndpoints(self.library).info(record, began))

    async def agents(self, _request: Request) -> Response:
        """`GET /api/agents`"""
        return _json(AgentList([_card(agent) for agent in self.registry.book.agents.values()]))

    async def events(self, request: Request) -> Response:
        """`GET /api/events`: server-sent events, each a change of some call's record."""
        subscription = self.event_stream.subscribe()
        if subscription is None:
            raise RequestRefused(503, "Too many consoles are open: close another one.")
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(
            _stream(subscription, words=request.state.operator.sees_words),
            media_type="text/event-stream",
            headers=headers,
        )

    async def _record(self, request: Request) -> CallRecord:
        key = request.path_params["id"]
        record = None
        if len(key) <= limits.web.CALL_ID_MAX_CHARS:
            record = self.records.find_live(key) or await self.remote.record(key)
            record = record or await self.records.find_ended(key)
        if record is None:
            raise RequestRefused(404, "There is no such call.")
        return record

    # --- Acting ---

    async def dial(self, request: Request) -> Response:
        """`POST /api/calls`: have an agent call a number."""
        key = request.headers.get("idempotency-key", "")
        if len(key) > limits.web.IDEMPOTENCY_KEY_MAX_CHARS:
            raise RequestRefused(
                422, f"Idempotency-Key may have {limits.web.IDEMPOTENCY_KEY_MAX_CHARS} characters."
            )
        wanted = await parsed(request, DialBody, limits.api.DIAL_BODY_MAX_BYTES)
        briefing, problems = briefing_of(wanted.about, wanted.facts)
        if problems:
            raise RequestRefused(422, problems[0])
        try:
            call_sid = await self.outbound.place(
                wanted.to, wanted.agent, wanted.from_, key, briefing
            )
        except NotDialled as error:
            raise _not_dialled(error) from error
        log.info("operator_action", action="dial", call_sid=call_sid, agent=wanted.agent)
        return _json(DoneBody(call_sid, "dial"), 202)

    async def hangup(self, request: Request) -> Response:
        """`POST /api/calls/{id}/hangup`: also cancels an outbound call that rings."""
        return await self._perform(request, OperatorAction("hangup"))

    async def say(self, request: Request) -> Response:
        """`POST /api/calls/{id}/say`"""
        wanted = await parsed(request, SayBody)
        return await self._perform(request, OperatorAction("say", wanted.text.strip()))

    async def transfer(self, request: Request) -> Response:
        """`POST /api/calls/{id}/transfer`"""
        wanted = await parsed(request, TransferBody)
        to, summary = wanted.to.strip(), wanted.summary.strip()
        return await self._perform(request, OperatorAction("transfer", to=to, summary=summary))

    async def image(self, request: Request) -> Response:
        """`POST /api/calls/{id}/image`: the body is the picture, `about` describes it."""
        if media_type(request) not in IMAGE_TYPES:
            raise RequestRefused(415, f"Send one of {', '.join(IMAGE_TYPES)}.")
        about = request.query_params.get("about", "")
        if len(about) > limits.api.ABOUT_MAX_CHARS:
            raise RequestRefused(422, f"about may have {limits.api.ABOUT_MAX_CHARS} characters.")
        if (await self._record(request)).state == "ended":
            raise RequestRefused(409, "The call has ended.")
        with self.image_processor.uploads.upload() as upload:
            body = await body_of(request, limits.images.IMAGE_BODY_MAX_BYTES, upload.add)
            try:
                url = await self.image_processor.shrink_photo(body)
            except PeerError as error:
                self.on_image_refused(error.kind)
                raise _not_shown(error.kind) from None
        return await self._perform(request, OperatorAction("image", about.strip(), image=url))

    async def approve(self, request: Request) -> Response:
        """`POST /api/calls/{id}/approvals/{approval}`: the same answer may be repeated."""
        wanted = await parsed(request, DecisionBody)
        approval = request.path_params["approval"]
        action = OperatorAction("approve", approval=approval, approve=wanted.approve)
        return await self._perform(request, action)

    async def pause_recording(self, request: Request) -> Response:
        """`POST /api/calls/{id}/recording`: pause or resume it."""
        wanted = await parsed(request, recordings.PauseBody)
        return await self._perform(request, OperatorAction("record", paused=wanted.paused))

    async def phone(self, request: Request) -> Response:
        """`POST /api/phone`"""
        wanted = await parsed(request, PhoneLinkBody)
        if wanted.agent not in self.registry.book.agents:
            raise RequestRefused(404, "There is no such agent.")
        url, expires_at = self.phone_link(wanted.agent, wanted.seconds)
        log.info("operator_action", action="phone", agent=wanted.agent, seconds=wanted.seconds)
        until = datetime.fromtimestamp(expires_at, UTC).isoformat()
        return _json(PhoneLink(url, wanted.agent, until), 201)

    async def _perform(self, request: Request, action: OperatorAction) -> Response:
        """Carry out an action here, or in the process that has the call. Raises RequestRefused."""
        key = request.path_params["id"]
        try:
            outcome = await self.actions.perform(key, action)
        except NotDialled as error:
            raise _not_dialled(error) from error
        if outcome is None:
            outcome = await self.remote.perform(key, action)
        if outcome is None:
            record = await self._record(request)
            if record.state != "ended" and self.records.find_live(key) is None:
                raise RequestRefused(503, "The process that has the call does not answer.")
            raise RequestRefused(409, "The call has ended, or was not answered yet.")
        if outcome.status != ACCEPTED:
            raise RequestRefused(outcome.status, outcome.sentence)
        return _done(outcome)


_NOT_DIALLED: Final = {
    "no_agent": 404,
    "off": 403,
    "not_outbound": 403,
    "country": 403,
    "not_e164": 422,
    "key_reused": 422,
    "refused": 422,
    "outside_hours": 409,
    "under_way": 409,
    "agent_full": 409,
    "caller_busy": 409,
    "too_fast": 429,
    "unreachable": 502,
    "unknown": 504,
}
"""HTTP status by reason; any other is 503: another process, or a later time, may do."""


def _not_dialled(error: NotDialled) -> RequestRefused:
    status = _NOT_DIALLED.get(error.reason, 503)
    headers = {"Retry-After": str(math.ceil(error.retry_s))} if status == 429 else None
    return RequestRefused(status, str(error), headers)


_PICTURES: Final = {
    "not_an_image": "The body is not a PNG, JPEG or WebP picture that can be read.",
    "heic": "HEIC pictures cannot be shown: send a JPEG.",
    "pdf": "A PDF cannot be shown: send a picture of its page.",
    "too_many_pixels": "The picture has too many pixels: send a smaller one.",
    "too_many_scans": "The JPEG has too many scans: save it anew.",
    "took_too_long": "The picture takes too long to decode.",
    "unreadable": "The picture could not be decoded.",
    "overloaded": "Too many pictures are being sent at this moment: try again.",
}


def _not_shown(kind: str) -> RequestRefused:
    if kind != "overloaded":
        return RequestRefused(422, _PICTURES[kind])
    return RequestRefused(503, _PICTURES[kind], {"Retry-After": str(limits.images.UPLOADS_RETRY_S)})


def _card(agent: Agent) -> AgentInfo:
    return AgentInfo(
        name=agent.name,
        model=agent.model,
        voice=agent.voice if isinstance(agent.voice, str) else agent.voice.id,
        path=agent.path,
        language=agent.language,
        tools=list(agent.tools),
        transfers=list(agent.transfers),
        record=agent.record,
        greeting=agent.greeting,
        recorded=agent.recording is not None,
    )


async def parsed(
    request: Request, kind: type[_BodyT], most_bytes: int = limits.api.BODY_MAX_BYTES
) -> _BodyT:
    """Return the JSON body as this type. Raises RequestRefused."""
    if media_type(request) != "application/json":
        raise RequestRefused(415, "Send application/json.")
    body = await body_of(request, most_bytes)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise RequestRefused(422, f"{error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RequestRefused(400, "The body is not JSON.") from None


def _done(outcome: ActionOutcome) -> Response:
    # The audit line, without any words of the call.
    log.info(
        "operator_action",
        action=outcome.action,
        call_sid=outcome.call_sid,
        call_id=outcome.call_id,
        agent=outcome.agent,
    )
    return _json(DoneBody(outcome.call, outcome.action), ACCEPTED)


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


async def _stream(subscription: Subscription, *, words: bool) -> AsyncIterator[bytes]:
    with subscription:
        yield b": watching\n\n"
        async for message in subscription.messages(limits.records.EVENT_STREAM_IDLE_S):
            if message is None:
                yield b": quiet\n\n"
            elif words or msgspec.json.decode(message, type=StreamedPart).part in WORDLESS_PARTS:
                yield b"data: " + message + b"\n\n"
