"""What all call events have in common."""

from __future__ import annotations

import msgspec
import pytest

from gateway.call import events
from gateway.call.events.call_event import CallEvent

ALL = CallEvent.__subclasses__()


def test_the_package_has_every_event_and_no_other_name() -> None:
    assert set(events.__all__) == {"CallEvent", *(kind.__name__ for kind in ALL)}
    assert [getattr(events, kind.__name__) for kind in ALL] == ALL


@pytest.mark.parametrize("kind", ALL)
def test_an_event_is_a_fact_that_no_subscriber_changes(kind: type[CallEvent]) -> None:
    assert kind.__struct_config__.frozen
    # Events are many and short-lived, and hold nothing that refers back to them.
    assert not kind.__struct_config__.gc


@pytest.mark.parametrize("kind", ALL)
def test_an_event_says_what_it_means(kind: type[CallEvent]) -> None:
    """The name of its type is its name in the log."""
    assert kind.__doc__ is not None
    assert kind.__doc__ != CallEvent.__doc__


def test_two_events_of_the_same_facts_are_equal() -> None:
    assert events.AudioDropped("unplayed", 20) == events.AudioDropped("unplayed", 20)
    assert events.AudioDropped("unplayed", 20) != events.AudioDropped("unplayed", 40)
    assert msgspec.structs.asdict(events.AudioDropped("unplayed", 20))["ms"] == 20
