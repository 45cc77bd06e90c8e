"""Reports of a rehearsal: the files of one call, and the tables of one or many."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from gateway.simulator.audio.analysis import write_stereo
from gateway.simulator.audio.turn_measurement import MeasuredTurn, percentile
from gateway.simulator.rehearsal.record import RehearsalRecord, all_latencies_ms

_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


def write(record: RehearsalRecord, folder: Path, *, picture: bool) -> list[Path]:
    """Write `call.json`, `call.wav` (left the caller, right what they heard) and `timeline.png`.

    The last one only if a picture is wanted: it takes longer than all else at the end of a call.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / name for name in ("call.json", "call.wav")]
    files[0].write_text(json.dumps(record.as_json(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    write_stereo(files[1], record.spoken, record.heard)
    if picture:
        # Half of the time that `gateway simulate` takes to start would be this import.
        from gateway.simulator.rehearsal import timeline  # noqa: PLC0415

        files.append(folder / "timeline.png")
        timeline.draw(record, files[-1])
    return files


def turns_table(record: RehearsalRecord) -> Table:
    """Return a table with a row for each turn of a call."""
    by = f"answered by {record.agent}, " if record.agent else ""
    table = Table(title=f"{record.scenario}: {record.seconds:.1f} s, {by}{ending(record)}")
    table.add_column("turn", justify="right")
    table.add_column("caller said", overflow="fold")
    for name in ("said at", "waited", "heard", "silent after"):
        table.add_column(name, justify="right")
    for turn in record.turns:
        table.add_row(*_cells(turn))
    return table


def _cells(turn: MeasuredTurn) -> tuple[str, ...]:
    said = f"{turn.said.begin_ms / 1000:.2f} s" if turn.said else ""
    heard = f"{(turn.heard.end_ms - turn.heard.begin_ms) / 1000:.2f} s" if turn.heard else "nothing"
    cut = "" if turn.silent_after_ms is None else ms(turn.silent_after_ms)
    words = turn.text or ("(greeting)" if turn.number == 0 else "")
    return (str(turn.number), words, said, ms(turn.latency_ms), heard, cut)


def calls_table(
    records: Sequence[RehearsalRecord], agents: Mapping[str, int] | None = None
) -> Table:
    """Return a table of many calls: how they ended, and how long their callers waited."""
    table = Table(title=f"{len(records)} calls", show_header=False)
    for name, value in summary(records, agents).items():
        if name == "failures":  # sentences: printed below the table
            continue
        shown = json.dumps(value) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), shown.strip("{}").replace('"', ""))
    return table


def summary(
    records: Sequence[RehearsalRecord], agents: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Return the figures of a run; `agents` are the calls that each agent answered."""
    latencies = all_latencies_ms(records)
    endings = Counter(f"{one.ending.by}: {one.ending.how}" for one in records)
    return {
        "calls": len(records),
        "passed": sum(not one.failures for one in records),
        "endings": dict(endings),
        "agents": dict(agents or {}),
        "paths": dict(Counter(one.paths[0] for one in records if one.paths)),
        "turns": sum(len(one.turns) - 1 for one in records),
        "barge_ins": sum(len(one.barge_ins) for one in records),
        "latency_ms": {f"p{share:g}": _share(latencies, share) for share in (50, 95, 99)},
        "underruns": sum(one.underruns for one in records),
        "warnings": dict(Counter(w.code for one in records for w in one.warnings if w.counts)),
        "failures": grouped(failure for one in records for failure in one.failures),
    }


def grouped(failures: Iterable[str]) -> dict[str, int]:
    """Count failures that differ in their numbers only, each by the first of its kind."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for failure in failures:
        counts[first.setdefault(_NUMBER.sub("#", failure), failure)] += 1
    return dict(counts)


def _share(values: Sequence[float], percent: float) -> float | None:
    return percentile(values, percent / 100)


def ending(record: RehearsalRecord) -> str:
    """Return who ended the call and how, in words."""
    return f"ended by the {record.ending.by} ({record.ending.how.replace('_', ' ')})"


def ms(value: float | None) -> str:
    """Return milliseconds for a table; nothing for None."""
    return "" if value is None else f"{value:.0f} ms"
