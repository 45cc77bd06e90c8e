"""The sideband of a SIP call: attached, lost, attached again, or not to be had."""

from __future__ import annotations

import pytest
from call import vendor_events
from call.play import (
    Book,
    asks,
    asks_for_an_answer,
    ends,
    note,
    nothing,
    tells_the_model,
    wait,
)
from call.sideband import (
    ACCEPTED,
    FIRST,
    GONE,
    LOST,
    OPENED,
    PATIENT,
    TO_DESK,
    TRANSFERS,
    SipBook,
    attached,
    ended_saying_goodbye,
    reattaches,
    refers,
    speaking,
    started,
    stopped,
    tool_call,
    transcript,
)
from call.vendor_events import (
    committed,
    response_created,
    response_done,
    speech_started,
    speech_stopped,
)

from gateway import limits
from gateway.call import commands as do
from gateway.call import events as notes
from gateway.call import inputs
from gateway.call.dialogue.prompts import FAREWELL
from gateway.call.endings import Ending


def reattached(book: Book) -> Book:
    book >> LOST << reattaches << nothing >> wait(0.3) << nothing >> OPENED
    return book << note(notes.SidebandConnected, again=True)


# --- How it begins ---


def test_accept_and_sideband_and_greeting() -> None:
    (
        SipBook(greeting="Hello.")
        >> wait(0.4)
        << nothing
        >> ACCEPTED
        << note(notes.CallerConnected, seconds=0.4)
        >> wait(0.2)
        << nothing
        >> OPENED
        << note(notes.SidebandConnected, seconds=0.2, again=False)
        << asks("Hello.")
        << nothing
        >> response_created()
        << nothing
        >> transcript()
        << nothing
        >> wait(0.3)
        >> started()
        << note(notes.FirstAudioSent, seconds=0.9, after_arrival_s=0.5)
        << nothing
        >> response_done()
        << nothing
        >> stopped()
        << nothing
    )


def test_without_a_greeting_the_caller_has_the_first_word() -> None:
    attached() << nothing >> wait(5.0) << nothing


def test_a_caller_who_was_here_before_is_met_otherwise() -> None:
    book = SipBook(greeting="Hello.")
    book.call.begin_with("Say that nobody took the call.")
    (
        book
        >> ACCEPTED
        << ...
        >> OPENED
        << note(notes.SidebandConnected)
        << asks("nobody took")
        << nothing
    )


def test_a_sideband_before_the_accept_says_nothing() -> None:
    SipBook(greeting="Hello.") >> OPENED << nothing


def test_events_of_a_media_session_configure_nothing() -> None:
    book = attached()
    book >> vendor_events.session_created() >> vendor_events.session_updated(book.agent) << nothing
    book >> vendor_events.audio_delta(ms=100) << nothing


def test_accepted_twice_arrives_once() -> None:
    attached() >> ACCEPTED << nothing >> OPENED << nothing


def test_a_sideband_that_never_comes_up_ends_the_call() -> None:
    book = (
        SipBook()
        >> ACCEPTED
        << note(notes.CallerConnected)
        >> wait(limits.sip.SIDEBAND_MAX_S - 0.1)
    )
    book << nothing >> wait(0.2) << ends(Ending.MODEL_LOST, "no_sideband")


def test_a_sideband_has_its_time_from_the_moment_of_the_accept() -> None:
    book = SipBook() >> wait(5.0) << nothing >> ACCEPTED << note(notes.CallerConnected)
    book >> wait(limits.sip.SIDEBAND_MAX_S - 0.1) << nothing >> OPENED
    book << note(notes.SidebandConnected) << nothing


@pytest.mark.parametrize(
    ("refused", "ending"), [(False, Ending.MODEL_LOST), (True, Ending.MODEL_REFUSED)]
)
def test_a_sideband_that_cannot_be_had_ends_the_call(refused: bool, ending: Ending) -> None:
    book = SipBook() >> ACCEPTED << ... >> inputs.ModelLost("http_401", refused)
    book << ends(ending, "http_401")


def test_a_call_that_is_never_accepted_is_over() -> None:
    SipBook() >> wait(limits.call.ARRIVAL_WAIT_S + 1) << ends(Ending.MODEL_SILENT, "session")


def test_giving_up_says_that_it_ended_and_asks_for_nothing() -> None:
    """There is no leg to hang up, and no socket to close."""
    book = SipBook()
    outs = book.call.give_up(book.now)
    assert [type(out) for out in outs] == [notes.CallEnded]
    assert (outs[0].ending, outs[0].arrived) == (Ending.MODEL_REFUSED, False)
    assert book.call.deadline is None


