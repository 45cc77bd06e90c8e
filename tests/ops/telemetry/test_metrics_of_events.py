"""What each event of a call counts: these series by this much, and no others."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

import pytest

from gateway import __version__
from gateway.agents.config.agent import Agent
from gateway.call import events
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.call.line.line_counters import LineCounters
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.ops.telemetry.metrics import Metrics
from gateway.protocols.realtime_server import (
    InputDetails,
    OutputDetails,
    RateLimit,
    Usage,
)

PHONE = CallInfo("CA1", "+15551230042", "+15550100", "desk", "media-streams")
SIP = CallInfo("", "+15551230042", "+15550100", "desk", "sip", "rtc_1")


@dataclass
class Scraped:
    """Metrics, and what is another value since the last look."""

    metrics: Metrics = field(default_factory=lambda: Metrics(AddedLatency()))

    def __post_init__(self) -> None:
        self._before = self._values()

    def _values(self) -> dict[str, float]:
        return {
            " ".join([sample.name.removeprefix("gateway_"), *sample.labels.values()]): sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if not sample.name.endswith("_bucket") and sample.value == sample.value
        }

    def change(self, event: events.CallEvent, call: CallInfo = PHONE) -> dict[str, float]:
        self.metrics.on_event(call, event)
        return self.changed()

    def changed(self) -> dict[str, float]:
        before, self._before = self._before, self._values()
        return {
            name: round(value - before.get(name, 0.0), 6)
            for name, value in self._before.items()
            if value != before.get(name)
        }


def kind(one: object) -> str:
    return type(one).__name__ if isinstance(one, events.CallEvent) else ""


def ended(ending: Ending, arrived: bool = True) -> events.CallEnded:
    return events.CallEnded(ending, "", arrived, 42.0, (), 0, 0, 0)


def seconds(series: str, labels: str, value: float) -> dict[str, float]:
    """One observation of a histogram."""
    labels = labels and f" {labels}"
    return {f"{series}_count{labels}": 1, f"{series}_sum{labels}": value}


USAGE = Usage(
    total_tokens=11,
    input_tokens=8,
    output_tokens=3,
    input_token_details=InputDetails(text_tokens=8, cached_tokens=0),
    output_token_details=OutputDetails(text_tokens=0, audio_tokens=3),
)
LIMITS = (
    RateLimit("requests", 100, 25, 1.0),
    RateLimit("tokens", 1000, 0, 1.0),
    RateLimit("seconds", 10, 5, 1.0),
)


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (
            events.CallerConnected(0.4),
            {
                "calls_started_total desk media-streams": 1,
                "sessions_prepared_total used": 1,
                **seconds("setup_seconds", "caller_arrived media-streams", 0.4),
            },
        ),
        (events.ModelReady(0.3, None), seconds("setup_seconds", "model_ready media-streams", 0.3)),
        (events.ModelDisconnected("closed_1006"), {"model_reconnects_total closed_1006": 1}),
        (events.ModelDisconnected("closed_4711"), {"model_reconnects_total closed_other": 1}),
        (events.ModelDisconnected("silent"), {"model_reconnects_total silent": 1}),
        (events.ModelReconnected(1.5, "lost"), seconds("model_renewed_seconds", "lost", 1.5)),
        (
            events.SidebandConnected(0.7, again=False),
            seconds("sip_setup_seconds", "accept_to_sideband", 0.7),
        ),
        (events.SidebandConnected(0.7, again=True), {"sidebands_reopened_total": 1}),
        (events.TransferAttempted("done"), {"transfers_total done": 1}),
        (
            events.HandOverAttempted("desk", "billing", "done"),
            {"hand_overs_total desk billing done": 1},
        ),
        (events.AnswererDetected("human"), {"answered_by_total desk human": 1}),
        (
            events.FirstAudioSent(1.2, 0.8),
            seconds("setup_seconds", "first_sound media-streams", 1.2),
        ),
        (
            events.TurnMeasured(1, 0.65, 0.25, 0.3, 0.01, 0.09),
            {
                **seconds("response_seconds", "desk media-streams", 0.65),
                **seconds("turn_stage_seconds", "detection media-streams", 0.25),
                **seconds("turn_stage_seconds", "model media-streams", 0.3),
                **seconds("turn_stage_seconds", "gateway media-streams", 0.01),
                **seconds("turn_stage_seconds", "playback media-streams", 0.09),
            },
        ),
        (
            events.BargedIn("item", 420, 0.15),
            {"barge_ins_total desk": 1, **seconds("barge_in_reaction_seconds", "", 0.15)},
        ),
        (events.BargeInIgnored("short"), {"barge_ins_ignored_total short": 1}),
        (
            events.PlaybackUnderRun("model", 0.25),
            {"playback_underruns_total model": 1, "playback_underrun_seconds_total model": 0.25},
        ),
        (
            events.AudioDropped("unplayed", 1500),
            {"audio_dropped_seconds_total unplayed": 1.5},
        ),
        (events.MessageTaken("Call me.", "", ""), {"voicemail_messages_total desk": 1}),
        (
            events.ResultFiled("filed", "", 1, {}, {}, ()),
            {"results_total desk filed": 1},
        ),
        (
            events.ResultFiled("failed", "timeout", 1, {}, {}, ()),
            {"results_total desk timeout": 1},
        ),
        (events.KeysEntered("end"), {"keypad_entries_total desk end": 1}),
        (
            events.UsageCounted("gpt", USAGE),
            {"tokens_total gpt in text no": 8, "tokens_total gpt out audio no": 3},
        ),
        (
            events.ToolCompleted("look", "ok", 0.5),
            seconds("tool_seconds", "look ok", 0.5),
        ),
        (events.ToolCalled("look"), {"tool_calls_total look": 1}),
        (events.HostedToolsListed("crm", "ok", 3), {"mcp_lists_total crm ok": 1}),
        (
            events.HostedToolCompleted("crm", "ok", 0.5),
            {"mcp_calls_total crm ok": 1, **seconds("mcp_seconds", "crm", 0.5)},
        ),
        (events.HostedToolCompleted("crm", "denied", 0.5), {"mcp_calls_total crm denied": 1}),
        (events.HostedToolCompleted("crm", "lost", 0.5), {"mcp_calls_total crm lost": 1}),
        (events.ApprovalResolved("a", "crm", "timeout"), {"approvals_total crm timeout": 1}),
        (
            events.ModelErrorReported("fatal", "quota"),
            {"model_errors_total fatal quota": 1},
        ),
        (
            events.PeerFaultCounted("model", "field", ("a.b", "a.c")),
            {
                "peer_faults_total model field": 1,
                "fields_left_out_total model a.b": 1,
                "fields_left_out_total model a.c": 1,
            },
        ),
        (
            events.RateLimitsSeen(LIMITS),
            {"rate_limit_remaining_ratio requests": 0.25, "rate_limit_remaining_ratio tokens": 0.0},
        ),
        (events.PictureSent("page", "shown"), {"images_total page shown": 1}),
        (events.RecordingRefused("machine"), {"recordings_refused_total machine": 1}),
        (
            ended(Ending.CALLER_HUNG_UP),
            {
                "calls_ended_total desk media-streams caller_hung_up": 1,
                **seconds("call_seconds", "desk media-streams", 42.0),
            },
        ),
        (ended(Ending.NEVER_ARRIVED, arrived=False), {"sessions_prepared_total expired": 1}),
        (ended(Ending.MODEL_LOST, arrived=False), {"sessions_prepared_total failed": 1}),
        (events.KeyPressed(), {}),
    ],
    ids=kind,
)
def test_an_event_counts(event: events.CallEvent, changes: dict[str, float]) -> None:
    assert Scraped().change(event) == changes


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (
            events.CallerConnected(0.4),
            {
                "calls_started_total desk sip": 1,
                **seconds("sip_setup_seconds", "webhook_to_accept", 0.4),
                **seconds("setup_seconds", "caller_arrived sip", 0.4),
            },
        ),
        (
            events.FirstAudioSent(1.2, 0.8),
            {
                **seconds("setup_seconds", "first_sound sip", 1.2),
                **seconds("sip_setup_seconds", "accept_to_first_audio", 0.8),
            },
        ),
        (
            ended(Ending.MODEL_LOST),
            {
                "calls_ended_total desk sip model_lost": 1,
                **seconds("call_seconds", "desk sip", 42.0),
            },
        ),
        (ended(Ending.MODEL_LOST, arrived=False), {}),
    ],
    ids=kind,
)
def test_an_event_of_a_sip_call_counts(event: events.CallEvent, changes: dict[str, float]) -> None:
    assert Scraped().change(event, SIP) == changes


@pytest.mark.parametrize(
    ("name", "most", "left"), [("tokens", None, 5), ("tokens", 0, 5), ("tokens", 10, None)]
)
def test_a_rate_limit_that_says_half_of_it_is_no_figure(
    name: str, most: int | None, left: int | None
) -> None:
    seen = events.RateLimitsSeen((RateLimit(name, most, left, 1.0),))
    assert Scraped().change(seen) == {}


def test_what_has_been_charged_and_what_has_no_price() -> None:
    scraped = Scraped()
    scraped.metrics.charged("desk", "gpt", "audio_in", Decimal("0.25"))
    scraped.metrics.unpriced("gpt", "minute")
    assert scraped.changed() == {
        "cost_usd_total desk gpt audio_in": 0.25,
        "unpriced_total gpt minute": 1,
    }


@pytest.mark.parametrize(("share", "step"), [(0.8, "warned"), (1.0, "limit"), (1.3, "limit")])
def test_a_share_of_what_a_call_may_cost(share: float, step: str) -> None:
    scraped = Scraped()
    scraped.metrics.share_reached("desk", share)
    assert scraped.changed() == {f"spend_reached_total desk {step}": 1}


def test_series_of_what_may_happen_are_there_from_the_beginning() -> None:
    """For Prometheus, a series that begins at 1 has not risen."""
    scraped = Scraped()
    agent = Agent.model_validate({"name": "desk", "instructions": "Answer."})
    scraped.metrics.expect([agent])
    value = scraped.metrics.registry.get_sample_value
    path = agent.path
    for series, labels in (
        *(("calls_refused", {"reason": r}) for r in ("full", "draining", "budget", "no_agent")),
        *(
            ("recording_errors", {"reason": r})
            for r in ("backlog", "bug", "carrier", "disk", "store", "unreadable")
        ),
        *(
            ("resumes", {"how": how})
            for how in (
                *("announced", "silent", "handed_over"),
                *("without_history", "adopted", "browser"),
            )
        ),
        *(
            ("model_reconnects", {"reason": r})
            for r in (
                *("silent", "unreachable", "closed_1000", "closed_1001", "closed_1005"),
                *("closed_1006", "closed_1011", "closed_1012", "closed_1013"),
            )
        ),
        ("calls_started", {"agent": "desk", "path": path}),
        *(("calls_ended", {"agent": "desk", "path": path, "ending": e}) for e in Ending),
    ):
        assert value(f"gateway_{series}_total", labels) == 0, (series, labels)
    assert value("gateway_response_seconds_count", {"agent": "desk", "path": path}) == 0


def test_what_a_process_says_of_itself() -> None:
    value = Metrics(AddedLatency()).registry.get_sample_value
    assert value("gateway_build_info", {"version": __version__}) == 1
    expiry = value("gateway_certificate_expiry_timestamp_seconds")
    assert expiry != expiry, "not a number as long as nobody has looked"


def test_the_loops_lag_is_a_histogram() -> None:
    scraped = Scraped()
    for lag_s in (0.0, 0.0015, 3.0):
        scraped.metrics.on_loop_lag(lag_s)
    assert scraped.changed() == {
        "event_loop_lag_seconds_count": 3,
        "event_loop_lag_seconds_sum": 3.0015,
    }
    value = scraped.metrics.registry.get_sample_value
    found = {
        bound: value("gateway_event_loop_lag_seconds_bucket", {"le": bound})
        for bound in (
            *("0.001", "0.002", "0.005", "0.01", "0.02", "0.05"),
            *("0.1", "0.2", "0.5", "1.0", "+Inf"),
        )
    }
    assert list(found.values()) == [1] + [2] * 9 + [3]


@dataclass
class Machine:
    """A call that has ended, as far as it is counted."""

    counters: LineCounters | None

    def media_counters(self, _now: float) -> LineCounters | None:
        return self.counters


def test_frames_of_a_call_that_is_over_stay_in_the_sums() -> None:
    scraped = Scraped()
    for counters in (LineCounters((3, 5), (480, 800), (1, 2), 40.0, 250.0), None):
        scraped.metrics.call_over(cast("Any", Machine(counters)))
    assert scraped.changed() == {
        "frames_total up": 3,
        "frames_total down": 5,
        "media_bytes_total up": 480,
        "media_bytes_total down": 800,
        "saturated_samples_total up": 1,
        "saturated_samples_total down": 2,
        "caller_gap_seconds_total": 0.04,
    }
