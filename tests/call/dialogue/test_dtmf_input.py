"""Keys: gathered into entries, told as text, answered once, and kept from all eyes if secret."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from call import sideband, vendor_events
from call.play import (
    Book,
    answered,
    asks_for_an_answer,
    cancels,
    clears,
    exactly,
    note,
    nothing,
    outputs,
    tells_the_model,
    to_caller,
    truncates,
    wait,
)
from call.vendor_events import (
    audio_delta,
    audio_done,
    committed,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech_started,
    speech_stopped,
)

from gateway import limits
from gateway.agents.config.transfers import KeypadTransfer
from gateway.call import events as notes
from gateway.call.commands import OpenModel
from gateway.call.dialogue.dtmf_input import KeyBuffer
from gateway.call.dialogue.prompts import NOT_ENDED
from gateway.call.inputs import ModelLost
from gateway.call.state_machines import CallPhase

PRESSED = notes.KeyPressed()
Press = Callable[[str], object]


@pytest.fixture(params=["media", "sip"])
def line(request: pytest.FixtureRequest) -> tuple[Callable[..., Book], Press]:
    """A call that has begun, on either path, and how its keys are pressed."""
    if request.param == "media":
        return answered, vendor_events.key
    return sideband.attached, sideband.tone


def typed(book: Book, press: Press, keys: str) -> Book:
    for digit in keys:
        book >> press(digit) << PRESSED >> wait(0.2)
    return book


def entered(digits: str, why: str) -> Callable[[Book], Book]:
    def expect(book: Book) -> Book:
        book << tells_the_model(f'typed on the telephone keypad: "{digits}"')
        book << note(notes.TranscriptLine, who="caller", text=f"(keypad) {digits}")
        return book << notes.KeysEntered(why) << asks_for_an_answer << nothing

    return expect


def test_a_key_ends_the_entry_and_is_no_part_of_it(line: tuple[Callable[..., Book], Press]) -> None:
    begin, press = line
    book = typed(begin(), press, "1234") << nothing >> press("#") << PRESSED
    entered("1234", "end")(book) >> wait(2.5) << nothing


def test_a_pause_ends_it(line: tuple[Callable[..., Book], Press]) -> None:
    begin, press = line
    book = typed(begin(keypad={"pause_s": 1.5}), press, "42") >> wait(1.2) << nothing >> wait(0.2)
    entered("42", "pause")(book)


def test_enough_keys_end_it(line: tuple[Callable[..., Book], Press]) -> None:
    begin, press = line
    book = typed(begin(keypad={"max_digits": 4}), press, "098") >> press("7") << PRESSED
    entered("0987", "full")(book)


def test_the_ending_key_alone_is_an_entry(
    line: tuple[Callable[..., Book], Press],
) -> None:
    begin, press = line
    entered("#", "end")(begin() >> press("#") << PRESSED)


def test_without_an_ending_key_all_of_them_count(line: tuple[Callable[..., Book], Press]) -> None:
    begin, press = line
    book = typed(begin(keypad={"end": None}), press, "1#*D") >> wait(1.9)
    entered("1#*D", "pause")(book)


def test_a_star_may_end_it() -> None:
    book = (
        typed(answered(keypad={"end": "*"}), vendor_events.key, "1#")
        >> vendor_events.key("*")
        << PRESSED
    )
    entered("1#", "end")(book)


def test_nobody_listens_to_keys_where_the_agent_says_so(
    line: tuple[Callable[..., Book], Press],
) -> None:
    begin, press = line
    typed(begin(keypad="none"), press, "1#") >> wait(5.0) << nothing


@pytest.mark.parametrize("digit", ["", "E", "12", "a", "\u0663"])
def test_what_is_no_key_is_counted_and_not_told(
    line: tuple[Callable[..., Book], Press], digit: str
) -> None:
    begin, press = line
    book = begin() >> press(digit) << PRESSED << notes.PeerFaultCounted("caller", "key")
    book >> wait(5.0) << nothing


# --- The same key twice ---


def test_an_echo_of_a_key_is_not_a_second_one() -> None:
    """By the time of the caller's stream: a network that stalls does not make two keys one."""
    book = (
        answered(frame_ms=20)
        >> vendor_events.key("5")
        << PRESSED
        >> wait(0.04)
        >> vendor_events.key("5")
    )
    (
        book
        << PRESSED
        >> wait(0.1)
        >> vendor_events.key("5")
        << PRESSED
        >> vendor_events.key("#")
        << PRESSED
    )
    entered("55", "end")(book)


@pytest.mark.parametrize(
    ("after_s", "keys"), [(limits.call.KEY_BOUNCE_S - 0.001, 1), (limits.call.KEY_BOUNCE_S, 2)]
)
def test_how_quick_a_finger_may_be(after_s: float, keys: int) -> None:
    buffer = KeyBuffer(KeypadTransfer())
    presses = [not buffer.bounces("5", 0.0), not buffer.bounces("5", after_s)]
    assert sum(presses) == keys
    assert not buffer.bounces("6", after_s), "another key is another key"


# --- The model speaks ---


def test_a_key_interrupts_the_model() -> None:
    book = answered() >> response_created() >> audio_delta(ms=800) << to_caller(800) >> wait(0.3)
    (
        book
        >> vendor_events.key("1")
        << PRESSED
        << cancels("resp_1")
        << clears
        << truncates("item_1", 300)
    )
    (
        book
        << note(notes.BargedIn, heard_ms=300)
        << nothing
        >> vendor_events.key("2")
        << PRESSED
        << nothing
    )
    book >> response_done(status="cancelled") << nothing >> wait(2.1)
    book << tells_the_model('keypad: "12"') << ... >> response_created("resp_2") << nothing


