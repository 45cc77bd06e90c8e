"""What an operator reads: two lines for a call, never a number, never a secret."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from structlog.testing import capture_logs

from gateway.call import events
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.ops.telemetry.logs import CallLog, masked, percentiles

FACTS = CallInfo("CA" + "a" * 32, "+14155550123", "+15550100", "reception", "media-streams")
ENDED = events.CallEnded(
    Ending.AGENT_HUNG_UP,
    "",
    arrived=True,
    seconds=61.25,
    waits_s=(0.5, 0.7, 0.9),
    barge_ins=1,
    tools=2,
    tokens=345,
)


@pytest.mark.parametrize(
    ("party", "shown"),
    [
        ("+14155550123", "...23"),
        ("+15550100", "...00"),
        ("sip:+14155550123@example.com", "...23"),
        ("client:alice", "..."),
        ("anonymous", "..."),
        ("+1234", "..."),
        ("", "..."),
        ("٠١٢٣٤٥٦٧", "...٦٧"),
    ],
)
def test_of_a_party_two_digits_are_shown(party: str, shown: str) -> None:
    assert masked(party) == shown


@settings(max_examples=40, deadline=None)
@given(st.text())
def test_and_never_more(party: str) -> None:
    assert len(masked(party)) <= 5
    assert sum(c.isdigit() for c in masked(party)) <= 2


def told(*said: events.CallEvent) -> list[dict[str, object]]:
    log = CallLog()
    with capture_logs() as lines:
        for note in said:
            log.on_event(FACTS, note, Decimal("0.0236480"))
    return [dict(line) for line in lines]


def test_the_canonical_line_of_a_call() -> None:
    assert told(events.CallerConnected(0.4), ENDED) == [
        {
            "event": "answered",
            "log_level": "info",
            "call_sid": FACTS.call_sid,
            "agent": "reception",
            "path": "media-streams",
            "caller": "...23",
            "dialled": "...00",
        },
        {
            "event": "ended",
            "log_level": "info",
            "call_sid": FACTS.call_sid,
            "agent": "reception",
            "path": "media-streams",
            "ending": "agent_hung_up",
            "reason": "",
            "seconds": 61.2,
            "turns": 3,
            "wait_p50_ms": 700,
            "wait_p95_ms": 880,
            "barge_ins": 1,
            "tools": 2,
            "tokens": 345,
            "cost_usd": 0.023648,
        },
    ]


@pytest.mark.parametrize("ending", Ending)
def test_a_call_that_did_not_end_well_is_a_warning(ending: Ending) -> None:
    (line,) = told(replace(ENDED, ending=ending))
    goes_on = ending is Ending.SECRET_INPUT  # on another stream, when the caller has typed
    assert line["log_level"] == ("info" if ending.well or goes_on else "warning")
    assert line["ending"] == ending.value


def test_a_call_that_never_was_is_worth_no_line() -> None:
    (line,) = told(replace(ENDED, ending=Ending.NEVER_ARRIVED, arrived=False))
    assert line["log_level"] == "debug"


def test_why_the_model_refused_is_in_the_log() -> None:
    refused, failed, harmless = "Invalid value: 'marina'", "the caller's words", "a race"
    lines = told(
        events.ModelErrorReported("unknown", "other", refused, refused=True),
        events.ModelErrorReported("recoverable", "server_error", failed),
        events.ModelErrorReported("benign", "item_not_found", harmless),
    )
    ids = {"call_sid": FACTS.call_sid}
    assert lines[:2] == [
        {"event": "model_refused", "log_level": "warning", "fault": "unknown", "code": "other"}
        | ids
        | {"words": refused},
        {"event": "model_error", "log_level": "warning", "fault": "recoverable"}
        | ids
        | {"code": "server_error"},
    ]
    assert [line["log_level"] for line in lines[2:]] == ["debug"]


def test_everything_else_is_for_who_debugs_and_words_are_for_nobody() -> None:
    secret = "my card number is four two four two"
    lines = told(
        events.TranscriptLine("caller", secret, "item_1"),
        events.MessageTaken(secret, secret, secret),
        events.KeyPressed(),
        events.PlaybackUnderRun("model", 0.2),
        events.ModelErrorReported("benign", "item_not_found", secret),
    )
    assert [line["log_level"] for line in lines] == ["debug"] * 3
    assert secret not in "".join(f"{line}{line['fields']!r}" for line in lines)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 30), min_size=2, max_size=50))
def test_percentiles_are_those_of_the_library(waits_s: list[float]) -> None:
    p50, p95 = percentiles(tuple(waits_s))
    assert p50 == round(statistics.median(waits_s) * 1000)
    assert p95 is not None
    assert p50 <= p95 <= round(max(waits_s) * 1000)


def test_percentiles_are_milliseconds() -> None:
    assert percentiles((2.0,)) == (2000, 2000)
    assert percentiles((2.0, 2.0, 2.0)) == (2000, 2000)


def test_percentiles_of_next_to_nothing() -> None:
    assert percentiles(()) == (None, None)
    assert percentiles((0.5,)) == (500, 500)


BREAKS = """
import logging, sys
import structlog
from gateway.ops.telemetry.logs import set_up

log = structlog.get_logger()

def answer(caller):
    payload, token = b"sound" * 9, "hush" * 9
    raise ZeroDivisionError("by nought")

