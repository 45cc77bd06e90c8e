"""The record of one call: its shapes.

These types are the JSON of the API and of the files, and the schemas of the API's description.
Times ending in `_s` are seconds since the call was announced.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from gateway.call.call_info import CallPath
from gateway.call.privacy.call_privacy import CallPrivacy

Who = Literal["caller", "model"]
_Seconds = Annotated[float, Meta(ge=0)]
_Ms = Annotated[int, Meta(ge=0)]
_Count = Annotated[int, Meta(ge=0)]


class SpeechSpan(Struct):
    """Span of speech, as the caller hears it; `to_s` is null while it lasts."""

    who: Who
    from_s: _Seconds
    to_s: _Seconds | None = None


class RecordTurn(Struct):
    """Wait of the caller from the end of their speech to the first sound, and its stages."""

    number: _Count
    at_s: _Seconds
    wait_ms: _Ms
    detection_ms: _Ms
    model_ms: _Ms
    gateway_ms: _Ms
    playback_ms: _Ms


class RecordInterruption(Struct):
    at_s: _Seconds
    heard_ms: _Ms
    reaction_ms: _Ms


class RecordToolUse(Struct):
    at_s: _Seconds
    name: str


class RecordApproval(Struct):
    """Approval of a tool call: requested, and granted or not."""

    id: str
    at_s: _Seconds
    server: str
    tool: str
    until_s: _Seconds
    """After this time the request counts as refused."""
    arguments: str = ""
    """JSON while the request is pending; afterwards empty, since it may hold people's words."""
    outcome: str | None = None
    """Null while it is pending."""


class RecordHandOver(Struct):
    """Change of the agent that leads the call."""

    at_s: _Seconds
    before: str
    agent: str
    model: str
    cost_usd: str | None = None
    """Cost of the call until then: the difference to the next one is the agent's."""


class RecordLine(Struct):
    """Line of the transcript, at the time at which its speech began."""

    at_s: _Seconds
    who: Who
    text: str


class RecordMessage(Struct):
    """Message that the caller left; name and number are as they gave them, or empty."""

    at_s: _Seconds
    text: str
    name: str
    callback: str


class RecordQuote(Struct):
    """Words of the caller's that a field of the result rests on."""

    item_id: str
    quote: str


class RecordResult(Struct):
    """Result of the call, as the model filled it in, see `ResultFiled`."""

    filed_at: str
    """RFC 3339, UTC."""
    status: Literal["filed", "failed", "skipped"]
    reason: str = ""
    tries: _Count = 0
    fields: dict[str, Any] = {}
    evidence: dict[str, list[RecordQuote]] = {}
    unproven: list[str] = []


class RecordPrivacy(Struct, frozen=True):
    """Switches that applied to a call: of all agents that took part, the strictest."""

    record: Literal["none", "metadata", "transcript"] = "metadata"
    preset: str = "default"
    """`privacy` of the agent; of several that differ all of them, like `hipaa+pci`."""
    redact: tuple[str, ...] = ()
    retain_days: int | None = None
    """Null: as long as `GATEWAY_RETAIN_DAYS` says."""
    transcribed: bool = True
    """Whether the caller's words were written down at all."""
    recording_stopped_by: str = ""
    """Agent that took the call over and records none: from then on nothing was recorded."""


def privacy_of(privacy: CallPrivacy, recording_stopped_by: str = "") -> RecordPrivacy:
    """Return the switches of a call as its record has them."""
    return RecordPrivacy(
        record=privacy.record,
        preset=privacy.preset,
        redact=privacy.redact,
        retain_days=privacy.retain_days,
        transcribed=privacy.transcribed,
        recording_stopped_by=recording_stopped_by,
    )


class RecordRecording(Struct):
    """Recording of the call, once it is stored."""

    format: str
    """`opus` or `wav`."""
    seconds: _Seconds
    began_s: float
    """When its first sample was heard."""
    bytes: _Count
    sha256: str
    """Of the sound file, as `GET /api/calls/{id}/recording` returns it."""
    gaps: _Count
    sealed: bool
    key: str
    """Name of the object, below `GATEWAY_RECORDINGS`."""


class CallSummary(Struct):
    """A call in a list."""

    id: str
    """CallSid, or OpenAI's call id on the SIP path."""
    call_sid: str
    agent: str
    """Who leads the call, or led it last."""
    model: str
    path: CallPath
    caller: str
    """Masked. Of a call that we placed: whom we called."""
    dialled: str
    """Masked. Our own number."""
    began_at: str
    """RFC 3339, UTC."""
    direction: Literal["inbound", "outbound"] = "inbound"
    state: Literal["expected", "talking", "ended"] = "expected"
    seconds: _Seconds | None = None
    """Since the caller arrived, once it has ended."""
    turns: _Count = 0
    wait_p50_ms: _Ms | None = None
    wait_p95_ms: _Ms | None = None
    barge_ins: _Count = 0
    tools: _Count = 0
    tokens: _Count = 0
    cost_usd: str | None = None
    """Decimal; null without a price."""
    ending: str | None = None
    reason: str = ""
    well: bool | None = None
    """Whether it ended as somebody in it wanted."""
    rings_s: _Seconds | None = None
    """Of a call that we placed; the same for the next two."""
    answered_s: _Seconds | None = None
    answered_by: Literal["human", "machine", "fax", "unknown"] | None = None
    arrived_s: _Seconds | None = None
    model_ready_s: _Seconds | None = None
    first_sound_s: _Seconds | None = None
    language: str | None = None
    """The caller's, once it was told."""


class CallRecord(CallSummary):
    """All that is known of a call."""

    timeline: list[SpeechSpan] = []
    latency: list[RecordTurn] = []
    interruptions: list[RecordInterruption] = []
    tool_calls: list[RecordToolUse] = []
    approvals: list[RecordApproval] = []
    hand_overs: list[RecordHandOver] = []
    transcript: list[RecordLine] = []
    messages: list[RecordMessage] = []
    result: RecordResult | None = None
    """Null as long as it is being asked for, and where the agent wants none."""
    privacy: RecordPrivacy | None = None
    recording: RecordRecording | None = None

    def summary(self) -> CallSummary:
        """Return a copy of the single values, as a list of calls shows them."""
        return CallSummary(**{name: getattr(self, name) for name in CallSummary.__struct_fields__})
