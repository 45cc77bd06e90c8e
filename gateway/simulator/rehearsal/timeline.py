"""Picture of a call: both voices on one time line, the waits and the barge-ins."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from gateway.simulator.audio.analysis import loudness, samples
from gateway.simulator.audio.turn_measurement import MeasuredSound, MeasuredTurn
from gateway.simulator.rehearsal.record import RehearsalRecord

CALLER: Final = "#2f6f9f"
MODEL: Final = "#c2703d"
WAIT: Final = "#4f8a5b"
CUT: Final = "#b3263a"
INK: Final = "#2b2b33"
FAINT: Final = "#8b8b94"
ENVELOPE_MS: Final = 20
FULL_RMS: Final = 9000.0
"""Level that fills a lane."""
SECONDS_PER_INCH: Final = 2.4
LETTERS_PER_INCH: Final = 12.0
MARGIN_INCHES: Final = 1.6
LEFT_TO_RIGHT: Final = "\u200e"
"""Keeps the number of a turn on the left of words that are read from right to left."""
FLOOR, CEILING = -2.45, 2.2
LANES: Final = {"caller": 1.0, "model": -1.0}


def draw(record: RehearsalRecord, path: Path) -> None:
    """Write the picture of a call as PNG."""
    width = float(np.clip(record.seconds / SECONDS_PER_INCH, 11, 28))
    with mpl.rc_context({"font.family": "DejaVu Sans", "font.size": 9.5}):
        figure = Figure(figsize=(width, 4.8), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        _lane(axes, record.spoken, LANES["caller"], CALLER)
        _lane(axes, record.heard, LANES["model"], MODEL)
        letter_s = record.seconds / ((width - MARGIN_INCHES) * LETTERS_PER_INCH)
        begins = [turn.said.begin_ms for turn in record.turns if turn.said]
        for turn in record.turns:
            later = [it for it in begins if turn.said and it > turn.said.begin_ms]
            until_ms = min(later, default=record.seconds * 1000)
            _turn(axes, turn, until_ms, letter_s)
        _model_words(axes, record, letter_s)
        _decorate(axes, record)
        figure.savefig(path, dpi=150)


def _envelope(mulaw: bytes) -> npt.NDArray[np.float64]:
    level = loudness(mulaw, samples(ENVELOPE_MS)) / FULL_RMS
    return np.asarray(np.clip(level, 0, 1) ** 0.6 * 0.62)


def _lane(axes: Any, mulaw: bytes, middle: float, colour: str) -> None:
    for span in MeasuredSound(mulaw).spans():
        axes.axvspan(
            span.begin_ms / 1000,
            span.end_ms / 1000,
            *((middle + it - FLOOR) / (CEILING - FLOOR) for it in (-0.75, 0.75)),
            color=colour,
            alpha=0.10,
            linewidth=0,
        )
    height = _envelope(mulaw)
    at = (np.arange(len(height)) + 0.5) * ENVELOPE_MS / 1000
    axes.fill_between(at, middle - height, middle + height, color=colour, linewidth=0)
    axes.axhline(middle, color=colour, linewidth=0.6, alpha=0.5)


def _turn(axes: Any, turn: MeasuredTurn, until_ms: float, letter_s: float) -> None:
    if turn.said is not None:
        _caption(axes, turn, until_ms, letter_s)
    if turn.heard is not None and turn.latency_ms is not None:
        since_ms = turn.said.end_ms if turn.said else 0.0
        _wait(axes, since_ms / 1000, turn.heard.begin_ms / 1000, turn.latency_ms)
    if turn.said is not None and turn.silent_after_ms is not None:
        begin = turn.said.begin_ms / 1000
        _cut(axes, begin, begin + turn.silent_after_ms / 1000, turn.silent_after_ms)


def _caption(axes: Any, turn: MeasuredTurn, until_ms: float, letter_s: float) -> None:
    assert turn.said is not None  # noqa: S101 - drawn for spoken turns only
    words = _fitting(turn.text, until_ms - turn.said.begin_ms, letter_s)
    _words(
        axes, turn.said.begin_ms, 1.86, f"{LEFT_TO_RIGHT}{turn.number}  {words}", CALLER, "bottom"
    )


def _model_words(axes: Any, record: RehearsalRecord, letter_s: float) -> None:
    """Write the model's words, where each speech can be matched with one in the journal."""
    said = [str(entry.get("text", "")) for entry in record.words if entry.get("kind") == "said"]
    heard = [turn.heard for turn in record.turns if turn.heard]
    if not heard or len(said) != len(heard):
        return
    ends = [span.begin_ms for span in heard[1:]] + [record.seconds * 1000]
    for words, span, end_ms in zip(said, heard, ends, strict=True):
        width_ms = end_ms - span.begin_ms
        _words(axes, span.begin_ms, -1.84, _fitting(words, width_ms, letter_s), MODEL, "top")


