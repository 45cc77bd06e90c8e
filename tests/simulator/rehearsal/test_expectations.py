"""What a scenario may expect of tools, transfers and paths, and how it can fail."""

from __future__ import annotations

import pytest

from gateway.simulator.rehearsal import expectations, report
from gateway.simulator.rehearsal.record import RehearsalRecord
from gateway.simulator.scenario.expect import Expect
from gateway.simulator.twilio.line import Moment
from gateway.simulator.twilio.outcomes import CallOutcome


def record(*moments: tuple[str, str], how: str = "hangup_verb") -> RehearsalRecord:
    made = [Moment(0.0, kind, detail) for kind, detail in moments]
    return RehearsalRecord("test", "CA1", CallOutcome("gateway", how), b"", b"", [], [], [], made)


MEDIA, SIP = ("stream_started", "MZ1"), ("sip_answered", "leg")


@pytest.mark.parametrize(
    ("moments", "how", "fits"),
    [
        ((SIP,), "hangup_verb", True),
        ((SIP,), "end_of_document", True),
        ((("trunk_answered", ""),), "far_end_hung_up", True),
        ((MEDIA,), "hangup_verb", False),
        ((SIP, MEDIA), "hangup_verb", False),
        ((SIP,), "rejected_busy", False),
    ],
)
def test_one_expectation_of_how_it_ended_holds_on_every_path(
    moments: tuple[tuple[str, str], ...], how: str, fits: bool
) -> None:
    found = expectations.failures(record(*moments, how=how), Expect(how="completed_by_rest"))
    assert (found == []) is fits


def test_a_transfer_that_did_not_take_place_is_a_failure() -> None:
    wanted = Expect(transferred_to="+15550142")
    assert expectations.failures(record(SIP, ("person_answered", "+15550142")), wanted) == []
    (failure,) = expectations.failures(record(SIP), wanted)
    assert failure == "transferred to nobody, expected +15550142"


def test_tools_are_called_in_their_order() -> None:
    called = record(SIP)
    called.words = [{"kind": "tool_called", "name": name} for name in ("look", "wait", "transfer")]
    assert expectations.tools(called, Expect(tools=["look", "transfer"])) == []
    assert len(expectations.tools(called, Expect(tools=["transfer", "look"]))) == 1
    assert "end_call" in expectations.tools(called, Expect(tools=["end_call"]))[0]


def test_the_paths_of_a_run_are_counted_by_who_answered_first() -> None:
    run = [record(MEDIA), record(MEDIA), record(SIP, MEDIA), record()]
    assert expectations.paths(run, Expect(paths={"media": 2, "sip": 1, "trunk": 0})) == []
    (failure,) = expectations.paths(run, Expect(paths={"sip": 2}))
    assert failure == "1 calls on the path sip, expected 2"
    assert report.summary(run)["paths"] == {"media": 2, "sip": 1}
