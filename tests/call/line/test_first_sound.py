"""Waits that end with the first sound of an answer, as its mark reports it."""

from __future__ import annotations

import json

import pytest
from call.play import an_agent

from gateway.audio.transcode import model_to_caller
from gateway.call import events
from gateway.call.context import CallContext, Out
from gateway.call.line.downlink import Downlink
from gateway.call.line.first_sound import FirstSound
from gateway.protocols.media_stream import ToTwilio

FRAME = bytes(160)


class Line:
    """A line whose agent is known, announced at 100.0; the caller arrived two seconds later."""

    def __init__(self, arrived: bool = True) -> None:
        self.ctx = CallContext(an_agent(), lambda: "id", 100.0)
        self.downlink = Downlink(model_to_caller("pcmu"), 1000)
        self.downlink.open(ToTwilio("MZ1"))
        self.first = FirstSound(self.ctx, self.downlink)
        self.at(102.0)
        if arrived:
            self.ctx.arrive()
            self.ctx.take()

    def at(self, now: float) -> None:
        self.ctx.now = now

    def plays(self, item_id: str, sent_at: float, marked_at: float) -> list[Out]:
        """One frame of an item is sent, and its mark comes back."""
        self.at(sent_at)
        self.first.answered()
        self.downlink.play(item_id, FRAME, sent_at)
        _, mark = self.downlink.pump(sent_at)
        self.at(marked_at)
        self.downlink.acknowledge(json.loads(mark)["mark"]["name"], marked_at)
        self.first.measure()
        return list(self.ctx.take())


def test_the_greeting_is_measured_from_the_webhook_and_from_the_arrival() -> None:
    line = Line()
    (greeted,) = line.plays("item_1", sent_at=102.5, marked_at=102.62)
    assert isinstance(greeted, events.FirstAudioSent)
    # The mark stands behind the frame: 20 ms before it the caller heard the first of it.
    assert (greeted.seconds, greeted.after_arrival_s) == pytest.approx((2.6, 0.6))


def test_the_agent_is_heard_for_the_first_time_once() -> None:
    line = Line()
    line.plays("item_1", 102.5, 102.6)
    assert line.plays("item_2", 104.0, 104.1) == []
    assert line.downlink.first_sound is None, "nobody waits, so nothing is followed"


def test_a_wait_ends_with_the_first_sound_that_is_heard() -> None:
    line = Line()
    line.plays("item_1", 102.5, 102.6)
    line.first.latency.stopped(110.0, 110.5)
    line.at(110.8)
    line.first.answered()
    (turn,) = line.plays("item_2", sent_at=110.9, marked_at=111.12)
    assert isinstance(turn, events.TurnMeasured)
    stages = (turn.detection_s, turn.model_s, turn.gateway_s, turn.playback_s)
    assert stages == pytest.approx((0.5, 0.3, 0.1, 0.2))
    assert turn.wait_s == pytest.approx(1.1)
    assert line.ctx.tally.waits_s == [turn.wait_s]


def test_before_the_mark_is_back_nothing_is_measured() -> None:
    line = Line()
    line.first.answered()
    line.downlink.play("item_1", FRAME, 102.0)
    line.first.measure()
    line.downlink.pump(102.0)
    line.first.measure()
    assert line.ctx.take() == []
    assert line.downlink.first_sound is not None


def test_the_second_item_of_an_answer_does_not_replace_what_is_followed() -> None:
    line = Line()
    line.first.answered()
    followed = line.downlink.first_sound
    line.downlink.play("item_1", FRAME, 102.0)
    line.first.answered()
    assert line.downlink.first_sound is followed


def test_sound_before_the_caller_is_there_is_not_heard_by_them() -> None:
    line = Line(arrived=False)
    assert line.plays("item_1", 102.5, 102.6) == []