def _fitting(words: str, width_ms: float, letter_s: float) -> str:
    length = max(int(width_ms / 1000 / letter_s) - 4, 6)
    return words if len(words) <= length else words[: length - 1].rstrip() + "…"


def _words(axes: Any, at_ms: float, height: float, words: str, colour: str, side: str) -> None:
    # A dollar sign is part of the words, not the begin of a formula.
    axes.text(at_ms / 1000, height, words, color=colour, va=side, parse_math=False)


def _wait(axes: Any, begin: float, end: float, latency_ms: float) -> None:
    axes.plot([begin, begin, end, end], [0.22, 0, 0, -0.22], color=WAIT, linewidth=1.6)
    axes.text(
        (begin + end) / 2,
        0.07,
        f"{latency_ms:.0f} ms",
        color=WAIT,
        ha="center",
        va="bottom",
        fontweight="bold",
        bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none"},
    )


def _cut(axes: Any, begin: float, end: float, silent_after_ms: float) -> None:
    axes.axvspan(begin, end, 0.13, 0.9, color=CUT, alpha=0.16, linewidth=0)
    axes.axvline(end, 0.0, 0.9, color=CUT, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.annotate(
        f"barge-in: silent after {silent_after_ms:.0f} ms",
        (end, -2.4),
        (5, 0),
        textcoords="offset points",
        color=CUT,
        va="bottom",
        ha="left",
        fontweight="bold",
    )


def _decorate(axes: Any, record: RehearsalRecord) -> None:
    axes.set_xlim(-0.15, record.seconds + 0.15)
    axes.set_ylim(FLOOR, CEILING)
    axes.set_yticks(list(LANES.values()), ["caller", "what the\ncaller heard"])
    for label, colour in zip(axes.get_yticklabels(), (CALLER, MODEL), strict=True):
        label.set(color=colour, fontweight="bold", fontsize=11)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", colors=FAINT)
    axes.xaxis.set_major_locator(MultipleLocator(1 if record.seconds <= 20 else 5))
    axes.xaxis.set_major_formatter(lambda second, _: f"{int(second) // 60}:{second % 60:02.0f}")
    axes.grid(axis="x", color=FAINT, alpha=0.18)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.set_title(_title(record), loc="left", color=INK, fontsize=13, fontweight="bold", pad=14)
    axes.set_title(_result(record), loc="right", fontsize=10.5, pad=14, color=INK)
    axes.axvline(record.seconds, 0.04, 0.96, color=INK, linewidth=1.0)


def _title(record: RehearsalRecord) -> str:
    how = record.ending.how.replace("_", " ")
    by = f"answered by {record.agent}, " if record.agent else ""
    ended = f"ended by the {record.ending.by} ({how})"
    name = f"{LEFT_TO_RIGHT}{record.scenario}{LEFT_TO_RIGHT}"
    return f"{name}: {record.seconds:.1f} s, {by}{ended}"


def _result(record: RehearsalRecord) -> str:
    count = len(record.failures)
    return "as expected" if not count else f"{count} expectation{'s' * (count > 1)} failed"
