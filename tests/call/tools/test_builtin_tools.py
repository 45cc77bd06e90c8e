"""Messages that are noted, and keys that are pressed: as tones in the caller's ear, exactly."""

from __future__ import annotations

from itertools import pairwise
from json import dumps

import pytest
from call import goertzel, sideband, wires
from call.play import (
    Book,
    answered,
    asks_for_an_answer,
    ends,
    note,
    nothing,
    outputs,
    to_caller,
    wait,
)
from call.vendor_events import (
    audio_delta,
    audio_done,
    committed,
    key,
    response_created,
    response_done,
    speech_started,
    speech_stopped,
    stop,
)

from gateway import limits
from gateway.audio.tones import keys_mulaw
from gateway.call import events
from gateway.call.commands import SendToCaller
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending
from gateway.protocols import media_stream
from gateway.protocols.realtime_server import ResponseDone

# --- Messages ---


def called(
    name: str, arguments: str, response_id: str = "resp_1", call_id: str = "call_1"
) -> ResponseDone:
    done = response_done(response_id, calls=((name, call_id),))
    assert done.response.output
    done.response.output[0].arguments = arguments
    return done


def takes(**arguments: object) -> ResponseDone:
    return called("take_message", dumps(arguments))


@pytest.mark.parametrize("begin", [answered, sideband.attached])
def test_a_message_is_noted_and_the_model_goes_on(begin: type[Book]) -> None:
    book = begin(tools=["take_message"]) >> response_created()
    book >> takes(message=" Call me back. ", name="Lee", callback="+15550123")
    book << note(events.ToolCalled, name="take_message")
    book << events.MessageTaken("Call me back.", "Lee", "+15550123")
    book << outputs("call_1", prompts.MESSAGE_TAKEN) << asks_for_an_answer << nothing


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("", prompts.NO_MESSAGE),
        ("[]", prompts.NO_MESSAGE),
        ("{}", prompts.NO_MESSAGE),
        ('{"message":7}', prompts.NO_MESSAGE),
        ('{"message":"  "}', prompts.NO_MESSAGE),
        (dumps({"message": "x" * (limits.call.MESSAGE_MAX_CHARS + 1)}), prompts.MESSAGE_TOO_LONG),
    ],
)
def test_a_message_that_is_none(arguments: str, told: str) -> None:
    book = answered(tools=["take_message"]) >> response_created()
    book >> called("take_message", arguments) << note(events.ToolCalled)
    book << outputs("call_1", told) << asks_for_an_answer << nothing


def test_a_message_of_just_the_greatest_length_is_noted() -> None:
    book = answered(tools=["take_message"]) >> response_created() << ...
    longest = "x" * limits.call.MESSAGE_MAX_CHARS
    book >> takes(message=f" {longest} ") << note(events.ToolCalled)
    book << events.MessageTaken(longest, "", "") << ...


def test_messages_without_end() -> None:
    book = answered(tools=["take_message"])
    for number in range(limits.call.MESSAGES_MAX + 1):
        book >> response_created(f"resp_{number}")
        again = called("take_message", '{"message":"again"}', f"resp_{number}", f"call_{number}")
        book >> again
        taken = sum(isinstance(out, events.MessageTaken) for out in book.outs())
        assert taken == (number < limits.call.MESSAGES_MAX)
    assert prompts.TOO_MANY_MESSAGES in str(book.said)


# --- Keys ---

KEY_MS = 200
"""A tone of 100 ms, and as long a pause."""


def dials(digits: str) -> ResponseDone:
    return called("send_digits", dumps({"digits": digits}))


def line(digits: str = "", **agent: object) -> Book:
    book = answered(tools=["send_digits"], **agent)
    book.heard_marks = True
    # Tones are sound that no model sent: the umpire is told of them.
    book.umpire.received_ms["tones_call_1"] = len(keys_mulaw(digits)) / 8
    return book


def heard(book: Book, *happens: object) -> bytes:
    """All sound that went out while this happened, after the other."""
    sound = b""
    for event in happens:
        book >> event
        for out in book.outs():
            message = wires.to_caller(out.data) if isinstance(out, SendToCaller) else None
            if isinstance(message, media_stream.OutMedia):
                sound += message.media.payload
    return sound


def keys(sound: bytes) -> str:
    return "".join(key for key, _, _ in goertzel.keys(sound))


@pytest.mark.parametrize("audio", ["pcm24k", "pcmu"])
@pytest.mark.parametrize("digits", ["0123456789*#ABCD", "5", "11", "w1W2"])
def test_each_key_is_heard_as_what_it_is(digits: str, audio: str) -> None:
    book = line(digits, audio=audio)
    found = goertzel.keys(heard(book, response_created(), dials(digits), wait(12.0)))
    assert "".join(key for key, _, _ in found) == digits.replace("w", "").replace("W", "")
    assert all(80 <= end - begin <= 100 for _, begin, end in found)
    gaps = [b[1] - a[2] for a, b in pairwise(found)]
    assert all(gap >= 80 for gap in gaps)
    assert f"Sent: {digits}" in str(book.said)


