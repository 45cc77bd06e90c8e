"""A call of ours was taken: by a person, a machine or a fax. What each of them hears."""

from __future__ import annotations

from typing import Any

import pytest
from call.play import (
    Book,
    _says,
    an_agent,
    answered,
    asks,
    cancels,
    clears,
    ends,
    exactly,
    last_mark,
    note,
    nothing,
    to_caller,
    truncates,
    wait,
)
from call.sideband import SipBook, attached, empties, started, stopped, transcript
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
    start,
)

from gateway.call import events
from gateway.call.endings import Ending
from gateway.call.inputs import CallAccepted, MachineDetectionFinished, ModelOpened
from gateway.call.state_machines import CallPhase

MESSAGE = "Please call us back."
LEAVES = {"outbound": {"from": "+14155550100", "machine": "leave_message", "message": MESSAGE}}
HANGS_UP = {"outbound": {"from": "+14155550100", "unknown": "hang_up"}}
DEAF = _says(
    "session.update",
    "",
    session={"type": "realtime", "audio": {"input": {"turn_detection": None}}},
)


def by(who: str) -> Any:
    return exactly(events.AnswererDetected(who))


def talking_to_greeting(**agent: Any) -> Book:
    """The model speaks into the machine's greeting; 400 ms of it were heard."""
    book = answered(**LEAVES, **agent) >> response_created() >> audio_delta(ms=800)
    return book << to_caller(800) >> wait(0.4) << nothing


def message_said(book: Book) -> Book:
    book >> response_created("resp_2")
    book >> audio_delta("item_2", ms=200, response_id="resp_2") << to_caller(200)
    book >> audio_done("item_2", "resp_2") >> response_done("resp_2") << nothing
    return book >> wait(0.2) << nothing >> last_mark


# --- A person ---


@pytest.mark.parametrize("policy", [LEAVES, HANGS_UP])
def test_a_person_goes_on_talking(policy: dict[str, Any]) -> None:
    book = answered(**policy) >> MachineDetectionFinished("human") << by("human") << nothing
    assert book.call.phase is CallPhase.TALKING


def test_who_it_is_is_told_once() -> None:
    book = answered(**HANGS_UP) >> MachineDetectionFinished("human") << by("human") << nothing
    book >> MachineDetectionFinished("machine") << nothing


def test_an_agent_that_talks_to_machines_is_told_of_them() -> None:
    outbound = {"from": "+14155550100", "machine": "talk"}
    answered(outbound=outbound) >> MachineDetectionFinished("machine") << by("machine") << nothing


def test_what_was_asked_of_a_call_that_came_in_changes_nothing() -> None:
    answered() >> MachineDetectionFinished("machine") << by("machine") << nothing


# --- Nobody to talk to ---


@pytest.mark.parametrize("who", ["machine", "fax", "unknown"])
def test_it_is_hung_up(who: str) -> None:
    book = answered(**HANGS_UP) >> MachineDetectionFinished(who) << by(who)
    book << ends(Ending.MACHINE_ANSWERED, who) << nothing


def test_it_is_hung_up_before_the_stream_has_started() -> None:
    book = Book(**HANGS_UP) >> MachineDetectionFinished("fax") << by("fax")
    book << ends(Ending.MACHINE_ANSWERED, "fax") << nothing


# --- A message ---


def test_the_message_is_said_word_for_word_and_heard_to_its_end() -> None:
    book = answered(**LEAVES) >> MachineDetectionFinished("machine") << by("machine") << DEAF
    book << asks(f'Say exactly this, word for word, and nothing else: "{MESSAGE}"') << nothing
    message_said(book) << ends(Ending.MESSAGE_LEFT) << nothing


def test_what_was_being_said_to_the_greeting_is_cut_off_first() -> None:
    book = talking_to_greeting() >> MachineDetectionFinished("machine") << by("machine") << DEAF
    book << cancels("resp_1") << clears << truncates("item_1", 400) << nothing
    book >> response_done(status="cancelled") << asks(MESSAGE) << nothing
    assert book.call.phase is CallPhase.GOODBYE


def test_an_answer_that_was_on_its_way_is_not_given() -> None:
    """The server's own, to the last words of the greeting."""
    book = answered(**LEAVES) >> speech_started() << nothing
    book >> MachineDetectionFinished("machine") << by("machine") << DEAF << asks(MESSAGE) << nothing
    book >> response_created("resp_other") << ... >> response_done("resp_other", "cancelled") << ...


