"""Twilio's webhooks as values: what is taken, what is cut, and what cannot be true."""

from __future__ import annotations

import pytest

from gateway.errors import PeerError
from gateway.limits.messages import MEDIA_PER_MESSAGE_MAX, TEXT_IN_MAX_CHARS
from gateway.limits.tools import URL_MAX_CHARS
from gateway.protocols.twilio_webhooks import (
    CarrierRecording,
    Detection,
    MessageRequest,
    VoiceRequest,
    parse_detection,
    parse_message,
    parse_recording,
    parse_voice,
)

CALL_SID, MESSAGE_SID = "CA" + "0aF" * 10 + "00", "SM" + "1" * 32
CALL = {"CallSid": CALL_SID, "From": "+14155550123", "To": "+15550100", "CallStatus": "ringing"}
TEXT = {"MessageSid": MESSAGE_SID, "From": "+14155550123", "To": "+15550100", "Body": " Hello. "}
RECORDING_SID = "RE" + "2" * 32
RECORDING = {
    "CallSid": CALL_SID,
    "RecordingSid": RECORDING_SID,
    "RecordingStatus": "completed",
    "RecordingStartTime": "Sun, 29 Nov 2026 08:11:11 +0000",
}
LONGEST = "sip:" + "x" * 251
"""255 characters, as long as an address may be."""


def test_a_call_that_arrives() -> None:
    request = parse_voice(CALL)
    assert request == VoiceRequest(CALL_SID, "+14155550123", "+15550100", "ringing")
    assert request.outbound is False


def test_a_call_that_we_placed_is_seen_from_our_side() -> None:
    turned = parse_voice(CALL).turned()
    assert turned == VoiceRequest(CALL_SID, "+15550100", "+14155550123", "ringing", outbound=True)


@pytest.mark.parametrize("withheld", [{}, {"From": "anonymous"}, {"From": "+266696687"}])
def test_a_number_that_is_withheld_is_none(withheld: dict[str, str]) -> None:
    fields = {name: value for name, value in CALL.items() if name != "From"} | withheld
    assert parse_voice(fields).caller == ""


def test_the_longest_address_is_taken_and_one_longer_is_not() -> None:
    for name in ("From", "To"):
        assert LONGEST in (
            parse_voice(CALL | {name: LONGEST}).caller,
            parse_voice(CALL | {name: LONGEST}).dialled,
        )
        with pytest.raises(PeerError, match="too long"):
            parse_voice(CALL | {name: LONGEST + "x"})


@pytest.mark.parametrize(
    "wrong",
    [{"CallSid": ""}, {"CallSid": CALL_SID + "0"}, {"CallSid": "SM" + "0" * 32}, {"To": ""}],
)
def test_a_call_that_cannot_be_one(wrong: dict[str, str]) -> None:
    with pytest.raises(PeerError) as refused:
        parse_voice(CALL | wrong)
    assert refused.value.kind == "malformed"


def test_a_text() -> None:
    assert parse_message(TEXT) == MessageRequest(
        MESSAGE_SID, "+14155550123", "+15550100", "Hello.", ()
    )


def test_both_ends_of_a_whatsapp_message_are_plain_numbers() -> None:
    whatsapp = {name: f"whatsapp:{TEXT[name]}" for name in ("From", "To")}
    message = parse_message(TEXT | whatsapp)
    assert (message.sender, message.to) == ("+14155550123", "+15550100")


def test_pictures_of_a_message_are_bounded() -> None:
    urls = {f"MediaUrl{n}": f"https://media.example.com/{n}" for n in range(20)}
    message = parse_message(TEXT | urls | {"NumMedia": "20"})
    assert message.media == tuple(urls.values())[:MEDIA_PER_MESSAGE_MAX]
    assert parse_message(TEXT | urls | {"NumMedia": "1"}).media == (urls["MediaUrl0"],)
    assert parse_message(TEXT | urls | {"NumMedia": "0"}).media == ()


def test_long_words_and_addresses_are_cut() -> None:
    long = {"Body": "x" * 20_000, "NumMedia": "1", "MediaUrl0": "https://" + "x" * 9_000}
    message = parse_message(TEXT | long)
    assert len(message.text) == TEXT_IN_MAX_CHARS
    assert [len(url) for url in message.media] == [URL_MAX_CHARS]


@pytest.mark.parametrize(
    "wrong",
    [
        {"MessageSid": CALL_SID},
        {"From": ""},
        {"To": ""},
        {"From": LONGEST + "x"},
        {"To": LONGEST + "x"},
        {"NumMedia": "-1"},
        {"NumMedia": "1000"},
        {"NumMedia": "many"},
    ],
)
def test_a_message_that_cannot_be_one(wrong: dict[str, str]) -> None:
    with pytest.raises(PeerError) as refused:
        parse_message(TEXT | wrong)
    assert refused.value.kind == "malformed"


@pytest.mark.parametrize("name", ["From", "To"])
def test_the_longest_address_of_a_message_is_taken(name: str) -> None:
    message = parse_message(TEXT | {name: LONGEST})
    assert LONGEST in (message.sender, message.to)


@pytest.mark.parametrize(
    ("answered_by", "who"),
    [
        ("human", "human"),
        ("machine_start", "machine"),
        ("machine_end_beep", "machine"),
        ("machine_end_silence", "machine"),
        ("machine_end_other", "machine"),
        ("fax", "fax"),
        ("unknown", "unknown"),
        ("", "unknown"),
        ("something_new", "unknown"),
    ],
)
def test_who_answered(answered_by: str, who: str) -> None:
    fields = {"CallSid": CALL_SID, "AnsweredBy": answered_by}
    assert parse_detection(fields) == Detection(CALL_SID, who)


def test_a_detection_of_no_call() -> None:
    with pytest.raises(PeerError):
        parse_detection({"CallSid": "x", "AnsweredBy": "human"})


def test_a_recording_that_is_ready() -> None:
    assert parse_recording(RECORDING) == CarrierRecording(
        CALL_SID, RECORDING_SID, True, "Sun, 29 Nov 2026 08:11:11 +0000"
    )


@pytest.mark.parametrize(
    ("status", "complete"),
    [({"RecordingStatus": "completed"}, True), ({}, True), ({"RecordingStatus": "absent"}, False)],
)
def test_a_recording_that_can_be_fetched(status: dict[str, str], complete: bool) -> None:
    """Callbacks about completed ones need not say so."""
    fields = {"CallSid": CALL_SID, "RecordingSid": RECORDING_SID} | status
    assert parse_recording(fields) == CarrierRecording(CALL_SID, RECORDING_SID, complete, "")


@pytest.mark.parametrize("wrong", [{"CallSid": ""}, {"CallSid": "x"}, {"RecordingSid": CALL_SID}])
def test_a_recording_of_nothing(wrong: dict[str, str]) -> None:
    with pytest.raises(PeerError) as refused:
        parse_recording(RECORDING | wrong)
    assert refused.value.kind == "malformed"


def test_dates_and_attestations_are_no_longer_than_they_can_be() -> None:
    """They are stored and logged: nobody may fill those by them."""
    recording = parse_recording(RECORDING | {"RecordingStartTime": "x" * 65})
    assert recording.started_at == "x" * 64
    assert parse_voice(CALL | {"StirVerstat": "x" * 256}).attestation == "x" * 255
