"""Who follows what was stored."""

from __future__ import annotations

from structlog.testing import capture_logs

from gateway.ops.recordings.joining import StoredRecording
from gateway.ops.recordings.stored_events import StoredEvents

INFO = StoredRecording(
    "CA1",
    "CA1",
    "CA1",
    "desk",
    "opus",
    "2026-11-29T09:00:00+00:00",
    1.0,
    9,
    "ab",
    False,
    "CA1.opus",
)


def test_a_subscriber_that_raises_takes_nothing_from_the_others() -> None:
    stored, heard = StoredEvents(), list[StoredRecording]()

    def broken(_info: StoredRecording) -> None:
        raise ValueError

    stored.subscribe(broken)
    stored.subscribe(heard.append)
    with capture_logs() as lines:
        stored.publish(INFO)
    assert heard == [INFO]
    assert [line["event"] for line in lines] == ["recording_subscriber_failed"]


def test_whoever_follows_what_is_dropped_gets_its_name() -> None:
    stored, heard = StoredEvents(), list[str]()
    stored.subscribe_to_drops(heard.append)
    stored.subscribe_to_drops(heard.append)
    stored.dropped("CA1")
    assert heard == ["CA1", "CA1"]
