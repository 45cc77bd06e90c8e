"""The bench as tables, as JSON, and held against its goals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from gateway.cli.bench.audio_bench import AudioBench, path_rows, rows
from gateway.cli.bench.load import Level, Run
from gateway.cli.bench.resamplers import OURS
from gateway.cli.bench.storm import Storm


@dataclass(frozen=True, slots=True)
class Goal:
    """What was hoped for, and what came."""

    name: str
    goal: str
    measured: float
    held: bool


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was measured."""

    machine: dict[str, Any]
    audio: AudioBench
    runs: list[Run]
    storm: Storm

    def of(self, kind: str, audio: str) -> Run | None:
        return next((r for r in self.runs if (r.kind, r.audio) == (kind, audio)), None)

    def ratio(self, audio: str, theirs_is: str | None = None) -> float:
        """CPU of the gateway for each call, as a part of the naive one's, at as many calls.

        The naive one in `pcmu` passes mu-law through untouched, as the vendors' samples do.
        """
        ours, naive = self.of("gateway", audio), self.of("naive", theirs_is or audio)
        if ours is None or naive is None:
            return math.nan
        theirs = naive.levels[-1]
        same = [level for level in ours.levels if level.calls == theirs.calls]
        return same[0].cpu_percent / theirs.cpu_percent if same else math.nan


CPU_GOALS = {"pcm24k": 0.55, "pcmu": 0.3}
"""Percent of one core for each call; the first is what Twilio's own Python sample spends."""


def goals(report: Report) -> list[Goal]:
    found: list[Goal] = []
    for run in report.runs:
        if run.kind == "gateway":
            found += _load_goals(run)
    ours, best = report.audio["resamplers"][OURS], report.audio["resamplers"]["soxr VHQ"]
    delay = max(ours["up_delay_ms"], ours["down_delay_ms"])
    rejection = min(ours["alias_rejection_db"], ours["image_rejection_db"])
    behind = max(best[way] - ours[way] for way in ("up_pesq", "down_pesq"))
    return [
        *found,
        *_storm_goals(report.storm),
        _at_most("resampler: delay, ms", 2.0, delay),
        Goal("resampler: alias and image rejection, dB", ">= 80", rejection, rejection >= 80),
        _at_most("resampler: PESQ behind soxr VHQ", 0.02, behind),
    ]


def _load_goals(run: Run) -> Iterator[Goal]:
    last = run.levels[-1]
    name = f"{run.audio}, {last.calls} calls"
    yield _at_most(f"{name}: CPU for each, %", CPU_GOALS[run.audio], last.cpu_percent)
    worse = max(last.up_ms.p99, last.down_ms.p99)
    yield _at_most(f"{name}: added latency p99, ms", 5.0, worse)
    holes = last.under_runs_heard + last.under_runs_counted
    yield _at_most(f"{name}: under-runs", 0, holes)
    yield _at_most(f"{name}: lost calls", 0, last.lost)
    yield _at_most(f"{run.audio}: memory for each call, MB", 0.3, run.rss_mb_per_call)


def _storm_goals(storm: Storm) -> Iterator[Goal]:
    name = f"{storm.webhooks} webhooks at once"
    yield _at_most(f"{name}: answered p99, ms", 50.0, storm.answered_ms.p99)
    yield _at_most(f"{name} once more: answered p99, ms", 50.0, storm.again_ms.p99)
    yield _at_most(f"{name}: accepted twice", 0, storm.accepted_twice)
    missing = storm.webhooks - storm.accepted
    yield _at_most(f"{name}: not accepted, or a running call lost", 0, missing + storm.lost)


def _at_most(name: str, most: float, measured: float) -> Goal:
    return Goal(name, f"<= {most:g}", measured, measured <= most)


