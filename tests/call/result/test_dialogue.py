"""The exchange about a result: when it is asked for, again, and given up."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from gateway import limits
from gateway.agents.config.result import ResultSchema
from gateway.call.history import ConversationHistory
from gateway.call.result.dialogue import ResultDialogue
from gateway.protocols import realtime_codec
from gateway.protocols import realtime_server as model

SCHEMA = ResultSchema.model_validate(
    {"type": "object", "properties": {"reason": {"type": "string"}}}
)
GOOD = json.dumps({"reason": {"value": "invoice", "evidence": ["my invoice"]}})


def dialogue(*turns: tuple[str, str | None]) -> ResultDialogue:
    history = ConversationHistory()
    for item_id, words in turns or (("item_1", "It is about my invoice."),):
        history.caller_spoke(item_id)
        if words is not None:
            history.caller_said(item_id, words)
    ids = itertools.count(1)
    return ResultDialogue(SCHEMA, history, lambda: f"event_{next(ids)}", 0.0)


def request(messages: list[bytes]) -> dict[str, Any]:
    assert len(messages) == 1
    event: dict[str, Any] = json.loads(messages[0])
    assert event["type"] == "response.create"
    return event["response"] | {"event_id": event["event_id"]}


def done(asked: dict[str, Any], text: str, status: str = "completed") -> model.ResponseDone:
    item = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    return _event(
        "response.done",
        {"id": "resp_1", "status": status, "output": [item], "metadata": asked["metadata"]},
    )


def created(asked: dict[str, Any]) -> model.ResponseCreated:
    return _event("response.created", {"id": "resp_1", "metadata": asked["metadata"]})


def failed(asked: dict[str, Any], message: str) -> model.ResponseDone:
    details = {"type": "failed", "error": {"code": "rate_limit_exceeded", "message": message}}
    return _event(
        "response.done",
        {
            "id": "resp_1",
            "status": "failed",
            "status_details": details,
            "metadata": asked["metadata"],
        },
    )


def _event(kind: str, response: dict[str, Any]) -> Any:
    event = realtime_codec.parse(
        json.dumps({"type": kind, "event_id": "e", "response": response}).encode()
    )
    assert isinstance(event, model.ResponseDone | model.ResponseCreated)
    return event


def test_the_request_stays_out_of_the_conversation_and_makes_no_sound() -> None:
    asked = request(dialogue().connected(0.0))
    assert asked["conversation"] == "none"
    assert asked["output_modalities"] == ["text"]
    assert asked["tools"] == []
    assert asked["tool_choice"] == "none"
    assert "[item_1] caller: It is about my invoice." in asked["input"][0]["content"][0]["text"]
    assert SCHEMA.text in asked["instructions"]


def test_a_good_answer_is_filed() -> None:
    talk = dialogue()
    asked = request(talk.connected(0.0))
    assert talk.on_event(done(asked, GOOD), 1.0) == []
    assert talk.filed is not None
    assert (talk.filed.status, talk.filed.tries) == ("filed", 1)
    assert talk.filed.fields == {"reason": "invoice"}
    assert talk.filed.evidence == {"reason": [{"item_id": "item_1", "quote": "my invoice"}]}


def test_a_call_without_a_word_of_the_callers_has_no_result() -> None:
    history = ConversationHistory()
    history.model_said("item_1", "Hello?")
    talk = ResultDialogue(SCHEMA, history, lambda: "event_1", 0.0)
    assert talk.filed is not None
    assert (talk.filed.status, talk.filed.reason) == ("skipped", "no_words")


def test_words_that_are_still_being_transcribed_are_waited_for() -> None:
    talk = dialogue(("item_1", None))
    assert talk.connected(0.0) == []
    assert talk.deadline == limits.results.TRANSCRIPTS_MAX_S
    late = model.CallerTranscriptDone(item_id="item_1", transcript="It is my invoice.")
    asked = request(talk.on_event(late, 0.5))
    assert "It is my invoice." in asked["input"][0]["content"][0]["text"]


def test_words_are_not_waited_for_for_ever() -> None:
    talk = dialogue(("item_1", "My invoice."), ("item_2", None))
    assert talk.connected(0.0) == []
    assert request(talk.tick(limits.results.TRANSCRIPTS_MAX_S))


def test_words_that_never_come_leave_no_result() -> None:
    talk = dialogue(("item_1", None))
    talk.connected(0.0)
    assert talk.tick(limits.results.TRANSCRIPTS_MAX_S) == []
    assert talk.filed is not None
    assert talk.filed.reason == "no_words"


@pytest.mark.parametrize(
    ("text", "reason", "told"),
    [("I think so.", "not_json", "not JSON"), ('{"reason": 7}', "schema", "reason")],
)
def test_an_answer_that_does_not_fit_is_asked_for_once_more(
    text: str, reason: str, told: str
) -> None:
    talk = dialogue()
    first = request(talk.connected(0.0))
    second = request(talk.on_event(done(first, text), 1.0))
    assert told in second["instructions"]
    assert second["metadata"] != first["metadata"]
    assert talk.on_event(done(second, text), 2.0) == []
    assert talk.filed is not None
    assert (talk.filed.status, talk.filed.reason, talk.filed.tries) == ("failed", reason, 2)
    assert talk.filed.fields == {"reason": None}


def test_an_overloaded_server_is_given_the_time_that_it_asks_for() -> None:
    talk = dialogue()
    first = request(talk.connected(0.0))
    assert talk.on_event(failed(first, "Please try again in 3.2s."), 1.0) == []
    assert talk.deadline == pytest.approx(4.2)
    assert talk.tick(4.0) == []
    assert request(talk.tick(4.2))


def test_but_no_more_than_a_result_is_worth() -> None:
    talk = dialogue()
    first = request(talk.connected(0.0))
    talk.on_event(failed(first, "Please try again in 20m."), 1.0)
    assert talk.deadline == 1.0 + limits.results.PAUSE_MAX_S


def test_an_answer_that_does_not_come_is_given_up() -> None:
    talk = dialogue()
    request(talk.connected(0.0))
    second = request(talk.tick(limits.results.TRY_MAX_S))
    assert second["metadata"]["try"] == "2"
    talk.tick(2 * limits.results.TRY_MAX_S)
    assert talk.filed is not None
    assert (talk.filed.status, talk.filed.reason) == ("failed", "timeout")


def test_a_late_answer_to_the_first_request_is_not_the_second() -> None:
    talk = dialogue()
    first = request(talk.connected(0.0))
    request(talk.tick(limits.results.TRY_MAX_S))
    assert talk.on_event(done(first, "late"), 16.0) == []
    assert talk.filed is None


def test_a_request_that_is_refused_is_sent_once_more() -> None:
    talk = dialogue()
    first = request(talk.connected(0.0))
    refused = model.Error(error=model.ErrorBody(event_id=first["event_id"], message="no"))
    talk.on_event(refused, 1.0)
    second = request(talk.tick(1.0 + limits.results.PAUSE_S))
    refused = model.Error(error=model.ErrorBody(event_id=second["event_id"], message="no"))
    talk.on_event(refused, 3.0)
    assert talk.filed is not None
    assert talk.filed.reason == "refused"


def test_errors_of_other_events_and_other_responses_are_nobodys_answer() -> None:
    talk = dialogue()
    request(talk.connected(0.0))
    before = talk.deadline
    assert talk.on_event(model.Error(error=model.ErrorBody(event_id="event_9")), 1.0) == []
    talk.on_event(created({"metadata": None}), 1.0)
    talk.on_event(done({"metadata": None}, GOOD), 1.0)
    assert talk.on_event(model.SpeechStarted(audio_start_ms=0, item_id="item_2"), 1.0) == []
    assert (talk.filed, talk.deadline) == (None, before)


def test_an_answer_is_known_by_its_id_if_it_brings_no_tags() -> None:
    talk = dialogue()
    talk.on_event(created(request(talk.connected(0.0))), 0.5)
    talk.on_event(done({"metadata": None}, GOOD), 1.0)
    assert talk.filed is not None
    assert talk.filed.status == "filed"


def test_while_an_answer_is_on_its_way_nothing_more_is_asked() -> None:
    talk = dialogue(("item_1", "My invoice."), ("item_2", None))
    talk.connected(0.0)
    assert request(talk.tick(limits.results.TRANSCRIPTS_MAX_S))
    late = model.CallerTranscriptDone(item_id="item_2", transcript="Of March.")
    assert talk.on_event(late, limits.results.TRANSCRIPTS_MAX_S + 1.0) == []
    assert talk.tick(limits.results.TRANSCRIPTS_MAX_S + 1.5) == []
    assert talk.filed is None


def test_a_server_that_asks_for_no_time_is_given_a_little() -> None:
    talk = dialogue()
    talk.on_event(failed(request(talk.connected(0.0)), "Overloaded."), 1.0)
    assert talk.deadline == 1.0 + limits.model.RETRY_PAUSE_FIRST_S


@pytest.mark.parametrize(("status", "reason"), [("incomplete", "incomplete"), ("", "failed")])
def test_an_answer_that_breaks_off_says_how(status: str, reason: str) -> None:
    talk = dialogue()
    talk.on_event(done(request(talk.connected(0.0)), GOOD, status), 1.0)
    again = request(talk.tick(1.0 + limits.results.PAUSE_S))
    talk.on_event(done(again, GOOD, status), 3.0)
    assert talk.filed is not None
    assert (talk.filed.status, talk.filed.reason) == ("failed", reason)


def test_another_session_is_asked_when_the_first_one_is_lost() -> None:
    talk = dialogue()
    request(talk.connected(0.0))
    talk.disconnected()
    assert talk.tick(5.0) == []
    again = request(talk.connected(6.0))
    talk.on_event(done(again, GOOD), 7.0)
    assert talk.filed is not None
    assert talk.filed.fields == {"reason": "invoice"}


def test_all_of_it_has_an_end() -> None:
    talk = dialogue()
    assert talk.deadline == limits.results.RESULT_MAX_S
    talk.tick(limits.results.RESULT_MAX_S)
    assert talk.filed is not None
    assert talk.filed.status == "failed"
