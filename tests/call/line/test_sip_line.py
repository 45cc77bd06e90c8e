"""A call on the SIP path: the same core, steering what it does not hear."""

from __future__ import annotations

import pytest
from call import vendor_events
from call.play import (
    Book,
    asks,
    asks_for_an_answer,
    cancels,
    deletes,
    ends,
    note,
    nothing,
    outputs,
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
    cleared,
    empties,
    ended_saying_goodbye,
    from_the_wire,
    reattaches,
    refers,
    speaking,
    started,
    stopped,
    tone,
    tool_call,
    transcript,
)
from call.vendor_events import (
    caller_says,
    committed,
    response_created,
    response_done,
    speech_started,
    speech_stopped,
)

from gateway import limits
from gateway.call import events as notes
from gateway.call import inputs
from gateway.call.dialogue.prompts import FAREWELL, NOT_ENDED, NOT_TRANSFERRED, TRANSFER_FAILED
from gateway.call.endings import Ending
from gateway.call.state_machines import CallPhase
from gateway.protocols import realtime_server as model


def leaving(**agent: object) -> SipBook:
    """The model said that it connects the caller, and was heard: the transfer is under way."""
    book = speaking(**(TRANSFERS | agent)) >> tool_call("transfer", arguments=TO_DESK)
    return book << note(notes.ToolCalled) >> stopped() << refers()


# --- Turns ---


def test_a_turn_from_the_last_word_to_the_first_sound() -> None:
    book = speaking() >> response_done() >> stopped() << nothing >> wait(2.0) << nothing
    # The server's VAD waited for half a second of silence, which its figure includes.
    book >> speech_started(2000) << nothing >> wait(1.0) >> speech_stopped(3500) << nothing
    book >> committed() << nothing >> response_created("resp_2") << nothing
    book >> wait(0.25) >> transcript("resp_2") << nothing >> wait(0.05) >> started("resp_2")
    (
        book
        << note(
            notes.TurnMeasured,
            number=1,
            wait_s=0.8,
            detection_s=0.5,
            model_s=0.25,
            gateway_s=0.05,
            playback_s=0.0,
        )
        << nothing
    )


def test_sound_before_its_words_ends_the_wait_too() -> None:
    book = attached() >> speech_started() >> speech_stopped(500) >> committed() << nothing
    book >> response_created() >> wait(0.2) >> started()
    book << FIRST << note(notes.TurnMeasured, wait_s=0.7, model_s=0.2) << nothing


def test_the_clock_is_tied_to_the_event_that_took_the_shortest_way() -> None:
    book = attached() >> wait(10.0) << nothing
    book >> speech_started(9_000) >> speech_stopped(10_000) >> committed() << nothing
    book >> response_created() >> started() << FIRST << note(notes.TurnMeasured) << nothing
    book >> response_done() >> stopped() >> wait(2.0) << nothing
    # This one comes 300 ms late, which the caller has waited for too.
    book >> speech_started(11_000) >> wait(0.3) >> speech_stopped(12_000) >> committed() << nothing
    book >> response_created("resp_2") >> started("resp_2")
    book << note(notes.TurnMeasured, wait_s=0.8, detection_s=0.8) << nothing


def test_a_turn_that_nobody_answers_is_asked_for() -> None:
    book = attached() >> speech_started() >> speech_stopped(500) >> committed() << nothing
    book >> wait(limits.model.RESPONSE_START_MAX_S + 0.1) << asks_for_an_answer << nothing


def test_transcripts_are_told_by_who_spoke() -> None:
    said = from_the_wire(
        '{"type":"response.output_audio_transcript.done","response_id":"resp_1",'
        '"item_id":"item_1","transcript":"Hello."}'
    )
    book = speaking() >> said << notes.TranscriptLine("model", "Hello.", "item_1")
    heard = from_the_wire(
        '{"type":"conversation.item.input_audio_transcription.completed",'
        '"item_id":"turn_1","transcript":"Hi."}'
    )
    book >> heard << notes.TranscriptLine("caller", "Hi.", "turn_1") << nothing


