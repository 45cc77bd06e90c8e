"""What changed is told to whoever takes it, and an ended call is shown for a while."""

from __future__ import annotations

from database_end import ended_call

from gateway import limits
from gateway.ops.records.live_changes import EndedLine, LiveChanges


def test_changes_are_taken_once() -> None:
    changes = LiveChanges(shared=True)
    changes.changed("CA1")
    changes.ended(EndedLine(ended_call(2).summary(), 5.0))
    assert changes.take() == {"CA1", f"CA{2:032}"}
    assert changes.take() == set()
    assert list(changes.lately_ended(6.0)) == [f"CA{2:032}"]
    assert changes.lately_ended(6.0 + limits.records.ENDED_SHOWN_S) == {}


def test_alone_nothing_is_kept() -> None:
    changes = LiveChanges(shared=False)
    changes.changed("CA1")
    changes.ended(EndedLine(ended_call(2).summary(), 5.0))
    assert (changes.take(), changes.lately_ended(5.0)) == (set(), {})


def test_there_is_an_end_to_what_is_kept() -> None:
    changes = LiveChanges(shared=True)
    for number in range(limits.records.RECORDS_KEPT_MAX + 5):
        changes.ended(EndedLine(ended_call(number).summary(), 5.0))
    assert len(changes.lately_ended(5.0)) == limits.records.RECORDS_KEPT_MAX


def test_what_ended_first_is_forgotten_first() -> None:
    changes, most = LiveChanges(shared=True), limits.records.RECORDS_KEPT_MAX
    for number in range(most + 1):
        changes.ended(EndedLine(ended_call(number).summary(), float(number)))
    assert list(changes.lately_ended(0.0)) == [f"CA{n:032}" for n in range(1, most + 1)]
    left = changes.lately_ended(most - 1 + limits.records.ENDED_SHOWN_S)
    assert list(left) == [f"CA{n:032}" for n in (most - 1, most)]
