"""The model's wire, as it comes in: GA events by the vendor's own types, and any junk at all."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_values import json_values
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter
from search import draws, search

from gateway.errors import PeerError
from gateway.limits.sockets import (
    MODEL_EVENT_LARGE_BYTES,
    MODEL_EVENT_MAX_BYTES,
    MODEL_EVENT_PARTS_MAX,
    MODEL_SOUND_MAX_BYTES,
)
from gateway.protocols import realtime_codec as codec
from gateway.protocols import realtime_server as wire

_vendor: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
VENDOR_TYPES = {
    get_args(arm.model_fields["type"].annotation)[0]
    for arm in get_args(get_args(RealtimeServerEvent)[0])
}
OURS = {str(kind.__struct_config__.tag): kind for kind in get_args(wire.Known)}

USAGE = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 119,
        "audio_tokens": 13,
        "image_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}
CALL = {
    "id": "item_2",
    "object": "realtime.item",
    "type": "function_call",
    "status": "completed",
    "name": "end_call",
    "call_id": "call_1",
    "arguments": "{}",
}
MESSAGE = {
    "id": "item_1",
    "object": "realtime.item",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "output_audio", "transcript": "Hello."}],
}
RESPONSE = {
    "object": "realtime.response",
    "id": "resp_1",
    "status": "completed",
    "status_details": None,
    "output": [MESSAGE, CALL],
    "conversation_id": "conv_1",
    "output_modalities": ["audio"],
    "max_output_tokens": "inf",
    "audio": {"output": {"format": {"type": "audio/pcmu"}, "voice": "marin"}},
    "usage": USAGE,
    "metadata": None,
}
SESSION = {
    "type": "realtime",
    "object": "realtime.session",
    "id": "sess_1",
    "expires_at": 1_800_000_000,
    "model": "gpt-realtime-2.1",
    "audio": {
        "input": {"format": {"type": "audio/pcm", "rate": 24000}},
        "output": {"format": {"type": "audio/pcmu"}},
    },
}
SOUND = bytes(range(96))
OF_ITEM = {"item_id": "item_1", "response_id": "resp_1", "output_index": 0, "content_index": 0}
EVENTS: list[dict[str, Any]] = [
    {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "code": "invalid_value",
            "message": "No.",
            "param": "session.voice",
            "event_id": "ours",
        },
    },
    {"type": "session.created", "session": SESSION},
    {"type": "session.updated", "session": SESSION},
    {"type": "conversation.item.added", "previous_item_id": None, "item": MESSAGE},
    {"type": "conversation.item.done", "previous_item_id": "item_0", "item": CALL},
    {"type": "conversation.item.deleted", "item_id": "item_1"},
    {
        "type": "conversation.item.truncated",
        "item_id": "item_1",
        "content_index": 0,
        "audio_end_ms": 1500,
    },
    {
        "type": "conversation.item.input_audio_transcription.delta",
        "item_id": "item_1",
        "content_index": 0,
        "delta": "Hel",
    },
    {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": "item_1",
        "content_index": 0,
        "transcript": "Hello.",
        "usage": {"type": "duration", "seconds": 3},
    },
    {
        "type": "conversation.item.input_audio_transcription.failed",
        "item_id": "item_1",
        "content_index": 0,
        "error": {"type": "transcription_error", "code": "audio_unintelligible", "message": "?"},
    },
    {"type": "input_audio_buffer.speech_started", "audio_start_ms": 1000, "item_id": "item_1"},
    {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2000, "item_id": "item_1"},
    {"type": "input_audio_buffer.committed", "previous_item_id": None, "item_id": "item_1"},
    {"type": "input_audio_buffer.cleared"},
    {
        "type": "input_audio_buffer.timeout_triggered",
        "audio_start_ms": 0,
        "audio_end_ms": 6000,
        "item_id": "item_1",
    },
    {"type": "input_audio_buffer.dtmf_event_received", "event": "9", "received_at": 1_763_605_109},
    {"type": "output_audio_buffer.started", "response_id": "resp_1"},
    {"type": "output_audio_buffer.stopped", "response_id": "resp_1"},
    {"type": "output_audio_buffer.cleared", "response_id": "resp_1"},
    {"type": "response.created", "response": RESPONSE | {"status": "in_progress", "output": []}},
    {"type": "response.done", "response": RESPONSE},
    {
        "type": "response.output_item.added",
        "response_id": "resp_1",
        "output_index": 0,
        "item": MESSAGE,
    },
    {"type": "response.output_item.done", "response_id": "resp_1", "output_index": 1, "item": CALL},
    OF_ITEM | {"type": "response.output_audio.delta", "delta": base64.b64encode(SOUND).decode()},
    OF_ITEM | {"type": "response.output_audio.done"},
    OF_ITEM | {"type": "response.output_audio_transcript.delta", "delta": "Hel"},
    OF_ITEM | {"type": "response.output_audio_transcript.done", "transcript": "Hello."},
    {
        "type": "rate_limits.updated",
        "rate_limits": [
            {"name": "tokens", "limit": 50000, "remaining": 49950, "reset_seconds": 0.06}
        ],
    },
    {"type": "mcp_list_tools.in_progress", "item_id": "mcpl_1"},
    {"type": "mcp_list_tools.completed", "item_id": "mcpl_1"},
    {"type": "mcp_list_tools.failed", "item_id": "mcpl_1"},
    {
        "type": "response.mcp_call_arguments.done",
        "response_id": "resp_1",
        "item_id": "mcp_1",
        "output_index": 0,
        "arguments": "{}",
    },
    {"type": "response.mcp_call.in_progress", "item_id": "mcp_1", "output_index": 0},
    {"type": "response.mcp_call.completed", "item_id": "mcp_1", "output_index": 0},
    {"type": "response.mcp_call.failed", "item_id": "mcp_1", "output_index": 0},
]
MCP_CALL = {
    "type": "mcp_call",
    "id": "mcp_1",
    "server_label": "crm",
    "name": "find",
    "arguments": "{}",
    "output": None,
}
MCP_ITEMS: list[dict[str, Any]] = [
    {
        "type": "mcp_list_tools",
        "id": "mcpl_1",
        "server_label": "crm",
        "tools": [{"name": "find", "input_schema": {"type": "object"}, "annotations": None}],
    },
    {
        "type": "mcp_approval_request",
        "id": "mcpr_1",
        "server_label": "crm",
        "name": "find",
        "arguments": "{}",
    },
    {
        "type": "mcp_approval_response",
        "id": "ours_1",
        "approval_request_id": "mcpr_1",
        "approve": False,
        "reason": "No.",
    },
    MCP_CALL | {"output": "Found.", "approval_request_id": "mcpr_1"},
    MCP_CALL | {"error": {"type": "protocol_error", "code": -32602, "message": "No."}},
    MCP_CALL | {"error": {"type": "tool_execution_error", "message": "It broke."}},
    MCP_CALL | {"error": {"type": "http_error", "code": 502, "message": "Bad gateway"}},
]


def said(event: dict[str, Any]) -> bytes:
    return json.dumps({"event_id": "event_1"} | event).encode()


def kind_of_fault(text: bytes | str) -> str:
    with pytest.raises(PeerError) as caught:
        codec.parse(text)
    return caught.value.kind


by_type = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["type"])


@by_type
def test_an_event_as_the_vendor_types_it_is_read(event: dict[str, Any]) -> None:
    vendors = _vendor.validate_json(said(event))
    assert vendors.type == event["type"]
    parsed = codec.parse(said(event))
    assert type(parsed) is OURS[event["type"]]


def test_no_event_that_is_read_is_untested() -> None:
    assert {event["type"] for event in EVENTS} == set(OURS)


def test_what_needs_no_answer_is_the_vendors_too() -> None:
    assert codec.IGNORED <= VENDOR_TYPES
    assert not codec.IGNORED & set(OURS)
    for kind in codec.IGNORED:
        assert codec.parse(said({"type": kind, "item_id": 7})) == wire.Ignored(kind)


@by_type
def test_what_the_simulator_says_the_vendor_reads(event: dict[str, Any]) -> None:
    """`encode` is how our own server speaks: the other side of the same types."""
    parsed = codec.parse(said(event))
    again = codec.parse(codec.encode(parsed))  # type: ignore[arg-type]
    assert again == parsed


@by_type
def test_new_fields_are_no_harm(event: dict[str, Any]) -> None:
    more = event | {"new": {"deep": [1, None]}}
    assert codec.parse(said(more)) == codec.parse(said(event))


def test_the_fields_that_a_call_stands_on() -> None:
    delta = codec.parse(said(EVENTS[23]))
    assert delta == wire.AudioDelta(
        response_id="resp_1", item_id="item_1", delta=SOUND, event_id="event_1"
    )
    done = codec.parse(said({"type": "response.done", "response": RESPONSE}))
    assert isinstance(done, wire.ResponseDone)
    assert done.response.output
    assert (done.response.output[1].name, done.response.output[1].call_id) == ("end_call", "call_1")
    usage = done.response.usage
    assert usage
    assert usage.input_token_details
    assert usage.input_token_details.cached_tokens_details
    assert usage.input_token_details.cached_tokens_details.text_tokens == 64
    assert usage.output_token_details == wire.OutputDetails(30, 91)


@pytest.mark.parametrize("item", MCP_ITEMS, ids=lambda i: i.get("error", i)["type"])
def test_an_item_of_mcp_as_the_vendor_types_it(item: dict[str, Any]) -> None:
    """What the events of a call leave out stands here, the three kinds of failure among it."""
    text = said({"type": "conversation.item.done", "previous_item_id": None, "item": item})
    vendors = _vendor.validate_json(text).item
    assert vendors.type == item["type"]
    assert not vendors.model_extra
    event = codec.parse(text)
    assert isinstance(event, wire.ItemDone)
    for field in ("id", "type", "server_label", "name", "arguments", "output"):
        assert getattr(event.item, field) == item.get(field)
    error = item.get("error", {})
    failure = event.item.error or wire.McpFailure()
    assert (failure.type, failure.code) == (error.get("type", ""), error.get("code"))
    assert [tool.name for tool in event.item.tools or ()] == [
        tool["name"] for tool in item.get("tools", ())
    ]


def test_why_a_response_failed() -> None:
    details = {"type": "failed", "error": {"type": "server_error", "code": "rate_limit_exceeded"}}
    failed = RESPONSE | {"status": "failed", "status_details": details, "usage": None}
    event = codec.parse(said({"type": "response.done", "response": failed}))
    assert isinstance(event, wire.ResponseDone)
    assert event.response.status_details
    assert event.response.status_details.error
    assert event.response.status_details.error.code == "rate_limit_exceeded"


def test_the_leading_blank_of_the_vendors_own_example() -> None:
    """And this event has no `event_id`."""
    text = b'{"type":" input_audio_buffer.dtmf_event_received","event":"9","received_at":1}'
    assert codec.parse(text) == wire.DtmfReceived(event="9", received_at=1)


@pytest.mark.parametrize("kind", ["response.sung", "response.audio.delta", "session", ""])
def test_an_unknown_event_is_named_and_no_fault(kind: str) -> None:
    """Names of the beta among them."""
    assert codec.parse(said({"type": kind})) == wire.UnknownEvent(kind)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"null",
        b"[1]",
        b"\xff\xfe",
        b"{}",
        b'{"type":7}',
        '{"type":"\ud800"}',
        "\ud800",
        b"[" * 100_000,
    ],
)
def test_junk(text: bytes | str) -> None:
    assert kind_of_fault(text) == "junk"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error"},
        {"type": "error", "error": "no"},
        {"type": "session.updated", "session": []},
        {"type": "response.created"},
        {"type": "response.created", "response": {}},
        {"type": "response.output_audio.delta", "response_id": "r", "item_id": "i", "delta": "!"},
        {"type": "response.output_audio.delta", "response_id": "r", "delta": ""},
        {"type": "input_audio_buffer.speech_started", "audio_start_ms": 1},
        {"type": " input_audio_buffer.dtmf_event_received", "event": 9},
    ],
    ids=str,
)
def test_a_known_event_in_another_shape_is_malformed(event: dict[str, Any]) -> None:
    assert kind_of_fault(said(event)) in ("malformed", "junk")


def test_a_number_that_no_machine_can_hold_is_malformed() -> None:
    digits = b"9" * 5_000
    for kind in (b"error", b" error"):
        assert kind_of_fault(b'{"type":"' + kind + b'","error":' + digits + b"}") == "malformed"


LONG = bytes(range(256)) * 8
LONG_BASE64 = base64.b64encode(LONG).decode()
SOUND_DELTA = OF_ITEM | {"type": "response.output_audio.delta", "event_id": "e"}


def long_delta(**fields: object) -> bytes:
    """Sound as the vendor writes it: without blanks."""
    return json.dumps(SOUND_DELTA | fields, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "text",
    [
        long_delta(delta=LONG_BASE64),
        json.dumps(SOUND_DELTA | {"delta": LONG_BASE64}).encode(),
        json.dumps({"delta": LONG_BASE64} | SOUND_DELTA, separators=(",", ":")).encode(),
        long_delta(delta=LONG_BASE64).replace(b"/", b"\\/"),
        long_delta(other={"delta": "AAAA"}, delta=LONG_BASE64),
        long_delta(**{'"delta': "AAAA"}, delta=LONG_BASE64),
        long_delta(delta=LONG_BASE64)[:-1] + b',"new":{"delta":"AAAA"}}',
        b'{"delta":"AAAA",' + long_delta(delta=LONG_BASE64)[1:],
    ],
    ids=["plain", "blanks", "first", "escaped", "nested", "key", "nested-behind", "twice"],
)
def test_a_long_delta_is_the_sound_that_its_json_says(text: bytes) -> None:
    event = codec.parse(text)
    assert isinstance(event, wire.AudioDelta)
    assert event.delta == LONG
    assert (event.response_id, event.item_id) == (OF_ITEM["response_id"], OF_ITEM["item_id"])


def test_sound_elsewhere_in_an_event_is_not_its_delta() -> None:
    for text in (
        long_delta(other={"delta": LONG_BASE64}, delta=""),
        long_delta(**{'"delta': LONG_BASE64}, delta=""),
        long_delta(other={"delta": LONG_BASE64}, delta="soundOfThisDelta"),
        long_delta(other={"delta": LONG_BASE64}, delta="soundOfThisDelt@").replace(
            b"@", b"\\u0061"
        ),
    ):
        event = codec.parse(text)
        assert isinstance(event, wire.AudioDelta)
        assert event.delta in (b"", base64.b64decode("soundOfThisDelta"))


@pytest.mark.parametrize(
    "text",
    [
        long_delta(delta=LONG_BASE64[:-1]),
        long_delta(delta=LONG_BASE64 + "===="),
        long_delta(delta=LONG_BASE64[:800] + " " + LONG_BASE64[801:]),
        long_delta(delta=LONG_BASE64[:800] + "-" + LONG_BASE64[801:]),
        long_delta(delta=LONG_BASE64, item_id=7),
        long_delta(delta=LONG_BASE64)[:-1],
        long_delta(delta=LONG_BASE64)[:-2],
        long_delta(delta=LONG_BASE64)[:-9],
    ],
)
def test_a_long_delta_in_another_shape_is_malformed(text: bytes) -> None:
    assert kind_of_fault(text) in ("malformed", "junk")


@pytest.mark.parametrize("ms", [-1, 10**9, 10**30, 10**400, 1.5, None, "late", [1]])
def test_speech_is_speech_whatever_its_moment(ms: object) -> None:
    """Sums with an impossible moment would poison every latency; the speech itself counts."""
    for kind, field in (("started", "audio_start_ms"), ("stopped", "audio_end_ms")):
        event = {"type": f"input_audio_buffer.speech_{kind}", field: ms, "item_id": "i"}
        repaired = codec.parse(said(event))
        assert isinstance(repaired, wire.RepairedEvent)
        assert repaired.event.item_id == "i"
        assert getattr(repaired.event, field) == 0


def test_tokens_that_are_not_told_are_none() -> None:
    details = {"input_token_details": {}, "output_token_details": {}}
    usage = response_done(details).usage
    assert usage == wire.Usage(
        0, 0, 0, wire.InputDetails(0, 0, 0, 0, None), wire.OutputDetails(0, 0)
    )
    details = {"input_token_details": {"cached_tokens_details": {}}}
    cached = response_done(details).usage.input_token_details.cached_tokens_details
    assert cached == wire.CachedDetails(0, 0, 0)


@pytest.mark.parametrize("tokens", [-1, None, "many", 1 << 60, 10**400])
def test_tokens_that_nobody_can_have_used_are_left_out_alone(tokens: object) -> None:
    """A counter that goes back raises where nobody expects it; the response itself counts."""
    for path in ("total_tokens", "input_tokens"):
        done = response_done(USAGE | {path: tokens})
        assert getattr(done.usage, path) == 0
        assert done.output == response_done(USAGE).output
    cached = USAGE["input_token_details"] | {"image_tokens": tokens}  # type: ignore[operator]
    done = response_done(USAGE | {"input_token_details": cached})
    assert done.usage.input_token_details.image_tokens == 0
    assert done.usage.total_tokens == USAGE["total_tokens"]


def response_done(usage: dict[str, Any]) -> Any:
    call = {"type": "function_call", "call_id": "c", "name": "end_call", "arguments": "{}"}
    response = RESPONSE | {"usage": usage, "output": [call]}
    event: Any = codec.parse(said({"type": "response.done", "response": response}))
    event = event.event if isinstance(event, wire.RepairedEvent) else event
    assert event.response.output[0].name == "end_call"
    return event.response


def test_an_item_that_cannot_be_read_is_left_out_alone() -> None:
    good = {"type": "message", "id": "i"}
    response = RESPONSE | {"output": [5, good, {"id": "no type"}]}
    event: Any = codec.parse(said({"type": "response.done", "response": response}))
    assert [item.id for item in event.event.response.output] == ["i"]


def test_more_odd_fields_than_are_looked_at_are_malformed() -> None:
    response = RESPONSE | {"output": [None] * 100}
    assert kind_of_fault(said({"type": "response.done", "response": response})) == "malformed"


@pytest.mark.parametrize("depth", [2_000, 100_000])
def test_no_depth_breaks_the_parser(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    for text in (
        b'{"type":"session.updated","session":{"audio":{"a":' + deep + b"}}}",
        b'{"type":"session.updated","new":' + deep + b',"session":{}}',
        b'{"type":"brand.new","new":' + deep + b"}",
        b'{"type":" error","new":' + deep + b"}",
    ):
        assert kind_of_fault(text) in ("malformed", "junk")


@search
@given(event=st.sampled_from(EVENTS), data=st.data())
@settings(max_examples=draws(150), deadline=None)
def test_any_value_in_any_place_is_an_event_or_a_fault(
    event: dict[str, Any], data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from(sorted(set(event) - {"type"}) or ["event_id"]))
    text = json.dumps(event | {field: data.draw(json_values())}).encode()
    with suppress(PeerError):
        codec.parse(text)


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_an_event_or_a_fault(text: bytes) -> None:
    with suppress(PeerError):
        codec.parse(text)


# --- What is too large ---

PICTURE = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_image", "image_url": "data:image/jpeg;base64," + "A" * 350_000}],
}


def test_a_picture_that_comes_back_is_read() -> None:
    event = codec.parse(said({"type": "conversation.item.added", "item": PICTURE}))
    assert isinstance(event, wire.ItemAdded)


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        ("conversation.item.done", MODEL_EVENT_MAX_BYTES),
        ("response.output_audio.delta", MODEL_SOUND_MAX_BYTES),
        ("new", MODEL_EVENT_MAX_BYTES),
    ],
)
def test_an_event_above_the_bound_is_dropped_whatever_it_is(kind: str, most: int) -> None:
    sound = base64.b64encode(bytes(most)).decode()
    text = said({"type": kind, "response_id": "r", "item_id": "i", "delta": sound})
    assert kind_of_fault(text) == "oversized_message"


def test_forty_seconds_of_sound_in_one_event_are_sound() -> None:
    """Compact as the vendor sends it, or with blanks: base64 is decoded at once."""
    sound = base64.b64encode(bytes(48 * 40_000)).decode()
    text = said({"type": "response.output_audio.delta", "response_id": "r", "item_id": "i"})
    for blank in (b"", b" "):
        whole = text[:-1] + b',"delta":' + blank + b'"' + sound.encode() + b'"}'
        event = codec.parse(whole)
        assert isinstance(event, wire.AudioDelta)
        assert len(event.delta) == 48 * 40_000


@pytest.mark.parametrize(
    "parts",
    [
        {"item": {"type": "message", "content": [{}] * MODEL_EVENT_PARTS_MAX}},
        {"item": {"type": "message"}, "new": [0] * (MODEL_EVENT_PARTS_MAX * 2)},
        {"item": {"type": "message"}, "new": {f"{n}": "" for n in range(MODEL_EVENT_PARTS_MAX)}},
    ],
    ids=["objects", "list", "keys"],
)
@pytest.mark.parametrize("whole", [bytes, bytearray, bytes.decode])
def test_an_event_of_too_many_parts_is_dropped(parts: dict[str, Any], whole: Any) -> None:
    text = said({"type": "conversation.item.done", "pad": "x" * MODEL_EVENT_LARGE_BYTES, **parts})
    assert kind_of_fault(whole(text)) == "oversized_message"


def test_nothing_is_repaired_in_a_large_event() -> None:
    """Each repair reads the event once more."""
    odd = {"type": "conversation.item.done", "item": {"type": "message", "id": 7}}
    assert isinstance(codec.parse(said(odd)), wire.RepairedEvent)
    assert kind_of_fault(said(odd | {"pad": "x" * MODEL_EVENT_LARGE_BYTES})) == "malformed"


# --- What is just small enough ---


def filled(event: dict[str, Any], size: int) -> bytes:
    """An event with a field that makes it as long as that."""
    bare = len(said(event | {"pad": ""}))
    return said(event | {"pad": "x" * (size - bare)})


ITEM = {"type": "conversation.item.done", "item": {"type": "message"}}


@pytest.mark.parametrize(
    ("event", "most"),
    [
        (ITEM, MODEL_EVENT_MAX_BYTES),
        (
            OF_ITEM | {"type": "response.output_audio.delta", "delta": "A" * 800},
            MODEL_SOUND_MAX_BYTES,
        ),
        # Up to this size nobody counts its parts.
        (ITEM | {"new": [0] * (MODEL_EVENT_PARTS_MAX + 1)}, MODEL_EVENT_LARGE_BYTES),
    ],
    ids=["event", "sound", "parts"],
)
def test_an_event_of_just_the_largest_size_is_read(event: dict[str, Any], most: int) -> None:
    assert type(codec.parse(filled(event, most))) is OURS[event["type"]]
    assert kind_of_fault(filled(event, most + 1)) == "oversized_message"


def test_an_event_of_just_as_many_parts_as_may_be_is_read() -> None:
    """A comma or a brace begins each of them."""
    text = filled(ITEM | {"new": [0]}, MODEL_EVENT_LARGE_BYTES + 1)
    more = MODEL_EVENT_PARTS_MAX - text.count(b",") - text.count(b"{")
    for zeros, fault in ((more, ""), (more + 1, "oversized_message")):
        whole = text.replace(b"[0]", b"[0" + b",0" * zeros + b"]")
        if fault:
            assert kind_of_fault(whole) == fault
        else:
            assert isinstance(codec.parse(whole), wire.ItemDone)


def test_a_large_event_is_repaired_up_to_a_size() -> None:
    odd = {"type": "conversation.item.done", "item": {"type": "message", "id": 7}}
    repaired = codec.parse(filled(odd, MODEL_EVENT_LARGE_BYTES))
    assert isinstance(repaired, wire.RepairedEvent)
    assert repaired.fields == ("item.id",)
    assert kind_of_fault(filled(odd, MODEL_EVENT_LARGE_BYTES + 1)) == "malformed"


def test_a_repair_is_reported_and_the_vendors_blank_is_none() -> None:
    """A number in text is read as it is meant, but counted: something has changed there."""
    started = {"type": "input_audio_buffer.speech_started", "item_id": "i"}
    read = wire.SpeechStarted(item_id="i", audio_start_ms=5, event_id="event_1")
    in_text = codec.parse(said(started | {"audio_start_ms": "5"}))
    assert in_text == wire.RepairedEvent(read, ())
    blank = {"type": " input_audio_buffer.dtmf_event_received", "event": "9"}
    key = wire.DtmfReceived(event="9", event_id="event_1")
    assert codec.parse(said(blank)) == key
    odd = codec.parse(said(blank | {"received_at": "now"}))
    assert odd == wire.RepairedEvent(key, ("received_at",))
