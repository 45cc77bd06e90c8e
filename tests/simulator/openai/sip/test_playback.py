"""The server's output buffer on a clock of ours: what is on the line, and what is told of it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from session_rig import SessionRig
from voices import tone

from gateway.simulator.audio.formats import WIRES
from gateway.simulator.openai.realtime.script import Script, parse_script
from gateway.simulator.openai.sip.playback import FRAME_BYTES, OutputBuffer


class Line:
    """A SIP session on the table, and the frames that it sends to its caller."""

    def __init__(self, script: str = "") -> None:
        self.frames: list[tuple[float, bytes]] = []
        self.buffer = OutputBuffer(lambda frame, now_s: self.frames.append((now_s, frame)))
        self.rig = SessionRig(parse_script(script) if script else Script(), sink=self.buffer)
        self.buffer.bind(self.rig.session)

    def on_done(self, kind: str) -> list[float]:
        """When an event went out."""
        pairs = zip(self.rig.events, self.rig.times, strict=True)
        return [at for event, at in pairs if event["type"] == f"output_audio_buffer.{kind}"]

    @property
    def sound(self) -> bytes:
        return b"".join(frame for _, frame in self.frames)


def test_an_answer_is_played_in_real_time_however_fast_it_is_made() -> None:
    line = Line("{speed: 50, greeting: [{say: one two three four}]}")
    line.rig.send("response.create")
    line.rig.wait(4)
    times = [at for at, _ in line.frames]
    steps = [later - sooner for sooner, later in pairwise(times)]
    assert steps == pytest.approx([0.02] * len(steps))
    assert {len(frame) for _, frame in line.frames} == {FRAME_BYTES}
    said = next(note for note in line.rig.journal if note["kind"] == "said")
    assert len(line.frames) == -(-said["ms"] // 20)
    assert line.on_done("started") == times[:1]
    assert line.on_done("stopped") == pytest.approx([times[-1] + 0.02])


def test_a_slow_model_leaves_holes_and_not_a_stop() -> None:
    script = "{speed: 100, greeting: [{say: one}, {think_ms: 500}, {say: two}]}"
    line = Line(script)
    line.rig.send("response.create")
    line.rig.wait(4)
    times = [at for at, _ in line.frames]
    assert max(b - a for a, b in pairwise(times)) > 0.2
    assert (len(line.on_done("started")), len(line.on_done("stopped"))) == (1, 1)


def test_what_was_not_heard_is_cut_by_the_server_itself() -> None:
    line = Line("{speed: 50, think_ms: 0, greeting: [{say: %s}]}" % ("word " * 20))
    line.rig.listen_in(create_response=False)
    line.rig.send("response.create")
    line.rig.wait(0.5)
    line.rig.last("response.done")
    for _ in range(10):
        line.rig.session.hear(tone(20), line.rig.now)
        line.rig.wait(0.02)
    kinds = line.rig.types()
    assert kinds.index("input_audio_buffer.speech_started") < kinds.index(
        "output_audio_buffer.cleared"
    )
    cut = line.rig.last("conversation.item.truncated")
    assert cut["audio_end_ms"] == len(line.sound) // 8
    frames = len(line.frames)
    line.rig.wait(1)
    assert len(line.frames) == frames
    assert not line.on_done("stopped")


def test_items_behind_the_one_that_was_cut_were_not_heard_at_all() -> None:
    line = Line(
        "{speed: 100, think_ms: 0, greeting: [{say: one two}, {next_item: true}, {say: b}]}"
    )
    line.rig.send("response.create")
    line.rig.wait(0.2)
    line.rig.send("output_audio_buffer.clear")
    first, second = line.rig.of("conversation.item.truncated")
    assert first["audio_end_ms"] > 0
    assert second["audio_end_ms"] == 0
    assert line.buffer.unplayed_ms == 0


def test_the_next_answer_waits_until_the_line_is_free() -> None:
    line = Line("{speed: 100, think_ms: 0}")
    line.rig.send("response.create")
    line.rig.wait(0.2)
    line.rig.send("response.create", response={"instructions": 'Say exactly: "And."'})
    line.rig.wait(8)
    assert [kind for kind in line.rig.types() if kind.startswith("output_audio_buffer")] == [
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
    ]
    assert not line.rig.violations


def test_another_format_is_brought_to_the_lines_own() -> None:
    line = Line()
    line.buffer.play("resp_1", "item_1", b"\0\0" * 4800, WIRES["audio/pcm"])
    assert line.buffer.unplayed_ms == 180
