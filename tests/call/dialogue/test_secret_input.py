"""A caller types a secret at the carrier: they leave for it, and come back with what came of it."""

from __future__ import annotations

from typing import Any

import pytest
from call import sideband
from call.play import (
    Book,
    answered,
    asks_for_an_answer,
    ends,
    last_mark,
    note,
    nothing,
    outputs,
    wait,
)
from call.sideband import tone
from call.vendor_events import (
    audio_delta,
    audio_done,
    key,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech_started,
    start,
    stop,
)

from gateway import limits
from gateway.call import commands as do
from gateway.call import events
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending
from gateway.call.history import ConversationHistory
from gateway.call.inputs import SipCallEnded, TransferFailed
from gateway.call.snapshot import CallSnapshot, decode, encode
from gateway.protocols.realtime_server import ResponseDone

HTTP = {"http": {"url": "https://bank.example.com/secret"}}
BANK: dict[str, Any] = {
    "tools": ["collect_digits", "take_payment"],
    "secret_digits": {"pin": HTTP},
    "payments": {"bill": HTTP},
}
PIN = do.CollectSecret("digits", "pin")


def collects(
    what: str = "pin", name: str = "collect_digits", call_id: str = "call_1"
) -> ResponseDone:
    done = response_done("resp_1", calls=((name, call_id),))
    assert done.response.output
    done.response.output[0].arguments = f'{{"what": "{what}"}}'
    return done


def asked(book: Book, done: ResponseDone | None = None) -> Book:
    """The agent says that the caller can type now, and it is heard."""
    book >> response_created() << ... >> audio_delta(ms=200) << ... >> audio_done() << ...
    return book >> (done or collects()) << ...


def left(book: Book) -> Book:
    return asked(book) >> last_mark << ...


def back(state: CallSnapshot, output: str = "Typed, and accepted.") -> Book:
    """Another stream of the call, after the operator's function has answered."""
    history = ConversationHistory(state.history)
    history.answer_open(["collect_digits"], output)
    state.history, state.silently = history.items, True
    state.secret_ended = ("digits", "pin", "done")
    book = Book(**BANK)
    book.call.resume(decode(encode(state)))
    book >> session_created() << ... >> session_updated(book.agent) << ...
    return book >> start()


@pytest.mark.parametrize(("name", "what"), [("collect_digits", "pin"), ("take_payment", "bill")])
def test_the_caller_leaves_when_they_have_heard_that_they_may_type(name: str, what: str) -> None:
    book = asked(answered(**BANK), collects(what, name)) >> last_mark
    kind = "digits" if what == "pin" else "payment"
    book << events.SecretInputStarted(kind, what) << do.CollectSecret(kind, what)  # type: ignore[arg-type]
    book >> stop() << ends(Ending.SECRET_INPUT) << nothing


def test_by_sip_too() -> None:
    book = sideband.attached(**BANK) >> response_created() << ...
    book >> collects() << ... >> response_created("resp_2") << ...
    book >> response_done("resp_2") << note(events.SecretInputStarted) << PIN
    book >> SipCallEnded() << ends(Ending.SECRET_INPUT) << nothing


def test_who_is_asked_without_a_word_hears_first_that_they_may_type() -> None:
    book = answered(**BANK) >> response_created() << ... >> collects() << note(events.ToolCalled)
    assert prompts.TYPE_NOW in book.said[-1]["response"]["instructions"]
    book << ...


def test_keys_that_come_too_early_are_kept_by_nobody() -> None:
    """And do not count as an interruption: the caller wants to type."""
    book = asked(answered(**BANK)) >> key("7") << events.KeyPressed() >> key("3")
    book << events.KeyPressed() >> last_mark << note(events.SecretInputStarted) << PIN
    assert "7" not in [item.text for item in book.call.history.items]
    book = sideband.attached(**BANK) >> response_created() << ... >> collects() << ...
    book >> tone("7") << events.KeyPressed() >> wait(3) << ...
    assert not any("typed" in str(event) for event in book.said if "item" in event)


def test_a_caller_who_goes_on_speaking_is_not_sent_to_type() -> None:
    book = asked(answered(**BANK)) >> speech_started(100)
    outs = [event for event in book.said if event["type"] == "conversation.item.create"]
    assert outs[-1]["item"]["output"] == prompts.NOT_TYPED
    assert not any(isinstance(out, events.TransferAttempted) for out in book.outs())


def test_a_line_on_which_nothing_can_be_typed_is_said_to_the_model() -> None:
    book = left(answered(**BANK)) >> TransferFailed("no_carrier")
    book << events.SecretInputEnded("digits", "pin", "failed")
    book << outputs("call_1", prompts.NOT_COLLECTED) << asks_for_an_answer


@pytest.mark.parametrize("arguments", ['{"what": "tan"}', "{}", "", '{"what": "bill"}'])
def test_what_the_file_does_not_name_cannot_be_asked_for(arguments: str) -> None:
    done = collects()
    assert done.response.output
    done.response.output[0].arguments = arguments
    book = answered(**BANK) >> response_created() >> done << note(events.ToolCalled)
    book << outputs("call_1", prompts.NOTHING_TO_TYPE) << asks_for_an_answer


def test_nobody_types_for_ever() -> None:
    state = left(answered(**BANK)).call.snapshot()
    state.secret_inputs = limits.tools.SECRET_INPUTS_MAX
    book = back(state) << ...
    book >> book.next_frame() << ... >> response_created() << ...
    book >> collects(call_id="call_2") << note(events.ToolCalled)
    book << outputs("call_2", prompts.TYPED_ENOUGH) << asks_for_an_answer


# --- The way back ---


def test_the_agent_goes_on_with_what_the_operator_answered() -> None:
    book = back(left(answered(**BANK)).call.snapshot())
    told = [event["item"] for event in book.said if event["type"] == "conversation.item.create"]
    (output,) = [item["output"] for item in told if "output" in item]
    assert output == "Typed, and accepted."
    assert events.SecretInputEnded("digits", "pin", "done") in book.outs()
    book >> book.next_frame() << ...
    assert book.said[-1]["type"] == "response.create"
    assert "instructions" not in (book.said[-1].get("response") or {}), "it may use its tools"
    assert book.call.snapshot().secret_ended is None, "it is told once"


def test_a_call_that_broke_off_meanwhile_knows_that_nothing_is_known() -> None:
    state = left(answered(**BANK)).call.snapshot()
    book = Book(**BANK)
    book.call.resume(decode(encode(state)))
    assert prompts.TYPED_UNKNOWN in [item.text for item in book.call.history.items]


def test_nothing_is_recorded_from_the_moment_that_the_caller_leaves_to_type() -> None:
    book = answered(**BANK, recording={"consent": "Recorded."})
    book.call.recording.resume("on")
    left(book)
    assert book.call.recording.paused
    assert book.call.snapshot().recording == "on"  # the stream that they come back on
    book >> TransferFailed("http_500") << ...
    assert not book.call.recording.paused
