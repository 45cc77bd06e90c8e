"""Lines that strangers cause: counted, but not all written."""

from __future__ import annotations

import logging
from typing import Any

import structlog

from gateway import limits
from gateway.ops.telemetry.log_flood import LogFlood


class Written(logging.Handler):
    """Handler that keeps what it would write."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.lines: list[Any] = []
        self.addFilter(LogFlood(2, 1.0, lambda: self.now))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.msg if isinstance(record.msg, dict) else record.getMessage())

    def log(self, message: object, *args: object, level: int = logging.WARNING) -> None:
        record = logging.LogRecord("any", level, "", 0, message, args, None)
        self.handle(record)


def test_the_next_line_says_how_many_were_left_out() -> None:
    written = Written()
    for _ in range(5):
        written.log({"event": "handshake_refused", "url": "x"})
    written.log({"event": "answered"})
    written.now = 1.0
    written.log({"event": "handshake_refused"})
    written.now = 2.0
    written.log({"event": "handshake_refused"})
    refused = {"event": "handshake_refused"}
    assert written.lines == [
        refused | {"url": "x"},
        refused | {"url": "x"},
        {"event": "answered"},
        refused | {"lines_left_out": 3},
        refused,
    ]


def test_a_package_s_lines_are_of_one_kind_whatever_their_arguments() -> None:
    written = Written()
    for n in range(4):
        written.log("refused %s of %d%%", "one", n)
    written.now = 1.0
    written.log("refused %s of %d%%", "one", 9)
    assert written.lines == [
        "refused one of 0%",
        "refused one of 1%",
        "refused one of 9% [2 such lines left out]",
    ]


def test_whoever_asks_for_debug_lines_gets_all() -> None:
    written = Written()
    for _ in range(5):
        written.log({"event": "SpeechStarted"}, level=logging.DEBUG)
    assert len(written.lines) == 5


def test_kinds_are_bounded() -> None:
    written = Written()
    for n in range(limits.process.LOG_KINDS_MAX + 1):
        written.log(f"line {n}")
    for _ in range(5):
        written.log("line 0")
    assert len(written.lines) == limits.process.LOG_KINDS_MAX + 1 + 2


def test_structlog_s_lines_come_as_dictionaries() -> None:
    """As `set_up` has it: the filter must know them by their event."""
    wrap = structlog.stdlib.ProcessorFormatter.wrap_for_formatter
    (event,), _more = wrap(None, "warning", {"event": "refused", "reason": "x"})  # type: ignore[misc]
    assert event == {"event": "refused", "reason": "x"}


def test_the_first_line_that_has_no_place_is_left_out_and_a_place_comes_back_with_time() -> None:
    written = Written()
    for now, count in ((0.0, 3), (0.999, 1), (1.0, 1), (1.5, 1), (2.0, 1), (3600.0, 3)):
        written.now = now
        for _ in range(count):
            written.log("line", level=logging.INFO)
    left_out = "line [{} such lines left out]".format
    # At 0 s two and one left out; at 0.999 s one left out; at 1 s; at 1.5 s one left out; at 2 s.
    assert written.lines == ["line", "line", left_out(2), left_out(1), "line", "line"]


def test_no_more_kinds_are_counted_than_that() -> None:
    written, most = Written(), limits.process.LOG_KINDS_MAX
    for n in range(most):
        for _ in range(3):
            written.log(f"line {n}")
    assert len(written.lines) == 2 * most
    written.log("line 0")
    assert len(written.lines) == 2 * most, "the last one that is counted is counted still"
    written.log("another")
    written.log("line 0")
    assert len(written.lines) == 2 * most + 2, "and then all begin anew"
