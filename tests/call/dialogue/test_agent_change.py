"""Another agent leads the same call: in a session of its own, or on SIP in the one there is."""

from __future__ import annotations

from json import dumps
from typing import Any

import pytest
from call import sideband, wires
from call.play import (
    Book,
    an_agent,
    answered,
    asks_for_an_answer,
    configures,
    note,
    nothing,
    outputs,
    wait,
)
from call.sideband import SipBook
from call.vendor_events import (
    audio_delta,
    audio_done,
    caller_said,
    committed,
    error,
    model_says,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech_started,
    speech_stopped,
    start,
)

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.call import commands as do
from gateway.call import events
from gateway.call.dialogue import prompts
from gateway.call.inputs import (
    HangUpRequested,
    ModelLost,
    ModelOpened,
    NextSessionEvent,
    NextSessionLost,
    ToolFinished,
)
from gateway.call.paths import media_call
from gateway.call.privacy.call_privacy import CallPrivacy
from gateway.call.snapshot import decode, encode
from gateway.protocols.realtime_server import ResponseDone

FRONT = {"name": "front", "tools": ["hand_over"], "hand_over": {"billing": "about an invoice"}}
BILLING = an_agent(
    name="billing",
    model="gpt-realtime-2.1-mini",
    voice="cedar",
    instructions="You know invoices.",
    tools=["hand_over", "find"],
    hand_over={"front": "about anything else"},
    functions={
        "find": {
            "description": "Finds an invoice.",
            "parameters": {"type": "object", "properties": {}},
            "http": {"url": "https://api.example.com/"},
        }
    },
)
TOOK_OVER = prompts.took_over("billing", "front", "An invoice is wrong.")


def front(**changes: Any) -> Book:
    return answered(colleagues=[BILLING, an_agent(**FRONT)], **{**FRONT, **changes})


def by_sip(**changes: Any) -> SipBook:
    shared = {"model": BILLING.model, "voice": BILLING.voice, "path": "sip"}
    billing = BILLING.model_copy(update={"path": "sip"})
    return sideband.attached(
        colleagues=[billing, an_agent(**FRONT, **shared)],
        **{**FRONT, "model": BILLING.model, "voice": BILLING.voice, **changes},
    )


def hands_over(
    to: str = "billing", response_id: str = "resp_1", call_id: str = "call_1"
) -> ResponseDone:
    done = response_done(response_id, calls=(("hand_over", call_id),))
    assert done.response.output
    arguments = dumps({"agent": to, "about": "An invoice is wrong."})
    done.response.output[0].arguments = arguments
    return done


def asked(book: Book) -> Book:
    """The agent says that a colleague takes over, and hands over."""
    book >> response_created() << ... >> audio_delta(ms=1000) << ...
    book >> model_says("item_1", "A colleague takes over.") << ... >> audio_done() << ...
    return book >> hands_over() << ...


def opened(book: Book, agent: Agent = BILLING) -> Book:
    """The session of the next agent is there."""
    book >> NextSessionEvent(session_created()) << ...
    return book >> NextSessionEvent(session_updated(agent))


def handed_over(book: Book) -> Book:
    return opened(asked(book)) << ...


def told_next(outs: list[Any]) -> list[dict[str, Any]]:
    sent = [wires.to_model(out.data) for out in outs if isinstance(out, do.SendToNextSession)]
    return [event["item"] for event in sent if "item" in event]


# --- A session of its own ---


def test_the_next_agents_session_is_opened_while_the_first_one_speaks() -> None:
    book = front() >> response_created() << ... >> audio_delta(ms=1000) << ...
    book >> audio_done() << ... >> hands_over() << note(events.ToolCalled, name="hand_over")
    book << do.OpenNextSession("gpt-realtime-2.1-mini") << ...
    book >> NextSessionEvent(session_created())
    (update,) = [
        wires.to_model(out.data)["session"]
        for out in book.outs()
        if isinstance(out, do.SendToNextSession)
    ]
    assert update["instructions"] == "You know invoices."
    assert update["audio"]["output"]["voice"] == "cedar"
    assert [tool["name"] for tool in update["tools"]] == ["hand_over"], "as the session says"


