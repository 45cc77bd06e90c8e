"""Results of the bench as tables, as JSON, and compared with the goals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, Final, get_args

from rich.table import Table

from bench.audio_bench import AudioBench, path_rows, rows
from bench.callgrind import hottest, self_costs
from bench.counting import Case, Count, Direction
from bench.gateways import Kind
from bench.load import Level, Run
from bench.resamplers import OURS
from bench.sip_burst import SipBurst
from gateway.audio.transcode import AudioFormat


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal, and the figure measured for it."""

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
    sip_burst: SipBurst
    counts: list[Count]

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


INSTRUCTION_GOALS: Final[Mapping[AudioFormat, float]] = {"pcm24k": 6.0e6, "pcmu": 3.2e6}
"""For each call-second, both directions."""
_HOTTEST: Final = 15
CPU_GOALS: Final[Mapping[AudioFormat, float]] = {"pcm24k": 0.55, "pcmu": 0.3}
"""Percent of one core for each call; the first is what Twilio's own Python sample spends."""


def goals(report: Report) -> list[Goal]:
    found: list[Goal] = []
    for run in report.runs:
        if run.kind == "gateway":
            found += _load_goals(run)
    found += _count_goals(report.counts)
    ours, best = report.audio["resamplers"][OURS], report.audio["resamplers"]["soxr VHQ"]
    delay = max(ours["up_delay_ms"], ours["down_delay_ms"])
    rejection = min(ours["alias_rejection_db"], ours["image_rejection_db"])
    behind = max(best[way] - ours[way] for way in ("up_pesq", "down_pesq"))
    return [
        *found,
        *_sip_burst_goals(report.sip_burst),
        _at_most("resampler: delay, ms", 2.0, delay),
        Goal("resampler: alias and image rejection, dB", ">= 80", rejection, rejection >= 80),
        _at_most("resampler: PESQ behind soxr VHQ", 0.02, behind),
    ]


def _count_goals(counts: Iterable[Count]) -> Iterator[Goal]:
    for count in counts:
        case = count.case
        if (case.kind, case.direction) == ("gateway", "both"):
            name = f"{case.audio}: million instructions per call-second"
            yield _at_most(name, INSTRUCTION_GOALS[case.audio] / 1e6, count.per_call_second / 1e6)


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


def _sip_burst_goals(sip_burst: SipBurst) -> Iterator[Goal]:
    name = f"{sip_burst.webhooks} webhooks at once"
    yield _at_most(f"{name}: answered p99, ms", 50.0, sip_burst.answered_ms.p99)
    yield _at_most(f"{name} once more: answered p99, ms", 50.0, sip_burst.again_ms.p99)
    yield _at_most(f"{name}: accepted twice", 0, sip_burst.accepted_twice)
    missing = sip_burst.webhooks - sip_burst.accepted
    yield _at_most(f"{name}: not accepted, or a running call lost", 0, missing + sip_burst.lost)


def _at_most(name: str, most: float, measured: float) -> Goal:
    return Goal(name, f"<= {most:g}", measured, measured <= most)


def as_json(report: Report) -> dict[str, Any]:
    document = {
        "machine": report.machine,
        "goals": [asdict(goal) for goal in goals(report)],
        "load": [asdict(run) | {"rss_mb_per_call": run.rss_mb_per_call} for run in report.runs],
        "cpu_ratio_to_naive": {audio: report.ratio(audio) for audio in CPU_GOALS},
        "cpu_ratio_to_pass_through": {a: report.ratio(a, "pcmu") for a in CPU_GOALS},
        "instructions": [
            asdict(count.case)
            | {"per_call_second": count.per_call_second, "up_ms_p50": count.up_ms_p50}
            for count in report.counts
        ],
        "webhooks": asdict(report.sip_burst),
        "audio": report.audio,
    }
    plain: dict[str, Any] = _without_nan(document)
    return plain