def test_usage_counts_on_this_path_too() -> None:
    book = speaking() >> response_done(tokens=40) << note(notes.UsageCounted) >> GONE
    book << ends(Ending.CALLER_HUNG_UP)
    assert book.umpire.ended.tokens == 40


# --- Interruptions ---


def test_the_server_interrupts_by_itself() -> None:
    book = speaking() >> wait(1.2) << nothing >> speech_started(1_200)
    book << note(notes.BargedIn, item_id="item_1", heard_ms=1200) << nothing
    book >> cleared() >> response_done(status="cancelled") << nothing >> wait(0.5)
    book >> speech_stopped(2_000) >> committed() << nothing
    book >> response_created("resp_2") >> transcript("resp_2") << nothing >> started("resp_2")
    book << note(notes.TurnMeasured) << nothing
    assert book.call.ctx.tally.barge_ins == 1


def test_words_that_were_never_heard_are_no_interruption() -> None:
    book = attached() >> response_created() >> transcript() >> speech_started() << nothing
    book >> response_done(status="cancelled") << nothing
    assert book.call.ctx.tally.barge_ins == 0
    assert not book.call.line.speaking()


@pytest.mark.parametrize("order", [(cleared, response_done), (response_done, cleared)])
def test_what_was_behind_the_sentence_is_gone_with_it(order: tuple[object, object]) -> None:
    """An answer that waited for its turn in the buffer is not waited for by us."""
    book = speaking() >> response_done() << nothing
    book >> response_created("resp_2") >> transcript("resp_2", "item_2") << nothing >> wait(0.5)
    book >> speech_started(900) << note(notes.BargedIn, item_id="item_1", heard_ms=500) << nothing
    for happens in order:
        cancelled = happens is response_done
        book >> (response_done("resp_2", "cancelled") if cancelled else cleared()) << nothing
    assert not book.call.line.speaking()


def test_the_one_that_plays_is_not_the_one_that_failed() -> None:
    book = speaking() >> response_done() >> response_created("resp_2") << nothing
    book >> transcript("resp_2", "item_2") >> response_done("resp_2", "cancelled") << nothing
    assert book.call.line.speaking()
    book >> stopped() << nothing
    assert not book.call.line.speaking()


def test_what_plays_is_given_longer_to_end_than_what_does_not() -> None:
    book = speaking()
    line = book.call.line
    assert line.goodbye_max_s == limits.sip.GOODBYE_MAX_S
    book >> stopped("another") << nothing
    assert line.goodbye_max_s == limits.sip.GOODBYE_MAX_S, "that was not the one that plays"
    book >> stopped() << nothing
    assert line.goodbye_max_s == limits.call.GOODBYE_MAX_S


def test_the_next_sentence_plays_only_after_the_last() -> None:
    """Should the server forget to say that one was over, the next one says so."""
    book = speaking() >> response_done() >> response_created("resp_2") << nothing
    book >> started("resp_2") >> response_done("resp_2") >> stopped("resp_2") << nothing
    assert not book.call.line.speaking()


def test_the_end_of_an_answer_that_was_played_is_not_waited_for_long() -> None:
    """The server sends `response.done` before it has played the last of it."""
    book = speaking() >> stopped() << nothing
    book >> wait(limits.model.RESPONSE_OVER_MAX_S - 0.01) << nothing
    book >> wait(0.02) << note(notes.ModelErrorReported, code="response_without_end") << nothing


def client_turns(ms: int = 300, **agent: object) -> SipBook:
    return speaking(barge_in={"min_speech_ms": ms}, **agent)


def test_our_own_interruption_cancels_and_then_clears() -> None:
    (
        client_turns()
        >> wait(1.0)
        << nothing
        >> speech_started(1_000)
        << nothing
        >> wait(0.31)
        << cancels("resp_1")
        << empties
        << note(notes.BargedIn, item_id="item_1", heard_ms=1300)
        << nothing
        >> response_done(status="cancelled")
        >> cleared()
        >> speech_stopped(2_000)
        << nothing
        >> committed()
        << asks_for_an_answer
        << nothing
    )