def as_json(report: Report) -> dict[str, Any]:
    document = {
        "machine": report.machine,
        "goals": [asdict(goal) for goal in goals(report)],
        "load": [asdict(run) | {"rss_mb_per_call": run.rss_mb_per_call} for run in report.runs],
        "cpu_ratio_to_naive": {audio: report.ratio(audio) for audio in CPU_GOALS},
        "cpu_ratio_to_pass_through": {a: report.ratio(a, "pcmu") for a in CPU_GOALS},
        "webhooks": asdict(report.storm),
        "audio": report.audio,
    }
    plain: dict[str, Any] = _without_nan(document)
    return plain


def _without_nan(value: Any) -> Any:
    """JSON has no word for what could not be measured, but null."""
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def tables(report: Report) -> Iterator[Table]:
    yield _table("The pure path: microseconds for 20 ms of sound", path_rows(report.audio))
    yield _table("Resamplers, 8 <-> 24 kHz", rows(report.audio))
    yield _table("Calls in real time, one core", _load_rows(report))
    yield _table("SIP calls all at once", _storm_rows(report.storm))
    yield _goal_table(goals(report))


_LOAD_HEAD = (
    "", "calls", "CPU % each", "of it system", "up ms p50", "p99", "worst", "down ms p50", "p99",
    "worst", "lag p99", "under-runs", "lost", "RSS MB", "bench %", "late p99", "others %",
    "stolen %",
)  # fmt: skip


def _load_rows(report: Report) -> Iterator[tuple[str, ...]]:
    yield _LOAD_HEAD
    for run in report.runs:
        for level in run.levels:
            yield (f"{run.kind} {run.audio}", *_cells(level))
    for ours, theirs in (("pcm24k", "pcm24k"), ("pcm24k", "pcmu"), ("pcmu", "pcmu")):
        ratio = report.ratio(ours, theirs)
        if math.isfinite(ratio):
            name = f"gateway {ours} / naive {theirs}"
            yield (name, "", f"x {ratio:.2f}", *[""] * (len(_LOAD_HEAD) - 3))


def _storm_rows(storm: Storm) -> Iterator[tuple[str, ...]]:
    yield (
        "", "webhooks", "beside calls", "answered ms p50", "p99", "worst", "again p50", "p99",
        "accepted", "twice", "all decided ms", "their frames up p99 ms", "lost",
        "then CPU % each", "MB each",
    )  # fmt: skip
    figures = [storm.answered_ms.p50, storm.answered_ms.p99, storm.answered_ms.worst]
    figures += [storm.again_ms.p50, storm.again_ms.p99]
    yield (
        "gateway", str(storm.webhooks), str(storm.running_calls), *(f"{ms:.1f}" for ms in figures),
        str(storm.accepted), str(storm.accepted_twice), f"{storm.decided_ms:.0f}",
        f"{storm.up_p99_ms:.1f}", str(storm.lost), f"{storm.sip_cpu_percent:.3f}",
        f"{storm.sip_rss_mb:.3f}",
    )  # fmt: skip


def _cells(level: Level) -> Iterator[str]:
    yield str(level.calls)
    yield f"{level.cpu_percent:.3f}"
    yield f"{level.system_share:.0%}"
    for times in (level.up_ms, level.down_ms):
        yield from (f"{ms:.2f}" for ms in (times.p50, times.p99, times.worst))
    yield f"{level.lag_p99_ms:.1f}"
    yield f"{level.under_runs_heard}/{level.under_runs_counted}"
    yield str(level.lost)
    yield f"{level.rss_mb:.1f}"
    yield f"{level.generator_percent:.0f}"
    yield f"{level.generator_late_ms.p99:.2f}"
    yield f"{level.others_percent:.0f}"
    yield f"{level.stolen_percent:.1f}"


def _goal_table(found: Iterable[Goal]) -> Table:
    table = _table("Goals", [("", "goal", "measured", "")])
    for goal in found:
        held = "[green]held[/]" if goal.held else "[red]missed[/]"
        table.add_row(goal.name, goal.goal, f"{goal.measured:.3f}", held)
    return table


def _table(title: str, cells: Iterable[tuple[str, ...]]) -> Table:
    head, *body = cells
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(head):
        table.add_column(name, justify="right" if number else "left")
    for row in body:
        table.add_row(*row)
    return table