for form in "json", "console":
    set_up(form, "info")
    try:
        answer("+1415555" + "0123")
    except ZeroDivisionError as error:
        log.error("a call broke", exc_info=error)
    log.debug("not told")
    logging.getLogger("uvicorn.error").info("not told")
    logging.getLogger("httpx2").info("not told")
    logging.getLogger("somebody").warning("a line of the library's")
    print("--", file=sys.stderr)
"""


def test_a_traceback_shows_where_and_not_what() -> None:
    """Local variables are sound, secrets and numbers. A process of its own: logs are global."""
    ran = subprocess.run(
        [sys.executable, "-c", BREAKS], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout == ""
    as_json, as_console, _ = ran.stderr.split("--\n")
    for told in (as_json, as_console):
        assert "ZeroDivisionError: by nought" in told
        assert "in answer" in told
        for hidden in ("soundsound", "hushhush", "4155550123", "not told"):
            assert hidden not in told
    first, second = map(json.loads, as_json.splitlines())
    assert (first["event"], first["level"]) == ("a call broke", "error")
    assert (second["event"], second["level"]) == ("a line of the library's", "warning")
    assert {"timestamp"} <= first.keys() & second.keys()


LIBRARIES = """
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from gateway.ops.database.address import database_address
from gateway.ops.database.database import Database
from gateway.ops.telemetry.logs import set_up

set_up("json", "debug")
with TemporaryDirectory() as folder:
    database = Database(database_address(None, Path(folder)))
    database.run(lambda connection: None)
    database.dispose()
"""


def test_a_migration_is_one_named_event_even_at_debug() -> None:
    """Alembic's own lines say of each step what `database_migrated` says once."""
    ran = subprocess.run(
        [sys.executable, "-c", LIBRARIES], capture_output=True, text=True, check=True, timeout=60
    )
    lines = [json.loads(line)["event"] for line in ran.stderr.splitlines()]
    assert lines == ["database_migrated"]


def test_what_became_of_a_result_is_told() -> None:
    lines = told(
        events.ResultFiled("filed", "", 2, {"a": 1}, {}, ("b", "c")),
        events.ResultFiled("failed", "timeout", 1, {}, {}, ()),
    )
    shared = {"event": "result_collected", "call_sid": FACTS.call_sid, "agent": "reception"}
    assert lines == [
        shared | {"log_level": "info", "status": "filed", "reason": "", "tries": 2, "unproven": 2},
        shared
        | {"log_level": "warning", "status": "failed"}
        | {"reason": "timeout", "tries": 1, "unproven": 0},
    ]


def test_a_cost_is_told_to_a_millionth() -> None:
    with capture_logs() as lines:
        CallLog().on_event(FACTS, ENDED, Decimal("0.0236485432"))
    assert lines[0]["cost_usd"] == 0.023649


@pytest.mark.parametrize(("digits", "shown"), [("1234", "..."), ("12345", "...45")])
def test_of_a_short_number_nothing_is_shown(digits: str, shown: str) -> None:
    assert masked(digits) == shown


WAYS_OUT = """
import json, logging, sys
import structlog
from gateway.ops.telemetry.logs import set_up

class Terminal:
    def __init__(self, is_one):
        self.is_one, self.text = is_one, ""
    def isatty(self):
        return self.is_one
    def write(self, text):
        self.text += text
    def flush(self):
        pass

told = {}
for form in ("json", "console", None):
    for is_one in (False, True):
        sys.stderr = Terminal(is_one)
        set_up(form, "warning")
        logging.getLogger("any").warning("said")
        logging.getLogger("any").info("not said")
        told[f"{form} {is_one}"] = sys.stderr.text
sys.stderr = Terminal(False)
set_up("json", "info")
names = ("uvicorn", "uvicorn.error", "uvicorn.access", "websockets", "httpx2", "httpcore2")
told["levels"] = {n: logging.getLogger(n).level for n in (*names, "alembic", "mcp")}
told["handlers"] = [len(logging.getLogger(n).handlers) for n in names[:3]]
told["up"] = [logging.getLogger(n).propagate for n in names[:3]]
told["root"] = [logging.getLogger().level, len(logging.getLogger().handlers)]
set_up("json", "error")
told["errors only"] = logging.getLogger("httpx2").level
set_up("json", "info")
structlog.contextvars.bind_contextvars(call_sid="CA1")
for _ in range(600):
    structlog.get_logger().info("flood")
told["flood"] = len(sys.stderr.text.splitlines())
told["line"] = json.loads(sys.stderr.text.splitlines()[0])
print(json.dumps(told))
"""


def test_where_lines_go_and_which() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WAYS_OUT], capture_output=True, text=True, check=True, timeout=60
    )
    told = json.loads(ran.stdout)
    as_json = {name for name in told if " " in name and str(told[name]).startswith("{")}
    assert as_json == {"json False", "json True", "None False"}, "a terminal is read by people"
    coloured = {name for name in told if " " in name and "\x1b[" in str(told[name])}
    assert coloured == {"console True", "None True"}
    assert all(str(told[name]).count("said") == 1 for name in ("json True", "console False"))
    quiet = ("uvicorn.error", "uvicorn.access", "websockets", "httpx2", "httpcore2", "alembic")
    assert told["levels"] == {**dict.fromkeys(quiet, 30), "uvicorn": 0, "mcp": 50}
    assert (told["handlers"], told["up"], told["root"]) == ([0] * 3, [True] * 3, [20, 1])
    assert told["errors only"] == 40
    assert 500 <= told["flood"] < 600
    line = told["line"]
    assert (line["event"], line["level"], line["call_sid"]) == ("flood", "info", "CA1")
    assert line["timestamp"].endswith("Z")
