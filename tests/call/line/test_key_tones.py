"""Keys that the agent presses: played to the end, and the function finished then."""

from __future__ import annotations

import json

from call.play import an_agent

from gateway.agents.config.tool_options import ToolOptions
from gateway.audio.tones import keys_mulaw
from gateway.audio.transcode import model_to_caller
from gateway.call import events
from gateway.call.context import CallContext
from gateway.call.line.downlink import Downlink
from gateway.call.line.key_tones import KeyTones
from gateway.call.state_machines import LinkState
from gateway.call.timers import Timer
from gateway.call.tools.open_work import OpenWork
from gateway.protocols.media_stream import ToTwilio

DIGITS = "12#"
LENGTH_S = len(keys_mulaw(DIGITS)) / 8000


class Keypad:
    """A line at 100.0 s with a function `send_digits` that runs."""

    def __init__(self) -> None:
        self.ctx = CallContext(an_agent(tools=["send_digits"]), lambda: "id", 100.0)
        for step in (LinkState.CONFIGURING, LinkState.READY):
            self.ctx.link = step
        self.work = OpenWork(self.ctx, ["send_digits"], session_lives_on=False)
        self.downlink = Downlink(model_to_caller("pcmu"), 5000)
        self.downlink.open(ToTwilio("MZ1"))
        self.tones = KeyTones(self.ctx, self.work, self.downlink)
        assert self.work.running.options("send_digits") == ToolOptions(filler_after_ms=60_000)
        self.work.running.start("resp_1", "call_1", "send_digits", 100.0)

    def play(self) -> Keypad:
        self.tones.play("call_1", DIGITS)
        return self

    def goes_out(self) -> list[str]:
        """Send all that may go out; return the names of the marks."""
        found = [json.loads(one) for one in self.downlink.pump(self.ctx.now)]
        return [one["mark"]["name"] for one in found if one["event"] == "mark"]

    def heard(self, marks: list[str]) -> None:
        for mark in marks:
            self.downlink.acknowledge(mark, self.ctx.now)
        self.tones.watch()

    def completed(self) -> list[str]:
        outs = self.ctx.take()
        return [one.outcome for one in outs if isinstance(one, events.ToolCompleted)]


def test_the_function_is_finished_when_the_last_key_was_heard() -> None:
    keypad = Keypad().play()
    assert (keypad.tones.pending, keypad.tones.item_id) == (True, "tones_call_1")
    marks = keypad.goes_out()
    keypad.ctx.now = 100.0 + LENGTH_S
    keypad.heard(marks[:-1])
    keypad.ctx.now -= 0.1
    keypad.heard([])
    assert keypad.completed() == []
    assert Timer.TONES in keypad.ctx.timers
    keypad.ctx.now += 0.2
    keypad.heard(marks[-1:])
    assert keypad.completed() == ["ok"]
    assert (keypad.tones.pending, keypad.tones.item_id) == (False, None)
    assert Timer.TONES not in keypad.ctx.timers
    assert keypad.ctx.responses.due, "the model goes on with what came of it"


def test_what_is_cut_is_told_as_not_sent() -> None:
    keypad = Keypad().play()
    keypad.goes_out()
    keypad.tones.cut()
    assert keypad.completed() == ["cancelled"]
    assert not keypad.ctx.responses.due
    keypad.tones.cut()
    keypad.tones.watch()
    assert keypad.completed() == []


def test_keys_play_while_they_are_what_the_caller_hears() -> None:
    keypad = Keypad()
    assert not keypad.tones.playing()
    keypad.downlink.accept("item_1", bytes(160 * 5), 100.0)
    keypad.downlink.finish("item_1", 100.0)
    keypad.play()
    keypad.goes_out()
    assert not keypad.tones.playing(), "the model's sentence goes before"
    keypad.ctx.now = 100.15
    assert keypad.tones.playing()


def test_without_keys_there_is_nothing_to_watch() -> None:
    keypad = Keypad()
    keypad.tones.watch()
    assert keypad.completed() == []
    assert Timer.TONES not in keypad.ctx.timers
