"""Call events reach every subscriber, in order, whatever one of them does."""

from __future__ import annotations

from typing import Any

from call_doubles import CallDouble
from structlog.testing import capture_logs

from gateway.bridge.event_dispatch import CallEvents
from gateway.bridge.privacy_filter import PrivacyFilter
from gateway.call import events


def broken(*_: Any) -> None:
    raise KeyError("a bug of ours")


def test_a_subscriber_that_raises_takes_nothing_from_the_others() -> None:
    dispatch, seen, call = CallEvents(PrivacyFilter()), [], CallDouble()
    dispatch.subscribe(lambda *got: seen.append(("first", *got)))
    dispatch.subscribe(broken)
    dispatch.subscribe(lambda *got: seen.append(("last", *got)))
    event = events.ModelSpeechEnded()
    with capture_logs() as logs:
        dispatch.publish(call, event)
    assert seen == [("first", call, event), ("last", call, event)]
    (line,) = logs
    assert (line["event"], line["call_sid"]) == ("event_subscriber_failed", call.facts.call_sid)
    assert line["call_event"] == type(event).__name__


def test_announcements_likewise() -> None:
    dispatch, seen, call = CallEvents(PrivacyFilter()), [], CallDouble()
    dispatch.subscribe_to_announcements(broken)
    dispatch.subscribe_to_announcements(seen.append)
    with capture_logs() as logs:
        dispatch.announce(call)
    assert seen == [call]
    assert [line["event"] for line in logs] == ["event_subscriber_failed"]
