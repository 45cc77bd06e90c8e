"""Live view of a rehearsal on a terminal: one call line by line, many as a bar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gateway.simulator.audio.analysis import milliseconds
from gateway.simulator.audio.turn_measurement import MeasuredTurn, Utterance
from gateway.simulator.rehearsal.record import RehearsalRecord
from gateway.simulator.rehearsal.report import calls_table, ending, grouped, turns_table
from gateway.simulator.rehearsal.runner import Watch

CALLER = "bold dodger_blue2"
MODEL = "bold dark_orange3"
OUTPUT_SHOWN_CHARS = 120
STALL_SHOWN_S = 0.2
MOMENTS = {
    "sip_answered": "the model answers by SIP, leg",
    "sip_failed": "the model's SIP leg fails with",
    "trunk_answered": "the model answers on the trunk",
    "trunk_failed": "the trunk fails with",
    "pressed": "the caller presses",
    "referred": "the model has the caller transferred to",
    "refer_refused": "the carrier refuses to transfer to",
    "enqueued": "the caller waits in the queue",
    "whispered": "whispered to the person who was called:",
    "person_pressed": "the person presses",
    "person_answered": "a person answers,",
    "rings": "it rings at",
    "beep": "the machine beeps",
    "detected": "the carrier detects",
}
"""Moments of a call that are printed, in words."""


class LiveView:
    """Prints who says what, and how long the answer took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.words: list[dict[str, Any]] = []

    def watch(self) -> Watch:
        """Return the callbacks of one call."""
        return Watch(on_said=self._said, on_turn=self._turn)

    def _said(self, one: Utterance) -> None:
        at = f"{milliseconds(one.begin) / 1000:6.2f} s"
        how = " (interrupting)" if one.kind == "interrupt" else ""
        self._console.print(f"{at}  [{CALLER}]caller[/]{how}: {escape(one.text)}")

    def _turn(self, turn: MeasuredTurn) -> None:
        if turn.heard is None or turn.latency_ms is None:
            return
        at = f"{turn.heard.begin_ms / 1000:6.2f} s"
        name = f"turn {turn.number}" if turn.number else "greeting"
        cut = ""
        if turn.silent_after_ms is not None:
            cut = f", silent {turn.silent_after_ms:.0f} ms after the interruption"
        heard_s = (turn.heard.end_ms - turn.heard.begin_ms) / 1000
        self._console.print(
            f"{at}  [green]{name}: waited {turn.latency_ms:.0f} ms[/], heard {heard_s:.1f} s{cut}"
        )

    def on_entry(self, entry: dict[str, Any]) -> None:
        """Print an entry of the model's journal."""
        if entry.get("kind") == "said":
            self.words.append(entry)
            text = escape(str(entry.get("text", "")))
            self._console.print(f"{'':10}[{MODEL}]model[/]: {text}")
        elif entry.get("kind") == "tool_called":
            self.words.append(entry)
            call = escape(f"{entry.get('name')}({entry.get('arguments', '')})")
            self._console.print(f"{'':10}[{MODEL}]model[/]: [dim]calls {call}[/]")
        elif entry.get("kind") == "tool_output":
            self.words.append(entry)
            output = escape(str(entry.get("output", ""))[:OUTPUT_SHOWN_CHARS])
            self._console.print(f"{'':10}[{MODEL}]model[/]: [dim]gets {output}[/]")
        elif entry.get("kind") == "violation":
            self.words.append(entry)
            problem = escape(f"{entry.get('code')}: {entry.get('message')}")
            self._console.print(f"{'':10}[{MODEL}]model[/]: [red]refuses {problem}[/]")
        elif entry.get("kind") == "truncated":
            self.words.append(entry)
            ms = entry.get("audio_end_ms", 0)
            self._console.print(f"{'':10}[{MODEL}]model[/]: [dim]is truncated at {ms} ms[/]")


@contextmanager
def bar(console: Console, calls: int) -> Iterator[Watch]:
    """Show a progress bar over many calls."""
    columns = (
        TextColumn("calls"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("[green]{task.fields[passed]} as expected[/], "),
        TextColumn("[red]{task.fields[failed]} not[/]"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("calls", total=calls, passed=0, failed=0)
        count = {True: 0, False: 0}

        def done(record: RehearsalRecord) -> None:
            count[not record.failures] += 1
            progress.update(task, advance=1, passed=count[True], failed=count[False])

        yield Watch(on_done=done)


def result(
    console: Console, records: list[RehearsalRecord], agents: Mapping[str, int] | None = None
) -> None:
    """Print the final table, and each expectation that failed."""
    if len(records) == 1:
        records[0].agent = records[0].agent or ", ".join(agents or ())
        console.print(turns_table(records[0]))
    else:
        console.print(calls_table(records, agents))
    if records[0].stalled_s > STALL_SHOWN_S:
        console.print(
            f"[yellow]this machine stalled for {records[0].stalled_s:.1f} s during the rehearsal"
            "[/]: the waits are longer for it"
        )
    if len(records) > 1:
        for failure, calls in grouped(f for one in records for f in one.failures).items():
            count = f"{calls} call{'s' * (calls != 1)}"
            console.print(f"[red]not as expected, {count}:[/] {escape(failure)}")
        return
    for moment in records[0].moments:
        if moment.kind in MOMENTS:
            at = f"{moment.at_ms / 1000:6.2f} s"
            console.print(f"{at}  {MOMENTS[moment.kind]} {escape(moment.detail)}".rstrip())
    for failure in records[0].failures:
        console.print(f"[red]not as expected:[/] {escape(failure)}")
    if not records[0].failures:
        console.print(f"[green]as expected[/]: {ending(records[0])}")