def test_tones_are_as_loud_as_a_telephone_makes_them() -> None:
    (begin, end) = (20 * 8, 80 * 8)
    for digit in "159D":
        assert goertzel.level_dbfs(keys_mulaw(digit)[begin:end]) == pytest.approx(-10.9, abs=0.5)


def test_pauses_are_as_long_as_they_say() -> None:
    (one, two) = goertzel.keys(keys_mulaw("1wW2"))
    assert two[1] - one[1] == KEY_MS + 500 + 1000


def test_the_model_goes_on_when_they_were_heard() -> None:
    """They stand behind what it says, and are not its voice: nothing of them is truncated."""
    book = line("12") >> response_created() >> audio_delta(ms=400) << to_caller(400)
    heard(book, audio_done(), dials("12"), wait(0.7))
    assert "function_call_output" not in str(book.said)
    book >> wait(0.3) << note(events.ToolCompleted, name="send_digits", outcome="ok")
    book << outputs("call_1", prompts.keys_sent("12")) << asks_for_an_answer << nothing


def test_whoever_speaks_before_they_begin_stops_them() -> None:
    book = line("12") >> response_created() >> audio_delta(ms=800) << to_caller(800) >> audio_done()
    heard(book, dials("12"), wait(0.3), speech_started())
    assert prompts.NOT_SENT in str(book.said)
    cut = [event for event in book.said if event["type"] == "conversation.item.truncate"]
    assert [event["item_id"] for event in cut] == ["item_1"], "the model knows of no such item"
    assert keys(heard(book, speech_stopped(900), committed(), wait(2.0))) == ""


@pytest.mark.parametrize("disturbed_by", [speech_started(), key("3")], ids=["speech", "key"])
def test_what_is_begun_is_dialled_to_its_end(disturbed_by: object) -> None:
    """A menu at the other end speaks all the time: half a number would be a wrong one."""
    book = line("4711")
    sound = heard(book, response_created(), dials("4711"), wait(0.3), disturbed_by, wait(1.5))
    assert keys(sound) == "4711"
    assert "Sent: 4711" in str(book.said)


def test_an_answer_that_is_queued_behind_them_is_not_truncated_to_nothing() -> None:
    """Of two items the first goes on late; both are still to be heard."""
    book = line("4711")
    heard(book, response_created(), dials("4711"), response_created("resp_2"))
    two = [audio_delta(f"item_{n}", ms=200, response_id="resp_2") for n in (1, 2)]
    heard(book, *two, wait(0.3), speech_started(), two[0], two[1])
    assert not [event for event in book.said if event["type"] == "conversation.item.truncate"]


def test_keys_that_are_being_pressed_end_with_the_call() -> None:
    book = line("4711")
    heard(book, response_created(), dials("4711"), wait(0.3))
    book >> stop() << note(events.ToolCompleted, name="send_digits", outcome="cancelled")
    book << outputs("call_1", prompts.NOT_SENT) << ends(Ending.CALLER_HUNG_UP) << nothing


def test_tones_are_not_the_models_voice() -> None:
    book = line("12")
    book.tells_floor = True
    began = []
    for event in (response_created(), dials("12"), wait(1.0)):
        book >> event
        began += [out for out in book.outs() if isinstance(out, events.ModelSpeechStarted)]
    assert began == []


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "{}",
        "[",
        '{"digits":5}',
        '{"digits":""}',
        '{"digits":"12a"}',
        '{"digits":"ww"}',
        '{"digits":"wW"}',
        '{"digits":"\u0661"}',
        dumps({"digits": "1" * (limits.call.DIGITS_SENT_MAX + 1)}),
    ],
)
def test_what_is_no_key_is_not_sent(arguments: str) -> None:
    book = line() >> response_created() >> called("send_digits", arguments)
    book << note(events.ToolCalled) << outputs("call_1", prompts.NO_DIGITS) << asks_for_an_answer
    book << nothing


def test_as_many_keys_as_are_sent_at_once() -> None:
    most = "1" * limits.call.DIGITS_SENT_MAX
    book = line(most) >> response_created() << ... >> dials(most) << ...
    assert prompts.NO_DIGITS not in str(book.said)
    assert not book.call.line.can_dial()


def test_one_number_at_a_time() -> None:
    book = line("12") >> response_created()
    done = response_done(calls=(("send_digits", "call_1"), ("send_digits", "call_2")))
    assert done.response.output
    for item in done.response.output:
        item.arguments = '{"digits":"12"}'
    heard(book, done, wait(1.0))
    assert prompts.NO_TONES in str(book.said)
    assert "Sent: 12" in str(book.said)


def test_by_sip_there_is_no_sound_to_put_them_into() -> None:
    """An agent of the media path whose caller came by SIP; the loader refuses one of path: sip."""
    book = sideband.attached(tools=["end_call"])
    book.call.ctx.agent = answered(tools=["send_digits"]).agent
    book >> response_created() >> dials("1") << note(events.ToolCalled, name="send_digits")
    book << outputs("call_1", prompts.NO_TONES) << asks_for_an_answer << nothing
