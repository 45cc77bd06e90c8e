"""Twilio's wire: its documented messages, ours as strict as its warnings, and any junk at all."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_values import json_values
from search import draws, search

from gateway.errors import PeerError
from gateway.protocols import media_stream as wire

SID = "MZ18ad3ab5a668481ce02b83e7395059f0"
CALL = "CAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
ACCOUNT = "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
SOUND = bytes(range(160))

# As the documentation prints them: every counter a string, sampleRate and channels numbers.
DOCUMENTED: dict[str, dict[str, Any]] = {
    "connected": {"event": "connected", "protocol": "Call", "version": "1.0.0"},
    "start": {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": SID,
        "start": {
            "accountSid": ACCOUNT,
            "streamSid": SID,
            "callSid": CALL,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"token": "secret"},
        },
    },
    "media": {
        "event": "media",
        "sequenceNumber": "4",
        "streamSid": SID,
        "media": {
            "track": "inbound",
            "chunk": "2",
            "timestamp": "25",
            "payload": base64.b64encode(SOUND).decode(),
        },
    },
    "dtmf": {
        "event": "dtmf",
        "sequenceNumber": "5",
        "streamSid": SID,
        "dtmf": {"track": "inbound_track", "digit": "1"},
    },
    "mark": {"event": "mark", "sequenceNumber": "6", "streamSid": SID, "mark": {"name": "7:3"}},
    "stop": {
        "event": "stop",
        "sequenceNumber": "7",
        "streamSid": SID,
        "stop": {"accountSid": ACCOUNT, "callSid": CALL},
    },
}


def said(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()


def kind_of_fault(text: bytes | str) -> str:
    with pytest.raises(PeerError) as caught:
        wire.parse(text)
    return caught.value.kind


# --- From Twilio ---


def test_start_is_read_in_full() -> None:
    start = wire.parse(said(DOCUMENTED["start"]))
    assert start == wire.Start(
        SID,
        wire.StartBody(
            ACCOUNT,
            SID,
            CALL,
            wire.MediaFormat("audio/x-mulaw", 8000, 1),
            ["inbound"],
            {"token": "secret"},
        ),
    )


def test_a_stream_that_does_not_say_how_many_channels_has_one() -> None:
    message = json.loads(said(DOCUMENTED["start"]))
    del message["start"]["mediaFormat"]["channels"]
    start = wire.parse(said(message))
    assert isinstance(start, wire.Start)
    assert start.start.media_format == wire.MediaFormat("audio/x-mulaw", 8000, 1)


def test_media_decodes_its_sound() -> None:
    media = wire.parse(said(DOCUMENTED["media"]))
    assert media == wire.Media(SID, wire.MediaBody(SOUND, "25"))


@pytest.mark.parametrize("event", DOCUMENTED)
def test_every_documented_message_is_known_and_comes_out_as_it_went_in(event: str) -> None:
    parsed = wire.parse(said(DOCUMENTED[event]))
    assert not isinstance(parsed, wire.UnknownMessage)
    # Of a frame only what is used is read; all of it can be sent.
    sent = (
        msgspec.json.decode(said(DOCUMENTED[event]), type=wire.SentMedia)
        if event == "media"
        else parsed
    )
    assert json.loads(wire.encode(sent)) == DOCUMENTED[event]


@pytest.mark.parametrize("event", DOCUMENTED)
def test_new_fields_are_no_harm(event: str) -> None:
    """Twilio adds fields without notice."""
    more = DOCUMENTED[event] | {"new": {"deep": [1, None]}, "newer": 1}
    assert wire.parse(said(more)) == wire.parse(said(DOCUMENTED[event]))


@pytest.mark.parametrize("text", [bytes, bytearray, memoryview, bytes.decode])
def test_text_comes_in_any_garment(text: Any) -> None:
    assert isinstance(wire.parse(text(said(DOCUMENTED["mark"]))), wire.Mark)


def test_an_unknown_event_is_named_and_no_fault() -> None:
    assert wire.parse(b'{"event":"hold","streamSid":"MZ"}') == wire.UnknownMessage("hold")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"null",
        b"[]",
        b'"media"',
        b"\xff\xfe\x00",
        b"{}",
        b'{"event":null}',
        b'{"event":["media"]}',
        '{"event":"\ud800"}',
        "\ud800",
        b"[" * 100_000,
    ],
)
def test_junk(text: bytes | str) -> None:
    assert kind_of_fault(text) == "junk"


@pytest.mark.parametrize(
    ("event", "path", "value"),
    [
        ("start", "streamSid", 7),
        ("start", "start.mediaFormat.sampleRate", "fast"),
        ("start", "start.mediaFormat", None),
        ("start", "start.callSid", None),
        ("media", "media.payload", "!!!"),
        ("media", "media.payload", "AAA"),
        ("media", "media.timestamp", 25),
        ("media", "media", "loud"),
        ("dtmf", "dtmf.digit", 5),
        ("mark", "mark.name", None),
        ("stop", "stop", None),
    ],
)
def test_a_known_event_in_another_shape_is_malformed(event: str, path: str, value: object) -> None:
    message = json.loads(said(DOCUMENTED[event]))
    part = message
    *parents, last = path.split(".")
    for parent in parents:
        part = part[parent]
    part[last] = value
    assert kind_of_fault(said(message)) == "malformed"


@pytest.mark.parametrize(
    ("event", "path", "value"),
    [
        ("start", "sequenceNumber", 1),
        ("start", "start.tracks", None),
        ("start", "start.tracks", "inbound"),
        ("start", "start.mediaFormat.channels", None),
        ("media", "sequenceNumber", None),
        ("media", "media.chunk", 7),
        ("media", "media.track", None),
        ("stop", "stop.accountSid", None),
    ],
)
def test_an_odd_field_that_only_refines_loses_nothing_else(
    event: str, path: str, value: object
) -> None:
    message = json.loads(said(DOCUMENTED[event]))
    whole, part = wire.parse(said(message)), message
    *parents, last = path.split(".")
    for parent in parents:
        part = part[parent]
    del part[last]
    without = wire.parse(said(message))
    part[last] = value
    repaired = wire.parse(said(message))
    if isinstance(repaired, wire.RepairedMessage):  # a number in text is read as it is meant
        assert repaired.fields == (path,)
        repaired = repaired.message
    assert repaired == without
    assert type(without) is type(whole)


def test_a_parameter_that_is_no_text_is_left_out_alone() -> None:
    """Without a token the stream is refused; another odd parameter harms nobody."""
    message = json.loads(said(DOCUMENTED["start"]))
    message["start"]["customParameters"] = {"token": "secret", "odd": 1, "other": ["x"]}
    repaired = wire.parse(said(message))
    assert isinstance(repaired, wire.RepairedMessage)
    assert repaired.message.start.custom_parameters == {"token": "secret"}
    assert repaired.fields == ("start.customParameters",)


def test_a_fault_quotes_no_value() -> None:
    """It is logged: what a caller pressed, or a token, must not stand in it."""
    secret = json.loads(said(DOCUMENTED["start"]))
    secret["start"]["mediaFormat"]["sampleRate"] = "hunter2"
    with pytest.raises(PeerError) as caught:
        wire.parse(said(secret))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_no_depth_breaks_the_parser(depth: int) -> None:
    deep = b'{"event":"media","new":' + b"[" * depth + b"]" * depth + b"}"
    assert kind_of_fault(deep) in ("malformed", "junk")


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_message_or_a_fault(text: bytes) -> None:
    with suppress(PeerError):
        wire.parse(text)


@search
@given(
    event=st.sampled_from(sorted(DOCUMENTED)),
    field=st.sampled_from(["streamSid", "start", "media", "dtmf", "mark", "stop"]),
    value=json_values(),
)
@settings(max_examples=draws(100), deadline=None)
def test_any_value_in_any_place_is_a_message_or_a_fault(
    event: str, field: str, value: object
) -> None:
    text = json.dumps(DOCUMENTED[event] | {field: value}).encode()
    with suppress(PeerError):
        wire.parse(text)


# --- To Twilio ---


def test_what_we_say_has_the_documented_shape_and_no_field_more() -> None:
    twilio = wire.ToTwilio(SID)
    payload = base64.b64encode(SOUND).decode()
    assert json.loads(twilio.media(SOUND)) == {
        "event": "media",
        "streamSid": SID,
        "media": {"payload": payload},
    }
    assert json.loads(twilio.mark("0:1")) == {
        "event": "mark",
        "streamSid": SID,
        "mark": {"name": "0:1"},
    }
    assert json.loads(twilio.clear()) == {"event": "clear", "streamSid": SID}


@given(sid=st.text(), name=st.text(), sound=st.binary())
@settings(deadline=None)
def test_whatever_is_said_is_accepted_as_it_was_meant(sid: str, name: str, sound: bytes) -> None:
    twilio = wire.ToTwilio(sid)
    media = wire.parse_outbound(twilio.media(sound), sid)
    assert media == wire.OutMedia(sid, wire.OutMediaBody(sound))
    assert wire.parse_outbound(twilio.mark(name), sid) == wire.OutMark(sid, wire.OutMarkBody(name))
    assert wire.parse_outbound(twilio.clear(), sid) == wire.OutClear(sid)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"sound",
        b'{"event":"clear"}',
        b'{"event":"clear","streamSid":"another"}',
        b'{"event":"clear","streamSid":"MZ","sequenceNumber":"1"}',
        b'{"event":"mark","streamSid":"MZ","mark":{}}',
        b'{"event":"mark","streamSid":"MZ","mark":{"name":"a","at":1}}',
        b'{"event":"media","streamSid":"MZ","media":{"payload":"AA==","track":"outbound"}}',
        b'{"event":"media","streamSid":"MZ","media":{"payload":"not base64"}}',
        b'{"event":"stop","streamSid":"MZ","stop":{}}',
        b'{"event":"dtmf","streamSid":"MZ","dtmf":{"digit":"1"}}',
        b'{"event":"clear","streamSid":"MZ","x":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        "\ud800",
    ],
)
def test_what_twilio_would_warn_of_is_refused(text: bytes | str) -> None:
    with pytest.raises(PeerError) as caught:
        wire.parse_outbound(text, "MZ")
    assert caught.value.kind == "31951"