def test_an_answer_whose_beginning_we_did_not_see_is_interrupted_without_its_name() -> None:
    book = attached(barge_in={"min_speech_ms": 300}) >> committed() << asks_for_an_answer
    (
        book
        >> vendor_events.already_active()
        << note(notes.ModelErrorReported)
        >> transcript("resp_9")
        << nothing
    )
    book >> started("resp_9") << FIRST >> speech_started() << nothing >> wait(0.31)
    book << cancels(None) << empties << note(notes.BargedIn) << nothing


def test_of_a_whole_answer_only_the_sound_is_left_to_clear() -> None:
    book = client_turns() >> response_done() >> wait(1.0) << nothing >> speech_started(1_000)
    book << nothing >> wait(0.31) << empties << note(notes.BargedIn) << nothing
    book >> cleared() << nothing


def test_words_on_their_way_to_the_ear_are_cleared_too() -> None:
    """Their sound may begin at any moment."""
    book = attached(barge_in={"min_speech_ms": 300}) >> response_created() >> transcript()
    book << nothing >> response_done() >> speech_started() << nothing >> wait(0.31) << empties
    book << nothing


def test_uh_huh_is_no_turn() -> None:
    book = client_turns() >> wait(0.5) >> speech_started(500) << nothing >> wait(0.1)
    book >> speech_stopped(700) << notes.BargeInIgnored("short") >> committed("turn_2")
    book << deletes("turn_2") << nothing


def test_an_answer_that_crossed_the_callers_words_is_taken_back() -> None:
    """Cancelled alone, what was made of it so far would be played over the caller."""
    book = speaking() >> tool_call("nonsense") << note(notes.ToolCalled)
    book << tells_the_model("no such tool") << asks_for_an_answer
    book >> speech_started(900) << note(notes.BargedIn) << nothing
    book >> response_created("resp_2") << cancels("resp_2") << empties << nothing


# --- Keys ---


@pytest.mark.parametrize("blank", ["", " "])
def test_a_key_is_noted_and_not_which(blank: str) -> None:
    """The vendor's own example has a leading blank in the type, and no event_id."""
    pressed = from_the_wire(
        f'{{"type":"{blank}input_audio_buffer.dtmf_event_received","event":"7",'
        '"received_at":1763800000}'
    )
    book = attached() >> pressed << notes.KeyPressed() << nothing
    assert "7" not in repr(notes.KeyPressed())
    assert book.said == []


def test_a_key_breaks_the_silence() -> None:
    idle = {"nudge_after_s": 2.0, "end_after_s": 4.0}
    book = attached(idle=idle, keypad="none") >> wait(1.9) << nothing
    book >> tone() << notes.KeyPressed() >> wait(1.9) << nothing >> wait(0.2)
    book << asks("silent") << nothing


# --- The end, by the agent ---


def test_a_goodbye_is_played_to_its_end() -> None:
    (
        ended_saying_goodbye()
        << nothing
        >> wait(limits.call.GOODBYE_MAX_S + 5)  # it takes its time
        << nothing
        >> stopped()
        << ends(Ending.AGENT_HUNG_UP)
        << nothing
    )


def test_a_goodbye_that_does_not_begin_is_not_waited_for() -> None:
    book = attached() >> response_created() >> transcript() >> tool_call("end_call")
    book << note(notes.ToolCalled) << nothing >> wait(limits.call.GOODBYE_MAX_S - 0.1) << nothing
    book >> wait(0.2) << ends(Ending.AGENT_HUNG_UP, "unheard") << nothing


def test_a_goodbye_that_does_not_end_is_ended() -> None:
    book = ended_saying_goodbye() << nothing >> wait(limits.sip.GOODBYE_MAX_S - 0.1) << nothing
    book >> wait(0.2) << ends(Ending.AGENT_HUNG_UP, "unheard") << nothing


