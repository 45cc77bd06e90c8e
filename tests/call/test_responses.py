"""One response at a time: what is asked for, refused, lost, failed, and asked for again."""

from __future__ import annotations

from call.play import (
    Book,
    answered,
)
from gateway import limits
from gateway.call.responses import ResponseArbiter, ResponseRequest

HELLO = "Good morning."


def greeting() -> Book:
    """The greeting is asked for, and nothing has come yet."""
    return answered(greeting=HELLO)


# --- The arbiter by itself ---


def test_too_many_wants_are_refused() -> None:
    arbiter = ResponseArbiter()
    assert all(
        arbiter.request(ResponseRequest(str(n))) for n in range(limits.model.RESPONSES_QUEUED_MAX)
    )
    assert not arbiter.request(ResponseRequest("one more"))


def test_answers_that_any_response_gives_are_wanted_once() -> None:
    arbiter = ResponseArbiter()
    for _ in range(limits.model.RESPONSES_QUEUED_MAX * 2):
        assert arbiter.request(ResponseRequest("answer", any_will_do=True))
    assert arbiter.next("e1")
    assert arbiter.next("e2") is None
    arbiter.created("resp_1")
    arbiter.done("resp_1")
    assert arbiter.idle


def test_a_response_without_words_of_ours_meets_what_waited_when_it_was_asked_for() -> None:
    arbiter = ResponseArbiter()
    arbiter.request(ResponseRequest("resumed"))
    arbiter.request(ResponseRequest("answer", any_will_do=True))
    assert arbiter.next("e1") == ResponseRequest("resumed")
    arbiter.request(ResponseRequest("tool", any_will_do=True))  # told after it was asked for
    arbiter.created("resp_1")
    assert arbiter.done("resp_1") == ResponseRequest("resumed")
    assert arbiter.next("e2") == ResponseRequest("tool", any_will_do=True)
    assert arbiter.next("e3") is None


def test_a_response_in_words_of_ours_meets_nothing_else() -> None:
    arbiter = ResponseArbiter()
    arbiter.request(ResponseRequest("greeting", {"instructions": "Say hello."}))
    arbiter.request(ResponseRequest("answer", any_will_do=True))
    assert arbiter.next("e1")
    arbiter.created("resp_1")
    arbiter.done("resp_1")
    assert arbiter.next("e2") == ResponseRequest("answer", any_will_do=True)


def test_a_forgotten_want_is_never_asked_for() -> None:
    arbiter = ResponseArbiter()
    arbiter.request(ResponseRequest("farewell"))
    arbiter.request(ResponseRequest("nudge"))
    arbiter.forget("farewell")
    assert arbiter.next("e1") == ResponseRequest("nudge")


def test_a_want_that_was_refused_comes_before_those_that_wait() -> None:
    arbiter = ResponseArbiter()
    arbiter.request(ResponseRequest("greeting"))
    assert arbiter.next("e1")
    arbiter.request(ResponseRequest("nudge"))
    arbiter.refused_for_another()
    arbiter.done("resp_theirs")
    assert arbiter.next("e2") == ResponseRequest("greeting")


def test_a_held_want_waits() -> None:
    arbiter = ResponseArbiter()
    arbiter.request(ResponseRequest("nudge"))
    arbiter.deferred = True
    assert arbiter.next("e1") is None
    assert not arbiter.idle
    arbiter.deferred = False
    assert arbiter.next("e2") == ResponseRequest("nudge")
    assert (arbiter.event_id, arbiter.busy, arbiter.awaiting) == ("e2", True, True)


def test_a_pause_is_long_from_this_many_seconds_on() -> None:
    arbiter, long_s = ResponseArbiter(), limits.model.RETRY_HOLD_TONE_FROM_S
    arbiter.pause(long_s)
    assert arbiter.long_pause
    arbiter.pause(long_s - 0.1)
    assert (arbiter.paused, arbiter.long_pause) == (True, False)
