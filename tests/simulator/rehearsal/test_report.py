"""What a rehearsal leaves behind."""

from __future__ import annotations

import json
import wave
from io import StringIO

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from rich.console import Console
from voices import tone

from gateway.simulator.audio.analysis import silence
from gateway.simulator.audio.turn_measurement import Utterance, turns
from gateway.simulator.rehearsal import expectations, live_view, metrics, report, timeline
from gateway.simulator.rehearsal.record import RehearsalRecord
from gateway.simulator.rehearsal.stalls import Stalls
from gateway.simulator.scenario.expect import Expect
from gateway.simulator.twilio.line import LineFault
from gateway.simulator.twilio.outcomes import COMPLETED
from gateway.simulator.twilio.playback import Gap


def record() -> RehearsalRecord:
    """Greeting, one turn, one interruption; all of it in known places."""
    spoken = silence(1000) + tone(1000) + silence(2000) + tone(500) + silence(1500)
    heard = silence(200) + tone(500) + silence(1800) + tone(1650) + silence(850) + tone(300)
    spoken, heard = spoken[:48000], heard.ljust(48000, b"\xff")[:48000]
    said = [
        Utterance(2, "say", "a question", 8000, 16000),
        Utterance(4, "interrupt", "no, wait", 32000, 36000),
    ]
    return RehearsalRecord(
        "test",
        "CA1",
        COMPLETED,
        spoken,
        heard,
        said,
        turns(spoken, heard, said),
        warnings=[LineFault(31951, "unknown event", 100), LineFault(31921, "closed", 6000)],
        moments=[],
        gaps=[Gap(3000, 40), Gap(4000, 900)],
    )


def test_files_of_a_call(tmp_path):
    made = report.write(record(), tmp_path / "out", picture=True)
    assert [file.name for file in made] == ["call.json", "call.wav", "timeline.png"]
    told = json.loads(made[0].read_text())
    assert [turn["latency_ms"] for turn in told["turns"]] == [200, 500, 500]
    assert told["barge_ins"] == 1
    assert told["turns"][2]["silent_after_ms"] == 150
    assert (told["ending"]["by"], told["underruns"]) == ("gateway", 1)
    with wave.open(str(made[1])) as sound:
        assert (sound.getnchannels(), sound.getframerate()) == (2, 8000)
        assert sound.getnframes() == 48000
    assert made[2].read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_no_picture_is_drawn_where_none_is_wanted(tmp_path):
    made = report.write(record(), tmp_path / "out", picture=False)
    assert sorted((tmp_path / "out").iterdir()) == made
    assert [file.name for file in made] == ["call.json", "call.wav"]


def printed(records, agents=None):
    console = Console(file=StringIO(), width=200)
    live_view.result(console, records, agents)
    return console.file.getvalue()


def test_a_machine_that_stalled_is_reported():
    stalls = Stalls()
    for waited_s in (0.05, 0.14, 1.05):
        stalls.count(waited_s)
    one = record()
    one.stalled_s = stalls.seconds
    assert one.as_json()["stalled_s"] == 1.0
    assert "this machine stalled for 1.0 s during the rehearsal" in printed([one])
    assert "stalled" not in printed([record()])


def test_the_report_names_the_agent():
    assert "answered by night, ended by the gateway" in printed([record()], {"night": 1})
    assert "agents" in printed([record(), record()], {"day": 1, "night": 1})
    assert report.summary([record()], {"night": 1})["agents"] == {"night": 1}


def test_equal_failures_of_many_calls_are_one_line():
    records = [record() for _ in range(9)]
    for number, one in enumerate(records):
        one.failures = [f"the caller waited {2500 + number} ms (p95), expected at most 2500 ms"]
    records[3].failures.append("1 turns, expected at least 2")
    shown = printed(records)
    assert "9 calls: the caller waited 2500 ms (p95)" in shown
    assert "2501 ms (p95)" not in shown
    assert "1 call: 1 turns, expected at least 2" in shown
    assert report.summary(records)["failures"] == {
        "the caller waited 2500 ms (p95), expected at most 2500 ms": 9,
        "1 turns, expected at least 2": 1,
    }


def width_px(text: str) -> float:
    canvas = FigureCanvasAgg(Figure())
    font = FontProperties(family="DejaVu Sans", size=20)
    return canvas.get_renderer().get_text_width_height_descent(text, font, ismath=False)[0]


def test_arabic_letters_are_joined_in_the_picture():
    """Joined letters are narrower than the same letters in their isolated forms."""
    joined, apart = "\u0628" * 4, "\u200c".join("\u0628" * 4)
    assert width_px(joined) < 0.8 * width_px(apart)


def test_a_call_in_arabic_is_drawn(tmp_path):
    one = record()
    one.utterances[0] = Utterance(2, "say", "مرحبا، كيف حالك؟", 8000, 16000)
    one.turns = turns(one.spoken, one.heard, one.utterances)
    timeline.draw(one, tmp_path / "timeline.png")
    assert (tmp_path / "timeline.png").stat().st_size > 10_000


def test_a_summary_of_many():
    one, other = record(), record()
    other.failures = ["late"]
    told = report.summary([one, other])
    assert (told["calls"], told["passed"], told["turns"]) == (2, 1, 4)
    assert told["latency_ms"] == {"p50": 500, "p95": 500, "p99": 500}
    assert told["warnings"] == {31951: 2}
    assert told["endings"] == {"gateway: completed_by_rest": 2}


def test_each_expectation_can_fail():
    wrong = Expect.model_validate(
        {
            "ending": "caller",
            "how": "hung_up",
            "min_turns": 3,
            "max_turns": 1,
            "barge_ins": 2,
            "max_latency_ms": 499,
            "silence_after_barge_in_ms": 140,
            "heard_ms": {"min": 9000},
            "echo": {"of_step": 4},
            "heard_to_the_end": True,
        }
    )
    call = record()
    call.unheard_ms = 300
    assert len(expectations.failures(call, wrong)) == 11


def test_each_expectation_can_hold():
    right = Expect.model_validate(
        {
            "ending": "gateway",
            "how": "completed_by_rest",
            "min_turns": 2,
            "max_turns": 2,
            "barge_ins": 1,
            "max_latency_ms": 510,
            "silence_after_barge_in_ms": 160,
            "heard_ms": {"min": 2000, "max": 3000},
            "no_protocol_warnings": False,
            "heard_to_the_end": True,
        }
    )
    assert expectations.failures(record(), right) == []


def test_samples_are_found_in_whatever_order_labels_are_written():
    text = '# TYPE calls_total counter\ncalls_total{path="media",ending="done"} 3\nup 1\n'
    samples = metrics.parse(text)
    assert samples[metrics.normal('calls_total{ending="done",path="media"}')] == 3
    assert samples[metrics.normal("up")] == 1