def test_a_goodbye_that_was_not_said_is_asked_for() -> None:
    book = attached() >> response_created() >> tool_call("end_call") << note(notes.ToolCalled)
    book << asks(FAREWELL) >> response_created("bye") >> transcript("bye") << nothing
    book >> response_done("bye") << nothing >> started("bye") << FIRST << nothing
    (
        book
        >> wait(limits.call.GOODBYE_MAX_S + 5)
        << nothing
        >> stopped("bye")
        << ends(Ending.AGENT_HUNG_UP)
    )


def test_the_caller_speaks_into_the_goodbye() -> None:
    book = ended_saying_goodbye() >> wait(0.5) >> speech_started(900)
    book << note(notes.BargedIn) << outputs("call_1", NOT_ENDED) << nothing
    book >> cleared() >> wait(40) >> caller_says("turn_1", "Oh, and ") << nothing
    book >> wait(limits.sip.GOODBYE_MAX_S - 35) << nothing
    assert book.call.phase is CallPhase.TALKING


def test_a_goodbye_cut_short_by_the_server_is_over() -> None:
    ended_saying_goodbye() >> cleared() << ends(Ending.AGENT_HUNG_UP)


def test_the_operator_hangs_up() -> None:
    speaking() >> inputs.HangUpRequested() << ends(Ending.OPERATOR_HUNG_UP) << nothing


def test_silence_is_nudged_and_ended() -> None:
    book = attached(idle={"nudge_after_s": 2.0, "end_after_s": 4.0}) >> wait(2.1) << asks("silent")
    book >> response_created() >> transcript() >> started() << FIRST >> response_done()
    book >> wait(3.0) << nothing >> stopped() >> wait(1.9) << nothing >> wait(0.2)
    book << asks(FAREWELL) >> response_created("bye") >> transcript("bye") >> started("bye")
    book >> response_done("bye") << nothing >> stopped("bye") << ends(Ending.IDLE)


def test_the_longest_call_ends_with_a_farewell() -> None:
    book = attached(max_call_s=130.0, idle=PATIENT) >> wait(
        130.0 - limits.call.WARN_BEFORE_END_S - 0.1
    )
    book << nothing >> wait(0.2) << tells_the_model("one minute") << nothing >> wait(60.0)
    book << asks(FAREWELL) >> response_created() >> transcript() >> started() << FIRST
    book >> response_done() >> stopped() << ends(Ending.MAX_LENGTH)


def test_the_session_is_over_its_hour() -> None:
    book = (
        speaking()
        >> vendor_events.error("session_expired")
        << note(notes.ModelErrorReported, fault="expired")
    )
    book << ends(Ending.MODEL_LOST, "session_expired") << nothing


def test_a_key_that_does_not_work_ends_it() -> None:
    book = speaking() >> vendor_events.error("insufficient_quota") << note(notes.ModelErrorReported)
    book << ends(Ending.MODEL_REFUSED, "insufficient_quota") << nothing


# --- The end, by the caller ---


@pytest.mark.parametrize("at", [attached, speaking, ended_saying_goodbye])
def test_a_call_that_is_gone_was_hung_up(at: object) -> None:
    """Close 1006 on the sideband, and then no such call: that is a normal end."""
    book = at() >> LOST << reattaches << nothing >> wait(0.2) << nothing >> GONE  # type: ignore[operator]
    book << ends(Ending.CALLER_HUNG_UP) << nothing
    assert book.umpire.ended.ending.well


def test_the_caller_hangs_up_before_being_put_through() -> None:
    book = speaking(**TRANSFERS) >> tool_call("transfer", arguments=TO_DESK)
    book << note(notes.ToolCalled) >> LOST << reattaches << nothing >> GONE
    book << ends(Ending.CALLER_HUNG_UP) << nothing


def test_the_carrier_says_that_the_caller_is_gone() -> None:
    speaking() >> GONE << ends(Ending.CALLER_HUNG_UP) << nothing >> LOST << nothing


def test_gone_before_the_call_was_accepted() -> None:
    book = SipBook() >> GONE << ends(Ending.CALLER_HUNG_UP)
    assert not book.umpire.ended.arrived
    book >> ACCEPTED >> OPENED << nothing


# --- Handed over ---


