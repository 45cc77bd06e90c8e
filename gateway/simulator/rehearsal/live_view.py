"""A rehearsal as it happens, on a terminal: one call line by line, many as a bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gateway.simulator.audio.analysis import milliseconds
from gateway.simulator.audio.turn_measurement import MeasuredTurn, Utterance
from gateway.simulator.rehearsal.record import RehearsalRecord
from gateway.simulator.rehearsal.report import calls_table, ending, turns_table
from gateway.simulator.rehearsal.runner import Watch

CALLER = "bold dodger_blue2"
MODEL = "bold dark_orange3"
OUTPUT_SHOWN_CHARS = 120
STOOD_STILL_SHOWN_S = 0.2
STATIONS = {
    "sip_answered": "the model answers by SIP, leg",
    "sip_failed": "the model's SIP leg fails with",
    "trunk_answered": "the model answers on the trunk",
    "trunk_failed": "the trunk fails with",
    "pressed": "the caller presses",
    "referred": "the model has the caller transferred to",
    "refer_refused": "the carrier refuses to transfer to",
    "enqueued": "the caller waits in the queue",
    "whispered": "whispered to whoever was rung:",
    "person_pressed": "who presses",
    "person_answered": "a person answers,",
    "rings": "it rings at",
    "beep": "the machine beeps",
    "detected": "the carrier says who that is:",
}
"""What happened on the way of a call, where it is not the plain one."""


class LiveView:
    """Prints what is said, by whom, and how long it was waited for."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.words: list[dict[str, Any]] = []

    def watch(self) -> Watch:
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
            cut = f", the other voice silent {turn.silent_after_ms:.0f} ms after the interruption"
        heard_s = (turn.heard.end_ms - turn.heard.begin_ms) / 1000
        self._console.print(
            f"{at}  [green]{name}: waited {turn.latency_ms:.0f} ms[/], heard {heard_s:.1f} s{cut}"
        )

    def overheard(self, entry: dict[str, Any]) -> None:
        """An entry of the model's journal."""
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
            self._console.print(f"{'':10}[{MODEL}]model[/]: [dim]is told {output}[/]")
        elif entry.get("kind") == "violation":
            self.words.append(entry)
            problem = escape(f"{entry.get('code')}: {entry.get('message')}")
            self._console.print(f"{'':10}[{MODEL}]model[/]: [red]refuses {problem}[/]")
        elif entry.get("kind") == "truncated":
            self.words.append(entry)
            ms = entry.get("audio_end_ms", 0)
            self._console.print(f"{'':10}[{MODEL}]model[/]: [dim]knows it was cut at {ms} ms[/]")


@contextmanager
def bar(console: Console, calls: int) -> Iterator[Watch]:
    """A progress bar over many calls."""
    columns = (
        TextColumn("calls"), BarColumn(), MofNCompleteColumn(),
        TextColumn("[green]{task.fields[passed]} as expected[/], "),
        TextColumn("[red]{task.fields[failed]} not[/]"),
        TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("calls", total=calls, passed=0, failed=0)
        count = {True: 0, False: 0}

        def done(record: RehearsalRecord) -> None:
            count[not record.failures] += 1
            progress.update(task, advance=1, passed=count[True], failed=count[False])

        yield Watch(on_done=done)


def result(console: Console, records: list[RehearsalRecord]) -> None:
    """The final table, and each thing that did not hold."""
    console.print(turns_table(records[0]) if len(records) == 1 else calls_table(records))
    if records[0].stood_still_s > STOOD_STILL_SHOWN_S:
        console.print(
            f"[yellow]this machine stood still for {records[0].stood_still_s:.1f} s meanwhile[/]: "
            "the waits are longer for that"
        )
    if len(records) > 1:
        return
    for moment in records[0].moments:
        if moment.kind in STATIONS:
            at = f"{moment.at_ms / 1000:6.2f} s"
            console.print(f"{at}  {STATIONS[moment.kind]} {escape(moment.detail)}".rstrip())
    for failure in records[0].failures:
        console.print(f"[red]not as expected:[/] {escape(failure)}")
    if not records[0].failures:
        console.print(f"[green]as expected[/]: {ending(records[0])}")
