"""Calls that are placed at the simulated carrier's: what it refuses, and whom it takes for whom."""

from __future__ import annotations

import pytest
from starlette.datastructures import FormData
from voices import tone

from gateway.simulator.audio.analysis import same_words, samples, silence
from gateway.simulator.scenario.parties import PersonSpec
from gateway.simulator.scenario.schema import Scenario
from gateway.simulator.twilio.outbound_call import (
    Opening,
    OutboundPlacement,
    OutboundRequest,
    PlacementRefused,
    opening,
)

ASKED = {"To": "+14155550142", "From": "+14155550100", "Url": "https://gw.example.com/x"}


async def voice(text: str, _language: str) -> bytes:
    return tone(len(text) * 10)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"To": ""}, 21201),
        ({"To": "911"}, 21211),
        ({"To": "+0415555012"}, 21211),
        ({"From": ""}, 21213),
        ({"From": "sip:x@y"}, 21212),
        ({"Url": "gw.example.com"}, 21205),
        ({"Timeout": "601"}, 21220),
        ({"Timeout": "long"}, 21220),
        ({"StatusCallbackEvent": "rung"}, 21626),
        ({"MachineDetection": "Maybe"}, 21218),
    ],
)
def test_what_is_not_placed(change: dict[str, str], code: int) -> None:
    with pytest.raises(PlacementRefused) as refused:
        OutboundRequest.of(FormData(ASKED | change))
    assert refused.value.code == code


def test_what_is_asked_for() -> None:
    events = [("StatusCallbackEvent", "ringing"), ("StatusCallbackEvent", "answered")]
    order = OutboundRequest.of(FormData([*ASKED.items(), *events, ("Timeout", "20")]))
    assert (order.ring_s, order.events) == (20.0, {"ringing", "answered"})
    assert order.detection == ""  # it is asynchronous, or blocks the call
    assert OutboundRequest.of(FormData(ASKED)).events == {"completed"}


@pytest.mark.parametrize(
    ("person", "detection", "who", "after_ms"),
    [
        ({"says": "Hello?"}, "Enable", "human", 60 + 1200),
        ({}, "Enable", "unknown", 5000),
        ({"fax": True}, "Enable", "fax", 1500),
        ({"machine": True, "says": "Leave a word."}, "Enable", "machine_start", 2400),
        (
            {"machine": True, "says": "Leave a word."},
            "DetectMessageEnd",
            "machine_end_beep",
            130 + 400 + 500,
        ),
        (
            {"machine": True, "says": "Leave a word.", "beep": False},
            "DetectMessageEnd",
            "machine_end_silence",
            130 + 1200,
        ),
    ],
)
async def test_who_it_is_is_told_by_what_is_heard(
    person: dict[str, object], detection: str, who: str, after_ms: float
) -> None:
    spec = PersonSpec.model_validate(person)
    order = OutboundRequest(
        "+14155550142", "+14155550100", "", "POST", "", frozenset(), 5, detection
    )
    placement = OutboundPlacement(order, await opening(spec, voice))
    assert placement.answered_by(spec) == (who, pytest.approx(after_ms))


def test_the_words_are_known_again_by_their_rise_and_fall() -> None:
    words = tone(300) + silence(100) + tone(150) + silence(60) + tone(500)
    other = tone(100) + silence(80) + tone(400) + silence(200) + tone(100) + silence(50) + tone(90)
    recorded = silence(700) + words + silence(200)
    assert same_words(words, recorded) > 0.98
    assert same_words(words, silence(700) + other) < 0.8
    assert same_words(words, recorded[: samples(700)]) < 0.1


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ({"direction": "outbound", "to": "+14155550142"}, "which one calls"),
        ({"agent": "x"}, "which one calls"),
        ({"direction": "outbound", "agent": "x", "path": "trunk"}, "trunk"),
        ({"direction": "outbound", "agent": "x", "to": "+14155550199"}, "one of `people`"),
    ],
)
def test_a_scenario_that_calls_nobody(call: dict[str, str], problem: str) -> None:
    people = {"+14155550142": "busy"}
    with pytest.raises(ValueError, match=problem):
        Scenario.model_validate(
            {"name": "x", "call": call, "people": people, "steps": ["expect_hang_up"]}
        )


def test_what_nobody_says_is_no_opening() -> None:
    assert Opening("", b"").ms == 0