def _without_nan(value: Any) -> Any:
    """Replace NaN, which JSON lacks, by null."""
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def tables(report: Report) -> Iterator[Table]:
    yield _table("The pure path: microseconds for 20 ms of sound", path_rows(report.audio))
    yield _table("Resamplers, 8 <-> 24 kHz", rows(report.audio))
    yield _table("Calls in real time, one core", _load_rows(report))
    yield _table("SIP calls all at once", _sip_burst_rows(report.sip_burst))
    yield _table("Million instructions per call-second", _count_rows(report.counts))
    yield _table("Growth", growth_rows(report))
    for count in report.counts:
        if (count.case.kind, count.case.direction) == ("gateway", "both"):
            title = f"Where they go in {count.case.audio}, without what each function calls"
            yield _table(title, _hottest_rows(count))
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


def _count_rows(counts: Sequence[Count]) -> Iterator[tuple[str, ...]]:
    found = {count.case: count.per_call_second for count in counts}
    ways = [way for way in get_args(Direction) if way != "open"]
    yield ("", *ways, "both, beside naive pcmu")
    reference = found.get(Case("naive", "pcmu", "both"), math.nan)
    for kind, audio in product(get_args(Kind), get_args(AudioFormat)):
        row = [found.get(Case(kind, audio, way), math.nan) for way in ways]
        yield (f"{kind} {audio}", *(f"{one / 1e6:.2f}" for one in row), f"{row[0] / reference:.2f}")


def growth_rows(report: Report) -> Iterator[tuple[str, ...]]:
    """What one more call costs where there are many: the process's own share is taken off."""
    yield (
        "calls",
        "thousand instructions of an open call",
        "MB of each call since the level before",
    )
    own = next((c.per_call_second for c in report.counts if c.case.direction == "rest"), math.nan)
    counts = {c.case.calls: c.per_call_second for c in report.counts if c.case.direction == "open"}
    run = report.of("gateway", "pcmu")
    calls_before, mb_before = 0, run.rss_mb_idle if run else math.nan
    for level in run.levels if run else ():
        counted = counts.get(level.calls, math.nan) - own / level.calls
        mb = (level.rss_mb - mb_before) / (level.calls - calls_before)
        yield (str(level.calls), f"{counted / 1e3:.1f}", f"{mb:.3f}")
        calls_before, mb_before = level.calls, level.rss_mb


def _hottest_rows(count: Count) -> Iterator[tuple[str, ...]]:
    yield ("function", "library", "of all %", "million per call-second")
    profile = count.profile.read_text("utf-8", "replace").splitlines()
    for function, share in hottest(self_costs(profile), _HOTTEST):
        million = share * count.per_call_second / 1e6
        yield (function.name, function.library, f"{100 * share:.1f}", f"{million:.3f}")


def _sip_burst_rows(sip_burst: SipBurst) -> Iterator[tuple[str, ...]]:
    yield (
        "", "webhooks", "beside calls", "answered ms p50", "p99", "worst", "again p50", "p99",
        "accepted", "twice", "all decided ms", "their frames up p99 ms", "lost",
        "then CPU % each", "MB each",
    )  # fmt: skip
    figures = [sip_burst.answered_ms.p50, sip_burst.answered_ms.p99, sip_burst.answered_ms.worst]
    figures += [sip_burst.again_ms.p50, sip_burst.again_ms.p99]
    yield (
        "gateway",
        str(sip_burst.webhooks),
        str(sip_burst.running_calls),
        *(f"{ms:.1f}" for ms in figures),
        str(sip_burst.accepted),
        str(sip_burst.accepted_twice),
        f"{sip_burst.decided_ms:.0f}",
        f"{sip_burst.up_p99_ms:.1f}",
        str(sip_burst.lost),
        f"{sip_burst.sip_cpu_percent:.3f}",
        f"{sip_burst.sip_rss_mb:.3f}",
    )


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
