"""Goals that are missed are reported as missed; all figures reach the tables and the JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from bench import report
from bench.__main__ import levels_of
from bench.audio_bench import PathCost
from bench.counting import Case, Count
from bench.gateways import Kind
from bench.load import Level, Run
from bench.measures import Spread
from bench.resamplers import OURS
from bench.sip_burst import SipBurst
from gateway.audio.transcode import AudioFormat

_MS = Spread(0.3, 2.0, 20.0)
_LEVEL = Level(
    calls=100, cpu_percent=0.5, cpu_percent_windows=[0.4, 0.5, 0.6], system_share=0.3, up_ms=_MS,
    down_ms=_MS, lag_p50_ms=0.5, lag_p99_ms=1.0, under_runs_heard=0, under_runs_counted=0, lost=0,
    rss_mb=140.0, generator_percent=50.0, generator_late_ms=_MS, others_percent=0.0,
    stolen_percent=0.0,
)  # fmt: skip
_FEW = replace(_LEVEL, calls=10, rss_mb=131.0)
_OURS = Run("gateway", "pcm24k", [_FEW, _LEVEL], rss_mb_idle=120.0)
_NAIVE = Run(
    "naive", "pcm24k", [replace(_LEVEL, cpu_percent=1.0, lag_p99_ms=math.nan)], rss_mb_idle=36.0
)

_SIP_BURST = SipBurst(
    webhooks=200,
    running_calls=20,
    answered_ms=_MS,
    again_ms=_MS,
    accepted=200,
    accepted_twice=0,
    decided_ms=700.0,
    up_p99_ms=20.0,
    lost=0,
    sip_cpu_percent=0.01,
    sip_rss_mb=0.1,
)


_CALLGRIND = (
    "ob=(1) /usr/lib/libpython3.11.so\nfn=(1) _PyEval_EvalFrameDefault\n1 500\ntotals: 500\n"
)


def _count(audio: AudioFormat, per_call_second: float, kind: Kind = "gateway") -> Count:
    return Count(
        Case(kind, audio, "both"), int(24 * per_call_second), 24.0, 1.0, Path("/nonexistent")
    )


_COUNTS = [_count("pcm24k", 6.0e6), _count("pcmu", 3.2e6), _count("pcmu", 10e6, "naive")]


def _resampler(**other: float) -> dict[str, float]:
    ways = ("us", "delay_ms", "pesq")
    row = {f"{way}_{what}": 1.0 for way in ("up", "down") for what in ways}
    return row | {"alias_rejection_db": 90.0, "image_rejection_db": 90.0} | other


def _audio(**ours: float) -> Any:
    return {
        "path": {"pcm24k": dict.fromkeys(PathCost.__annotations__, 1.0)},
        "resamplers": {OURS: _resampler(**ours), "soxr VHQ": _resampler()},
    }


def _missed(
    runs: list[Run],
    sip_burst: SipBurst = _SIP_BURST,
    counts: Sequence[Count] = (),
    ours: Mapping[str, float] | None = None,
) -> set[str]:
    found = report.goals(report.Report({}, _audio(**(ours or {})), runs, sip_burst, list(counts)))
    return {goal.name for goal in found if not goal.held}


def test_all_goals_are_held() -> None:
    assert not _missed([_OURS, _NAIVE])


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"cpu_percent": 0.56}, "CPU for each"),
        ({"up_ms": Spread(1, 5.1, 6)}, "latency"),
        ({"down_ms": Spread(1, 5.1, 6)}, "latency"),
        ({"under_runs_heard": 1}, "under-runs"),
        ({"under_runs_counted": 1}, "under-runs"),
        ({"lost": 1}, "lost"),
        ({"rss_mb": 159.0}, "memory"),
    ],
)
def test_a_goal_of_the_load_is_missed(change: dict[str, Any], name: str) -> None:
    run = replace(_OURS, levels=[_FEW, replace(_LEVEL, **change)])
    (missed,) = _missed([run])
    assert name in missed


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"answered_ms": Spread(10, 51, 52)}, "answered p99"),
        ({"again_ms": Spread(10, 51, 52)}, "once more"),
        ({"accepted_twice": 1}, "twice"),
        ({"accepted": 199}, "not accepted"),
        ({"lost": 1}, "not accepted"),
    ],
)
def test_a_goal_of_the_sip_burst_is_missed(change: dict[str, Any], name: str) -> None:
    (missed,) = _missed([_OURS], replace(_SIP_BURST, **change))
    assert name in missed


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"up_delay_ms": 2.1}, "delay"),
        ({"down_delay_ms": 2.1}, "delay"),
        ({"alias_rejection_db": 79.0}, "rejection"),
        ({"image_rejection_db": 79.0}, "rejection"),
        ({"down_pesq": 0.97}, "PESQ"),
    ],
)
def test_a_goal_of_the_sound_is_missed(change: dict[str, float], name: str) -> None:
    (missed,) = _missed([_OURS], ours=change)
    assert name in missed


@pytest.mark.parametrize(("audio", "most"), [("pcm24k", 6.0e6), ("pcmu", 3.2e6)])
def test_a_goal_of_the_instructions_is_missed(audio: AudioFormat, most: float) -> None:
    assert not _missed([_OURS], counts=[_count(audio, most), _count(audio, 2 * most, "naive")])
    (missed,) = _missed([_OURS], counts=[_count(audio, 1.01 * most)])
    assert f"{audio}: million instructions" in missed


def test_memory_is_counted_between_loads() -> None:
    assert _OURS.rss_mb_per_call == pytest.approx(0.1)
    assert replace(_OURS, levels=[_LEVEL]).rss_mb_per_call == pytest.approx(0.2)


def test_the_ratio_is_taken_at_as_many_calls() -> None:
    assert report.Report({}, _audio(), [_OURS, _NAIVE], _SIP_BURST, _COUNTS).ratio("pcm24k") == 0.5
    other = replace(_NAIVE, levels=[replace(_NAIVE.levels[0], calls=50)])
    assert math.isnan(report.Report({}, _audio(), [_OURS, other], _SIP_BURST, []).ratio("pcm24k"))
    assert math.isnan(report.Report({}, _audio(), [_OURS], _SIP_BURST, []).ratio("pcm24k"))


def test_the_json_is_json_for_everybody() -> None:
    document = report.as_json(
        report.Report({"cores": 2}, _audio(), [_OURS, _NAIVE], _SIP_BURST, _COUNTS)
    )
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text)["load"][1]["levels"][0]["lag_p99_ms"] is None
    assert json.loads(text)["instructions"][0] == {
        "kind": "gateway",
        "audio": "pcm24k",
        "direction": "both",
        "calls": 2,
        "per_call_second": 6e6,
        "up_ms_p50": 1.0,
    }
    assert json.loads(text)["cpu_ratio_to_naive"] == {"pcm24k": 0.5, "pcmu": None}


def test_every_table_can_be_printed(tmp_path: Path) -> None:
    profile = tmp_path / "callgrind.out"
    profile.write_text(_CALLGRIND)
    counts = [replace(count, profile=profile) for count in _COUNTS]
    text = StringIO()
    console = Console(width=250, file=text)
    tables = list(report.tables(report.Report({}, _audio(), [_OURS, _NAIVE], _SIP_BURST, counts)))
    for table in tables:
        console.print(table)
    assert len(tables) == 9
    printed = text.getvalue()
    assert "0.60" in printed
    assert "_PyEval_EvalFrameDefault" in printed


@pytest.mark.parametrize("text", ["", "ten", "0,10", "-1", "10,,20"])
def test_levels_are_numbers_of_calls(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        levels_of(text)


def test_levels_grow() -> None:
    assert levels_of("100, 10,50,10") == [10, 50, 100]


def test_growth_leaves_out_what_the_process_costs_without_calls() -> None:
    def opened(calls: int, per_call_second: float) -> Count:
        case = Case("gateway", "pcmu", "open", calls)
        return Count(case, int(24 * per_call_second), 24.0, 1.0, Path("/nonexistent"))

    rest = Count(Case("gateway", "pcm24k", "rest"), 24 * 200_000, 24.0, 1.0, Path("/nonexistent"))
    few, many = replace(_FEW, calls=10, rss_mb=105.0), replace(_LEVEL, calls=100, rss_mb=127.5)
    run = replace(_OURS, audio="pcmu", levels=[few, many], rss_mb_idle=102.0)
    counts = [rest, opened(10, 132_000.0), opened(100, 114_000.0)]
    found = report.Report({}, _audio(), [run], _SIP_BURST, counts)
    _, first, second = report.growth_rows(found)
    assert first == ("10", "112.0", "0.300")
    assert second == ("100", "112.0", "0.250")