def test_it_takes_over_at_once_and_knows_all_that_was_said() -> None:
    book = front() >> speech_started(0) >> speech_stopped(900) >> committed() << ...
    book >> caller_said("turn_1", "My invoice is wrong.") << ...
    opened(asked(book)) << note(
        events.HandOverAttempted, agent="front", to="billing", outcome="done"
    )
    outs = book.outs()
    said = [part["text"] for item in told_next(outs) for part in item["content"]]
    assert said == [prompts.RECALLED, "My invoice is wrong.", "A colleague takes over."]
    assert do.SwitchToNextSession() in outs
    changed = events.AgentChanged("front", "billing", "gpt-realtime-2.1-mini")
    assert changed in outs
    created, answer = book.said[-3]["item"], book.said[-2]["item"]
    assert (created["type"], created["name"]) == ("function_call", "hand_over")
    assert answer["output"] == TOOK_OVER
    assert book.said[-1]["type"] == "response.create", "the next agent speaks without being asked"
    assert not any(isinstance(out, do.SendToCaller) for out in outs), "nothing of the first is cut"


def test_what_follows_is_the_next_agents() -> None:
    book = handed_over(front())
    book >> response_created("resp_2") << ...
    book >> response_done("resp_2", calls=(("find", "call_2"),), tokens=7)
    book << note(events.UsageCounted, model="gpt-realtime-2.1-mini")
    book << note(events.ToolCalled, name="find") << do.RunTool("call_2", "find", "{}") << ...
    assert book.call.agent.name == book.call.snapshot().agent == "billing"


def test_a_session_after_that_is_the_next_agents_too() -> None:
    book = handed_over(front()) >> ModelLost("closed_1006") << ... >> session_created()
    assert book.said[-1]["session"]["instructions"] == "You know invoices."
    book << ... >> session_updated(BILLING) << ...
    told = [event["item"] for event in book.said if event["type"] == "conversation.item.create"]
    assert TOOK_OVER in [item.get("output") for item in told], "it still knows who it is"


def test_while_a_response_runs_nothing_changes() -> None:
    book = asked(front()) >> response_created("resp_2") << ...
    opened(book) << nothing
    book >> response_done("resp_2")
    assert do.SwitchToNextSession() in book.outs()


def test_a_caller_who_speaks_meanwhile_is_heard_by_the_next_agent() -> None:
    book = asked(front()) >> wait(0.5) << ... >> speech_started(200) << ...
    appended_ms = book.appended_ms
    opened(book)
    assert do.SwitchToNextSession() in book.outs()
    assert book.appended_ms - appended_ms > 200, "the turn so far is heard again"
    assert book.said[-1]["type"] != "response.create", "it is the turn that is answered"


def test_another_function_of_the_same_answer_ends_with_the_next_agent() -> None:
    find = {name: getattr(BILLING, name) for name in ("functions",)}
    book = front(tools=["hand_over", "find"], **find)
    done = hands_over()
    more = response_done(calls=(("find", "call_2"),)).response.output
    assert done.response.output
    assert more
    done.response.output += more
    book >> response_created() >> done << ...
    opened(book) << ...
    book >> ToolFinished("call_2", "three", "ok") << ...
    told = [event["item"] for event in book.said if event["type"] == "conversation.item.create"]
    assert [item["call_id"] for item in told if "output" in item] == ["call_1", "call_2"]


# --- What is refused ---


@pytest.mark.parametrize("begin", [front, by_sip])
def test_nobody_hands_over_to_an_agent_that_is_not_named(begin: Any) -> None:
    book = begin() >> response_created() >> hands_over("sales") << note(events.ToolCalled)
    book << note(events.HandOverAttempted, to="unknown", outcome="unknown")
    book << outputs("call_1", prompts.no_colleague("billing")) << asks_for_an_answer


def test_arguments_that_cannot_be_read_name_nobody() -> None:
    book = front() >> response_created() >> response_done(calls=(("hand_over", "call_1"),))
    book << note(events.ToolCalled) << note(events.HandOverAttempted, outcome="unknown") << ...