def test_it_goes_on_with_a_second_sideband_and_no_second_greeting() -> None:
    book = attached(greeting="Hello.") >> response_created() >> transcript() >> started() << FIRST
    reattached(book) << nothing
    # What was missed meanwhile: response.done, output_audio_buffer.stopped.
    assert not book.call.line.speaking()
    book >> speech_started() >> speech_stopped(900) >> committed() << nothing
    book >> response_created("resp_2") >> transcript("resp_2") << nothing
    book >> started("resp_2") << note(notes.TurnMeasured) << nothing


def test_a_greeting_that_was_not_asked_for_yet_is_asked_for_now() -> None:
    book = (
        SipBook(greeting="Hello.")
        >> ACCEPTED
        << ...
        >> inputs.PeerFaultSeen("model", "junk")
        << ...
    )
    book >> OPENED << note(notes.SidebandConnected) << asks("Hello.") << nothing


def test_the_end_of_a_turn_that_was_missed_does_not_count() -> None:
    """Nobody knows when its answer began: the next sound is not the answer to it."""
    book = attached() >> speech_started() >> speech_stopped(500) >> committed() << nothing
    reattached(book) << nothing >> wait(3.0) << nothing
    book >> response_created() >> started() << FIRST << nothing


def test_what_ends_after_the_gap_began_before_it() -> None:
    book = reattached(speaking()) << nothing
    book >> response_done() >> stopped() << nothing >> speech_stopped(700) << nothing
    book >> response_created("resp_2") >> started("resp_2") << note(notes.TurnMeasured) << nothing


def test_a_caller_who_fell_silent_meanwhile_does_not_hold_the_model_up() -> None:
    book = speaking() >> speech_started(500) << note(notes.BargedIn)
    reattached(book) << nothing >> wait(14.8) << nothing >> wait(0.3) << asks("silent") << nothing


def test_a_nudge_that_failed_is_not_made_up_for_after_the_gap() -> None:
    """Nobody knows whether the line is still silent."""
    book = attached(idle={"nudge_after_s": 5.0, "end_after_s": 60.0}) >> wait(5.1) << asks("")
    book >> response_created() >> response_done(status="failed", failure="server_error")
    book << note(notes.ModelErrorReported) << nothing
    reattached(book) << nothing >> wait(limits.model.RETRY_PAUSE_MAX_S) << ...


def test_answers_that_were_asked_for_do_not_block_the_next() -> None:
    book = speaking() >> tool_call("nonsense") << note(notes.ToolCalled)
    book << tells_the_model("no such tool") << asks_for_an_answer
    reattached(book) << nothing >> speech_started() >> speech_stopped(900) >> committed()
    (
        book
        << nothing
        >> wait(limits.model.RESPONSE_START_MAX_S + 0.1)
        << asks_for_an_answer
        << nothing
    )


def test_no_second_sideband_ends_the_call() -> None:
    book = speaking() >> LOST << reattaches >> wait(1.0) << nothing
    book >> inputs.ModelLost("unreachable") << ends(Ending.MODEL_LOST, "unreachable") << nothing


def test_a_second_sideband_that_takes_too_long_ends_the_call() -> None:
    book = (
        speaking()
        >> LOST
        << reattaches
        >> wait(limits.sip.SIDEBAND_MAX_S - 0.1)
        << nothing
        >> wait(0.2)
    )
    book << ends(Ending.MODEL_LOST, "no_sideband") << nothing >> OPENED << nothing


def test_a_sideband_that_does_not_hold_is_not_opened_for_ever() -> None:
    book = speaking()
    for _ in range(limits.sip.SIDEBAND_LOSSES_MAX):
        (
            book
            >> LOST
            << reattaches
            >> wait(0.1)
            >> OPENED
            << note(notes.SidebandConnected)
            << nothing
        )
    book >> LOST << ends(Ending.MODEL_LOST, "closed_1006") << nothing


def test_a_sideband_that_held_for_a_while_may_be_lost_again() -> None:
    book = speaking(idle=PATIENT)
    for _ in range(3 * limits.sip.SIDEBAND_LOSSES_MAX):
        (
            book
            >> LOST
            << reattaches
            >> wait(0.1)
            >> OPENED
            << note(notes.SidebandConnected)
            << nothing
        )
        book >> wait(limits.sip.SIDEBAND_STEADY_S + 0.1) << nothing