def test_handed_over_when_the_words_were_heard() -> None:
    (
        speaking(**TRANSFERS)
        >> tool_call("transfer", arguments=TO_DESK)
        << note(notes.ToolCalled, name="transfer")
        << nothing
        >> wait(1.0)
        << nothing
        >> stopped()
        << refers("+15550123")
        << nothing
        >> wait(3.0)
        << nothing
        >> LOST
        << reattaches
        << nothing
        >> GONE
        << notes.TransferAttempted("done")
        << ends(Ending.TRANSFERRED)
        << nothing
    )


def test_the_carrier_may_be_the_first_to_say_that_it_worked() -> None:
    leaving() >> GONE << notes.TransferAttempted("done") << ends(Ending.TRANSFERRED) << nothing


def back_again(book: Book, outcome: str) -> Book:
    book << notes.TransferAttempted(outcome) << outputs("call_1", TRANSFER_FAILED)
    book << asks_for_an_answer << nothing >> response_created("resp_2") << nothing
    book >> transcript("resp_2") >> started("resp_2") << nothing
    book >> response_done("resp_2") >> stopped("resp_2") << nothing
    assert book.call.phase is CallPhase.TALKING
    return book


def test_a_transfer_that_was_refused_brings_the_caller_back() -> None:
    book = leaving() >> wait(0.5) << nothing >> inputs.TransferFailed("http_400")
    back_again(book, "refused")


def test_a_transfer_of_which_nothing_is_heard_brings_the_caller_back() -> None:
    book = leaving() >> wait(limits.call.TRANSFER_MAX_S - 0.1) << nothing >> wait(0.2)
    back_again(book, "no_outcome") >> GONE << ends(Ending.CALLER_HUNG_UP)


def test_back_again_the_caller_can_be_put_through_once_more() -> None:
    book = back_again(leaving() >> inputs.TransferFailed("http_400"), "refused")
    book >> speech_started() >> speech_stopped(900) >> committed() << nothing
    book >> response_created("resp_3") >> transcript("resp_3") << nothing
    book >> started("resp_3") << note(notes.TurnMeasured) << nothing
    book >> tool_call("transfer", "resp_3", TO_DESK, "call_2") << note(notes.ToolCalled)
    book >> stopped("resp_3") << refers() << nothing


def test_who_speaks_up_is_not_put_through() -> None:
    book = speaking(**TRANSFERS) >> tool_call("transfer", arguments=TO_DESK)
    book << note(notes.ToolCalled) >> wait(0.2) >> speech_started(300) << note(notes.BargedIn)
    book << outputs("call_1", NOT_TRANSFERRED) << notes.TransferAttempted("caller_spoke") << nothing


def test_a_sideband_lost_on_the_way_does_not_stop_a_transfer() -> None:
    """Hanging up would take the caller from whoever is just picking up."""
    book = leaving() >> LOST << reattaches << nothing >> inputs.ModelLost("unreachable") << nothing
    (
        book
        >> wait(limits.sip.SIDEBAND_MAX_S + 1)
        << nothing
        >> GONE
        << notes.TransferAttempted("done")
    )
    book << ends(Ending.TRANSFERRED) << nothing


def test_a_sideband_had_again_on_the_way_does_not_stop_a_transfer_either() -> None:
    book = leaving() >> LOST << reattaches >> OPENED << note(notes.SidebandConnected) << nothing
    book >> GONE << notes.TransferAttempted("done") << ends(Ending.TRANSFERRED) << nothing


def test_no_outcome_and_no_sideband_is_the_end() -> None:
    book = leaving() >> LOST << reattaches >> inputs.ModelLost("unreachable") << nothing
    book >> wait(limits.call.TRANSFER_MAX_S) << notes.TransferAttempted("no_outcome")
    book << ends(Ending.MODEL_LOST) << nothing


# --- A playback that nobody reports the end of ---