def test_it_does_not_go_back_at_once() -> None:
    book = handed_over(front()) >> response_created("resp_2") << ...
    book >> hands_over("front", "resp_2", "call_2") << note(events.ToolCalled)
    book << note(events.HandOverAttempted, outcome="too_soon")
    book << outputs("call_2", prompts.just_handed_over("front")) << asks_for_an_answer


def in_a_circle() -> Book:
    """Three agents: the first has handed over to the second, and that to the third."""
    named = {"front": "outage", "outage": "billing", "billing": "front"}
    front, outage, billing = (
        an_agent(name=name, tools=["hand_over"], hand_over={to: "when it is theirs"})
        for name, to in named.items()
    )
    book = answered(
        colleagues=[outage, billing, front],
        name="front",
        tools=["hand_over"],
        hand_over={"outage": "when it is theirs"},
    )
    for number, agent in enumerate((outage, billing)):
        book >> response_created(f"resp_{number}") << ...
        book >> hands_over(agent.name, f"resp_{number}", f"call_{number}") << ...
        book >> NextSessionEvent(session_created()) << ...
        book >> NextSessionEvent(session_updated(agent)) << ...
        book >> response_created(f"said_{number}") >> response_done(f"said_{number}") << ...
    assert book.call.agent.name == "billing"
    return book


def test_it_does_not_go_round_in_a_circle_either() -> None:
    book = in_a_circle() >> response_created("resp_2") << ...
    book >> hands_over("front", "resp_2", "call_2") << note(events.ToolCalled)
    book << note(events.HandOverAttempted, outcome="too_soon")
    book << outputs("call_2", prompts.just_handed_over("front")) << ...


def test_another_process_knows_the_circle() -> None:
    state = decode(encode(in_a_circle().call.snapshot()))
    assert list(state.left_at) == ["front", "outage"]
    assert (state.first_agent, state.handed_from) == ("front", "outage")


def test_what_an_older_process_wrote_counts() -> None:
    state = handed_over(front()).call.snapshot()
    state.left_at, state.first_agent = {}, ""
    book = Book(colleagues=[an_agent(**FRONT)], **BILLING.model_dump(exclude_unset=True))
    book.call.resume(state)
    assert book.call.agents._left == {"front": state.handed_at}


def test_it_goes_back_after_some_turns_of_the_caller() -> None:
    book = handed_over(front())
    for number in range(limits.call.HAND_BACK_AFTER_TURNS):
        book >> committed(f"turn_{number}") << ...
    book >> response_created("resp_2") << ... >> hands_over("front", "resp_2", "call_2")
    assert any(isinstance(out, do.OpenNextSession) for out in book.outs())


def test_it_does_not_go_round_for_ever() -> None:
    book = front()
    for count in range(limits.call.HAND_OVERS_MAX + 1):
        here, there = ("billing", "front") if count % 2 else ("front", "billing")
        assert book.call.agent.name == here
        for number in range(limits.call.HAND_BACK_AFTER_TURNS):
            book >> committed(f"turn_{count}_{number}") << ...
        book >> response_created(f"resp_{count}") << ...
        book >> hands_over(there, f"resp_{count}", f"call_{count}") << note(events.ToolCalled)
        if count < limits.call.HAND_OVERS_MAX:
            agent = BILLING if there == "billing" else an_agent(**FRONT)
            book << ... >> NextSessionEvent(session_created()) << ...
            book >> NextSessionEvent(session_updated(agent)) << ...
            book >> response_created(f"said_{count}") >> response_done(f"said_{count}") << ...
    book << note(events.HandOverAttempted, outcome="too_many")
    book << outputs(f"call_{count}", prompts.ENOUGH_HAND_OVERS) << ...


def test_one_behind_more_calls_than_can_run_has_failed() -> None:
    find = BILLING.model_dump(exclude_unset=True)["functions"]
    book = front(tools=["hand_over", "find"], functions=find) >> response_created() << ...
    calls = [("find", f"call_{n}") for n in range(limits.tools.TOOLS_AT_ONCE_MAX)]
    done = response_done(calls=(*calls, ("hand_over", "call_9")))
    assert done.response.output
    done.response.output[-1].arguments = dumps({"agent": "billing"})
    tried = [out for out in (book >> done).outs() if isinstance(out, events.HandOverAttempted)]
    assert [one.outcome for one in tried] == ["failed"]