def test_a_goodbye_goes_on_while_the_sideband_is_had_again() -> None:
    book = ended_saying_goodbye() >> LOST << reattaches << nothing >> wait(0.5) << nothing
    book >> OPENED << note(notes.SidebandConnected) << nothing
    book >> stopped() << ends(Ending.AGENT_HUNG_UP) << nothing


def test_a_goodbye_that_came_to_its_end_meanwhile_is_not_waited_for_for_ever() -> None:
    """Whether it was heard nobody knows; that it was wanted, we do."""
    book = ended_saying_goodbye() >> LOST << reattaches >> OPENED << note(notes.SidebandConnected)
    book >> wait(limits.call.GOODBYE_MAX_S) << ends(Ending.AGENT_HUNG_UP, "unheard") << nothing


@pytest.mark.parametrize(
    "outcome", [wait(limits.sip.SIDEBAND_MAX_S + 0.1), inputs.ModelLost("no_sideband")]
)
def test_a_goodbye_is_a_goodbye_without_a_sideband_too(outcome: object) -> None:
    book = ended_saying_goodbye() >> LOST << reattaches << nothing >> outcome
    book << ends(Ending.AGENT_HUNG_UP, "no_sideband") << nothing


@pytest.mark.parametrize(
    "outcome", [wait(limits.sip.SIDEBAND_MAX_S + 0.1), inputs.ModelLost("no_sideband")]
)
def test_whoever_is_to_be_put_through_is_put_through_without_it(outcome: object) -> None:
    book = speaking(**TRANSFERS) >> tool_call("transfer", arguments=TO_DESK)
    book << note(notes.ToolCalled) >> LOST << reattaches << nothing >> outcome
    (
        book
        << refers()
        << nothing
        >> GONE
        << notes.TransferAttempted("done")
        << ends(Ending.TRANSFERRED)
    )


def test_the_longest_call_ends_without_a_socket() -> None:
    book = attached(max_call_s=5.0) >> wait(4.0) << nothing >> LOST << reattaches << nothing
    (
        book
        >> wait(limits.sip.SIDEBAND_MAX_S + 0.1)
        << ends(Ending.MAX_LENGTH, "no_sideband")
        << nothing
    )


def test_the_longest_call_ends_with_a_farewell_over_a_second_sideband() -> None:
    book = attached(max_call_s=5.0) >> wait(4.0) << nothing >> LOST << reattaches >> wait(1.5)
    book << nothing >> OPENED << note(notes.SidebandConnected) << asks(FAREWELL) << nothing
    book >> response_created() >> transcript() >> started() << FIRST >> response_done()
    book << nothing >> stopped() << ends(Ending.MAX_LENGTH) << nothing


def test_the_operator_hangs_up_a_call_without_a_sideband() -> None:
    book = speaking() >> LOST << reattaches << nothing >> inputs.HangUpRequested()
    book << ends(Ending.OPERATOR_HUNG_UP) << nothing


# --- Another agent in the same session ---


def test_another_agents_session_is_there_when_the_last_update_is_confirmed() -> None:
    """The one before it was refused, and the change back is not confirmed yet."""
    book = attached()
    link, agent = book.call.model_link, book.agent
    link.prepare(agent, book.session)
    link.session_refused()
    assert link.preparation == "failed"
    link.drop_preparation()
    link.prepare(agent, book.session)
    link.session_refused()
    link.drop_preparation()
    link.prepare(agent, book.session)
    for _ in range(2):
        book >> vendor_events.session_updated(agent) << ...
        assert link.preparation == "under_way"
    book >> vendor_events.session_updated(agent) << ...
    assert link.preparation == "ready"


def test_a_goodbye_ends_without_a_session_though_the_caller_was_heard() -> None:
    """Nobody is there to say that the cough is over."""
    book = ended_saying_goodbye(barge_in={"min_speech_ms": 300}) >> speech_started() << nothing
    book >> vendor_events.error("invalid_api_key") << note(notes.ModelErrorReported) << nothing
    book >> stopped() << ends(Ending.AGENT_HUNG_UP) << nothing


# --- The same on both paths ---


def test_a_session_without_formats_is_what_the_agent_asks() -> None:
    """The same agent on the other path asks for the same, and for its format of sound."""
    sip, media = SipBook(greeting="Hello.").session, Book(greeting="Hello.").session
    assert "format" not in str(sip["audio"])
    for side in ("input", "output"):
        del media["audio"][side]["format"]
    assert sip == media


def test_a_bug_ends_the_call_and_hangs_up_its_leg() -> None:
    book = speaking()
    outs = book.call.abandon(book.now)
    assert outs[:2] == [do.CloseModel(), do.CloseCaller()]
    assert outs[2].ending is Ending.BUG