def test_a_key_interrupts_what_is_still_being_heard() -> None:
    book = answered() >> response_created() >> audio_delta(ms=800) << ... >> audio_done()
    book >> response_done() >> wait(0.3) >> vendor_events.key("1") << PRESSED << clears
    book << truncates("item_1", 300) << note(notes.BargedIn, heard_ms=300) << nothing


def test_by_sip_the_server_is_told_to_be_quiet() -> None:
    book = sideband.attached() >> response_created() >> sideband.transcript()
    book >> sideband.started() << ... >> wait(0.3) >> sideband.tone("1") << PRESSED
    book << cancels("resp_1") << sideband.empties << note(notes.BargedIn, heard_ms=300) << nothing


def test_by_sip_what_is_still_being_played_is_emptied_too() -> None:
    book = sideband.attached() >> response_created() >> sideband.transcript()
    book >> sideband.started() << ... >> response_done() >> wait(0.3) >> sideband.tone("1")
    book << PRESSED << sideband.empties << note(notes.BargedIn, heard_ms=300) << nothing


def test_a_greeting_that_is_protected_is_not_interrupted_but_the_keys_count() -> None:
    book = answered(greeting="Hello.", barge_in={"protect_greeting_ms": 5000})
    book >> response_created() >> audio_delta(ms=800) << to_caller(800) >> audio_done()
    book >> response_done() << ... >> wait(0.1) << ...
    book >> vendor_events.key("1") << PRESSED << nothing >> vendor_events.key("#") << PRESSED
    entered("1", "end")(book)


def test_an_answer_that_begins_while_the_caller_types_is_cut() -> None:
    book = answered() >> speech_started() >> speech_stopped(900) >> committed() << nothing
    book >> vendor_events.key("1") << PRESSED << nothing
    book >> response_created() << cancels("resp_1") << nothing
    book >> response_done(status="cancelled") >> wait(1.0) << nothing >> wait(1.1)
    entered("1", "pause")(book)


def test_a_key_into_the_goodbye_revokes_it() -> None:
    book = answered() >> response_created() >> audio_delta(ms=800) << to_caller(800) >> audio_done()
    book >> response_done(calls=(("end_call", "call_1"),)) << note(notes.ToolCalled) >> wait(0.3)
    book >> vendor_events.key("0") << PRESSED << clears << truncates("item_1", 300)
    book << note(notes.BargedIn) << outputs("call_1", NOT_ENDED) << nothing
    assert book.call.phase is CallPhase.TALKING
    entered("0", "pause")(book >> wait(2.1))


# --- The caller speaks ---


def test_whoever_speaks_after_typing_has_done_typing() -> None:
    """The entry is known before the sentence is answered, and the answer is to both."""
    book = (
        answered() >> vendor_events.key("7") << PRESSED >> wait(0.2) >> speech_started() << nothing
    )
    book >> wait(limits.call.KEYS_SPEECH_S + 0.01) << tells_the_model('keypad: "7"')
    book << note(notes.TranscriptLine, text="(keypad) 7") << notes.KeysEntered("pause") << nothing
    book >> speech_stopped(1500) >> committed() << nothing >> response_created() << nothing
    book >> response_done() >> wait(5.0) << nothing


def test_a_key_that_the_model_takes_for_speech_ends_nothing() -> None:
    """The tone of a key may reach its ear; the entry goes on."""
    book = answered() >> vendor_events.key("1") << PRESSED >> speech_started() >> wait(0.5)
    book >> speech_stopped(100) >> committed() << nothing >> response_created()
    book << cancels("resp_1") << nothing >> response_done(status="cancelled") >> wait(0.9)
    book >> vendor_events.key("2") << PRESSED << nothing >> vendor_events.key("#") << PRESSED
    entered("12", "end")(book)


# --- Secrets ---


def test_what_is_secret_is_told_to_the_model_and_to_nobody_else(
    line: tuple[Callable[..., Book], Press],
) -> None:
    begin, press = line
    book = typed(begin(keypad={"secret": True}), press, "4929") >> press("#") << PRESSED
    left = book.outs()
    assert "4929" in str(book.said)
    told = [out for out in left if isinstance(out, notes.CallEvent)]
    assert [type(one) for one in told] == [notes.TranscriptLine, notes.KeysEntered]
    assert "4929" not in repr(told)
    assert "4" not in str(told[0].text)  # type: ignore[attr-defined]
    assert "4929" not in repr(book.call.snapshot().history), (
        "nor to the store, nor to another session"
    )


# --- The model is away ---


def test_an_entry_waits_for_the_model() -> None:
    book = answered() >> vendor_events.key("1") << PRESSED >> ModelLost("closed_1006")
    (
        book
        << note(notes.ModelDisconnected)
        << exactly(OpenModel(0.0))
        >> vendor_events.key("#")
        << PRESSED
    )
    book << nothing >> wait(1.0) << nothing >> session_created() << ...
    book >> session_updated(book.agent) << ... >> wait(2.0)
    entered("1", "pause")(book)


def test_another_session_knows_what_was_typed() -> None:
    book = (
        typed(answered(), vendor_events.key, "12")
        >> vendor_events.key("#")
        << ...
        >> response_created()
    )
    book >> response_done() >> ModelLost("closed_1006") << ... >> session_created() << ...
    book.said.clear()
    book >> session_updated(book.agent) << ...
    assert 'keypad: "12"' in str(book.said)


def test_while_the_caller_types_nobody_is_idle() -> None:
    book = answered(idle={"nudge_after_s": 2.0, "end_after_s": 4.0}, keypad={"pause_s": 5.0})
    book >> vendor_events.key("1") << PRESSED >> wait(4.9) << nothing >> wait(0.2)
    entered("1", "pause")(book)