def test_one_that_is_under_way_is_not_begun_again() -> None:
    book = asked(front()) >> response_created("resp_2") << ...
    book >> hands_over("billing", "resp_2", "call_2") << note(events.ToolCalled)
    book << note(events.HandOverAttempted, outcome="under_way") << ...


# --- What goes wrong ---


def test_a_session_that_cannot_be_had_is_tried_once_more() -> None:
    book = asked(front()) >> NextSessionLost("unreachable") << ...
    book >> wait(limits.call.AGENT_CHANGE_PAUSE_S) << ...
    opened(book)
    assert do.SwitchToNextSession() in book.outs()


def test_then_the_agent_there_is_goes_on() -> None:
    book = asked(front()) >> NextSessionLost("unreachable") << do.CloseNextSession()
    book >> wait(limits.call.AGENT_CHANGE_PAUSE_S) << do.OpenNextSession(BILLING.model)
    book >> NextSessionLost("unreachable") << do.CloseNextSession()
    book << note(events.HandOverAttempted, to="billing", outcome="failed")
    book << note(events.ToolCompleted, name="hand_over", outcome="error")
    book << outputs("call_1", prompts.HAND_OVER_FAILED) << asks_for_an_answer
    assert book.call.agent.name == "front"


def test_a_session_that_is_refused_is_asked_for_without_what_can_be_missed() -> None:
    plain = BILLING.model_copy(
        update={"session": {"include": ["item.input_audio_transcription.logprobs"]}}
    )
    book = answered(colleagues=[plain], **FRONT)
    asked(book) >> NextSessionEvent(session_created()) << ...
    book >> NextSessionEvent(error("invalid_value")) << do.CloseNextSession()
    book >> wait(limits.call.AGENT_CHANGE_PAUSE_S) << do.OpenNextSession(BILLING.model)
    book >> NextSessionEvent(session_created())
    (update,) = book.outs()
    assert "include" not in wires.to_model(update.data)["session"]  # type: ignore[union-attr]
    book >> NextSessionEvent(session_updated(plain)) << ...
    assert book.call.agent.name == "billing"


def test_a_hand_over_that_takes_too_long_is_given_up() -> None:
    book = asked(front()) >> wait(limits.call.AGENT_CHANGE_MAX_S + 0.1)
    outs = book.outs()
    assert do.CloseNextSession() in outs
    failed = events.HandOverAttempted("front", "billing", "failed")
    assert failed in outs


def test_the_hour_comes_all_the_same_after_a_hand_over_that_failed() -> None:
    book = front(idle={"nudge_after_s": 500, "end_after_s": 600})
    book.call.model_link.next_session.plan(100.0)
    book.call.model_link._ends_at = book.now + 100.0
    asked(book) >> NextSessionLost("unreachable") << ...
    book >> wait(limits.call.AGENT_CHANGE_PAUSE_S) << ... >> NextSessionLost("unreachable") << ...
    book >> response_created("resp_2") >> response_done("resp_2") << ... >> wait(90)
    assert do.OpenNextSession(book.agent.model) in book.outs()


def test_a_call_that_loses_its_session_meanwhile_goes_on_with_the_first_agent() -> None:
    book = asked(front()) >> ModelLost("closed_1006") << ...
    book >> session_created()
    assert book.said[-1]["session"]["instructions"] == "Be kind."
    book << ... >> session_updated(book.agent) << ...
    book >> wait(limits.call.AGENT_CHANGE_PAUSE_S) << ...
    opened(book)
    assert do.SwitchToNextSession() in book.outs(), "and then hands over"


def test_a_call_that_ends_meanwhile_ends() -> None:
    asked(front()) >> HangUpRequested() << ... >> wait(30) << nothing


# --- SIP: one session ---