def test_a_response_that_nobody_asked_for_is_cancelled() -> None:
    book = talking_to_greeting() >> MachineDetectionFinished("machine") << ...
    book >> response_created("resp_0") << cancels("resp_0") << nothing


def test_the_greeting_that_was_asked_for_is_not_said_any_more() -> None:
    book = Book(**LEAVES, greeting="Hello.") >> session_created() << ...
    book >> session_updated(book.agent) << ... >> start() << ...
    book >> book.next_frame() << ...  # the greeting is asked for
    book >> MachineDetectionFinished("machine") << by("machine") << DEAF << nothing
    book >> response_created() << cancels("resp_1") << nothing
    book >> response_done(status="cancelled") << asks(MESSAGE) << nothing


def test_nobody_is_listened_to_while_it_is_said() -> None:
    book = (
        answered(**LEAVES)
        >> MachineDetectionFinished("machine")
        << ...
        >> response_created()
        << nothing
    )
    book >> audio_delta(ms=800) << to_caller(800)
    book >> speech_started() << nothing >> speech_stopped(100) << nothing >> committed() << nothing
    assert book.call.phase is CallPhase.GOODBYE


def test_a_model_that_said_goodbye_to_the_greeting_leaves_the_message_all_the_same() -> None:
    book = talking_to_greeting() >> audio_done() << nothing
    book >> response_done(calls=(("end_call", "call_1"),)) << ...
    assert book.call.phase is CallPhase.GOODBYE
    book >> MachineDetectionFinished("machine") << ...
    assert book.call.goodbye.plan.ending is Ending.MESSAGE_LEFT
    message_said(book) << ends(Ending.MESSAGE_LEFT) << nothing


def test_a_machine_that_is_found_out_early_waits_for_the_model() -> None:
    """The session is not there yet, or the stream has not started."""
    book = (
        Book(**LEAVES, greeting="Hello.")
        >> MachineDetectionFinished("machine")
        << by("machine")
        << nothing
    )
    book >> session_created() << ... >> session_updated(book.agent) << note(events.ModelReady)
    book << nothing >> start() << note(events.CallerConnected) << nothing
    book >> book.next_frame() << ... >> response_created("resp_2") << nothing
    assert "Please call us back." in str(book.said)
    assert "Hello." not in str(book.said)


def test_the_message_is_left_on_the_sip_path_too() -> None:
    book = attached(**LEAVES, greeting="Hello.") >> response_created() << nothing
    book >> transcript() << ... >> started() << ...
    (
        book
        >> MachineDetectionFinished("machine")
        << by("machine")
        << DEAF
        << cancels("resp_1")
        << empties
    )
    book << nothing >> response_done(status="cancelled") << asks(MESSAGE) << nothing
    book >> response_created("resp_2") << nothing >> transcript("resp_2", "item_2") << nothing
    book >> started("resp_2") << nothing >> response_done("resp_2") << nothing
    book >> stopped("resp_2") << ends(Ending.MESSAGE_LEFT) << nothing


def test_a_sip_call_whose_sideband_is_not_up_is_hung_up_on_a_fax() -> None:
    book = SipBook(**HANGS_UP) >> CallAccepted() << ...
    (
        book
        >> MachineDetectionFinished("fax")
        << by("fax")
        << ends(Ending.MACHINE_ANSWERED, "fax")
        << nothing
    )


def test_and_the_message_waits_for_the_sideband() -> None:
    book = (
        SipBook(**LEAVES)
        >> CallAccepted()
        << ...
        >> MachineDetectionFinished("machine")
        << by("machine")
    )
    (
        book
        << nothing
        >> ModelOpened()
        << note(events.SidebandConnected)
        << DEAF
        << asks(MESSAGE)
        << nothing
    )


def test_the_policy_of_each() -> None:
    outbound = an_agent(**LEAVES).outbound
    assert outbound is not None
    found = {who: outbound.policy(who) for who in ("human", "machine", "fax", "unknown")}
    assert found == {
        "human": "talk",
        "machine": "leave_message",
        "fax": "hang_up",
        "unknown": "talk",
    }