HASTY = {"nudge_after_s": 5.0, "end_after_s": 10.0, "nudge": "Anyone?"}
R1 = response_created("resp_1")
SHORT = model.Usage(output_token_details=model.OutputDetails(audio_tokens=40))
DONE = model.ResponseDone(model.Response("resp_1", "completed", output=[], usage=SHORT))
AT_MOST_S = 40 * limits.sip.AUDIO_TOKEN_MAX_S + limits.sip.PLAYBACK_SPARE_S


@pytest.mark.parametrize(
    "played",
    [
        [R1, transcript(), started(), DONE],  # the end was lost
        [R1, transcript(), DONE, stopped(), started()],  # came before the beginning
        [R1, transcript(), DONE],  # neither came
        [R1, transcript(), started("resp_9"), DONE, stopped("resp_9")],  # of another response
    ],
)
def test_what_must_have_been_heard_is_taken_for_heard(played: list[object]) -> None:
    """Else nobody would ever be asked whether they are there: the call would last to its limit."""
    book = attached(idle=HASTY)
    for event in played:
        book = book >> event << ...
    book >> wait(AT_MOST_S - 1) << nothing
    lost = note(notes.ModelErrorReported, code="playback_without_end")
    book >> wait(1.5) << lost << ... >> wait(4.0) << nothing >> wait(1.0) << asks("Anyone?") << ...


def test_without_its_length_a_playback_is_given_longer() -> None:
    book = attached(idle=PATIENT) >> R1 << ... >> transcript() << ... >> started() << ...
    book >> response_done("resp_1") << ... >> wait(limits.sip.PLAYBACK_MAX_S - 1) << nothing
    book >> wait(1.5) << note(notes.ModelErrorReported, code="playback_without_end") << ...


def test_words_that_come_after_the_end_are_not_waited_for() -> None:
    book = attached(idle=HASTY)
    for event in (R1, transcript(), started(), DONE, stopped(), transcript()):
        book = book >> event << ...
    book >> wait(4.5) << nothing >> wait(1.0) << asks("Anyone?") << ...


def test_answers_that_wait_behind_another_have_its_time_too() -> None:
    book = attached(idle=PATIENT) >> R1 << ... >> transcript() << ... >> started() << ... >> DONE
    book << ... >> response_created("resp_2") << ... >> transcript("resp_2", "item_2") << ...
    second = model.Response("resp_2", "completed", output=[], usage=SHORT)
    book >> model.ResponseDone(second) << ...
    lost = note(notes.ModelErrorReported, code="playback_without_end")
    book >> wait(AT_MOST_S + 0.5) << lost << ... >> wait(AT_MOST_S - 1) << nothing
    book >> wait(1.0) << lost << ...


def test_a_goodbye_that_only_sounds_was_said_all_the_same() -> None:
    """Its transcript never came."""
    book = attached() >> response_created() >> started() << FIRST >> tool_call("end_call")
    book << note(notes.ToolCalled) << nothing >> stopped() << ends(Ending.AGENT_HUNG_UP)


def test_the_sound_of_another_response_is_no_goodbye() -> None:
    book = attached() >> response_created() >> started("resp_0") << FIRST >> tool_call("end_call")
    book << note(notes.ToolCalled) << asks(FAREWELL) << nothing


def test_of_many_responses_the_last_are_known_to_be_done() -> None:
    book = attached(idle=PATIENT)
    last = f"resp_{limits.sip.RESPONSES_KEPT_MAX}"
    for n in range(limits.sip.RESPONSES_KEPT_MAX + 1):
        book >> response_created(f"resp_{n}") << nothing >> response_done(f"resp_{n}") << nothing
    book >> transcript(last) << ...
    assert not book.call.line.speaking(), "it came late"
    book >> transcript("resp_0") << ...
    assert book.call.line.speaking(), "of so long ago nothing is known"


def test_what_must_have_been_heard_does_not_sound_any_more() -> None:
    book = attached(idle=PATIENT)
    for event in (R1, transcript(), started(), DONE):
        book = book >> event << ...
    assert book.call.line.goodbye_max_s == limits.sip.GOODBYE_MAX_S
    book >> wait(AT_MOST_S + 0.5) << ...
    assert book.call.line.goodbye_max_s == book.call.ctx.patience.goodbye_max_s