def test_by_sip_the_session_itself_becomes_the_next_agents() -> None:
    book = by_sip(reasoning_effort=None) >> response_created() << ... >> hands_over()
    book << note(events.ToolCalled) << configures << ...
    update = next(e["session"] for e in reversed(book.said) if e["type"] == "session.update")
    assert update["instructions"] == "You know invoices."
    assert "model" not in update
    assert "voice" not in update["audio"]["output"]
    book >> session_updated(BILLING) << note(events.HandOverAttempted, outcome="done")
    book << note(events.AgentChanged, agent="billing") << note(events.ToolCompleted)
    book << outputs("call_1", TOOK_OVER) << asks_for_an_answer


def test_a_change_that_openai_refuses_leaves_the_first_agent() -> None:
    book = by_sip()
    for count in range(limits.call.AGENT_CHANGE_TRIES_MAX):
        if not count:
            book >> response_created() << ... >> hands_over() << ...
        about = book.said[-1]["event_id"]
        book >> error("invalid_value", about=about) << ...
        book >> wait(limits.call.AGENT_CHANGE_PAUSE_S) << ...
    update = [e["session"] for e in book.said if e["type"] == "session.update"][-1]
    assert update["instructions"] == "Be kind.", "whatever was taken of it is taken back"
    assert book.call.agent.name == "front"
    assert book.call.ending is None


def test_a_sideband_that_is_lost_meanwhile_asks_again() -> None:
    book = by_sip() >> response_created() << ... >> hands_over() << ...
    book >> ModelLost("closed_1006") << ...
    book >> ModelOpened() << ... >> wait(limits.call.AGENT_CHANGE_PAUSE_S) << ...
    updates = [e for e in book.said if e["type"] == "session.update"]
    assert len(updates) == 2
    book >> session_updated(BILLING) << ...
    assert book.call.agent.name == "billing"


# --- Across processes ---


def test_another_process_goes_on_with_the_agent_there_is_and_counts_on() -> None:
    state = decode(encode(handed_over(front()).call.snapshot()))
    assert (state.agent, state.hand_overs, state.handed_from) == ("billing", 1, "front")
    assert state.first_agent == "front"
    book = Book(colleagues=[an_agent(**FRONT)], **BILLING.model_dump(exclude_unset=True))
    book.call.resume(state)
    assert book.call.first_agent == "front"
    book >> session_created() << ... >> session_updated(BILLING) << ...
    book >> start() << ... >> book.next_frame() << ...
    book >> response_created("resp_2") << ... >> hands_over("front", "resp_2", "call_2")
    book << note(events.ToolCalled) << note(events.HandOverAttempted, outcome="too_soon") << ...


def test_without_colleagues_nobody_can_be_had() -> None:
    call = media_call(an_agent(**FRONT), {}, lambda: "id", 0.0)
    assert call.agents._found("billing") is None


def test_the_strictest_switches_of_both_hold_before_the_next_agent_says_a_word() -> None:
    pci = BILLING.model_copy(
        update={"privacy": "pci", "record": "transcript", "redact": ["cards", "digits"]}
    )
    book = answered(
        colleagues=[pci, an_agent(**FRONT)],
        **FRONT,
        record="metadata",
        redact=["emails"],
        retain_days=7,
    )
    book = opened(asked(book), pci)
    strict = CallPrivacy("metadata", "pci", ("cards", "digits", "emails"), 7)
    outs = book.outs()
    changed = outs.index(events.PrivacyChanged(strict))
    assert changed < next(i for i, one in enumerate(outs) if isinstance(one, events.AgentChanged))
    book << ...
    assert book.call.privacy == strict
    assert decode(encode(book.call.snapshot())).privacy == strict


def test_switches_stay_strict_in_another_process_and_whoever_leads_the_call() -> None:
    state = front().call.snapshot()
    state.privacy = CallPrivacy("none", "pci", ("cards",), 5)
    after = Book(**FRONT)
    after.call.resume(decode(encode(state)))
    assert after.call.privacy == CallPrivacy("none", "pci", ("cards",), 5)


def test_agents_that_keep_the_same_change_no_switches() -> None:
    book = opened(asked(front()))
    assert not [out for out in book.outs() if isinstance(out, events.PrivacyChanged)]
    book << ...
