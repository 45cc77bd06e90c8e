"""A day of a healthy deployment, minute by minute, as the series that Prometheus would scrape.

Figures are those of public reports and of the vendors' documents: 500 ms of turn detection, a
model that begins after 300 to 900 ms, one turn in eight with a tool, one call in two hundred that
loses a connection. What belongs to a day is in it: a deployment with its drain, a Redis that
restarts, an MCP server that restarts, strangers who send requests without a signature.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

MINUTES = 24 * 60
DEPLOY_AT = 11 * 60
DRAIN_MINUTES = 60
REDIS_RESTARTS_AT = 3 * 60
MCP_RESTARTS_AT = 14 * 60
FAULT_FROM, FAULT_TO = 15 * 60, 19 * 60
CALL_MINUTES = 3.0
TURNS_PER_MINUTE = 3.5
SIP_SHARE = 0.2
USD_PER_CALL_MINUTE = 0.12

WELL = {"caller_hung_up": 0.6, "agent_hung_up": 0.345, "transferred": 0.035, "idle": 0.015}
BADLY = {"model_lost": 0.002, "media_broken": 0.002, "media_stalled": 0.001}

Key = tuple[str, str, tuple[tuple[str, str], ...]]
"""Pod, name and labels of a series."""


@dataclass(frozen=True)
class Fault:
    """What is changed between `FAULT_FROM` and `FAULT_TO`; a healthy day changes nothing."""

    model_slower: float = 1.0
    playback_slower: float = 1.0
    badly: float = 0.0
    """Share of calls that end by a failure."""
    tools_fail: float = 0.03
    errors: float = 0.002
    """Model errors for each turn."""
    reconnects: float = 0.005
    """Lost connections to the model for each call."""
    broken_streams: float = 0.003
    late: float = 0.001
    """Share of the event loop's wake-ups that are late."""
    under_runs: float = 0.002
    gaps: float = 0.003
    dearer: float = 1.0
    limit_left: float = 0.5
    signed: bool = True


HEALTHY = Fault()


@dataclass
class Day:
    """Samples of each series, one for each minute, None where its pod does not run.

    `peak` is how many calls there are at the busiest minute of all `pods` together.
    """

    peak: float
    pods: int
    bounds: Callable[[str], tuple[float, ...]]
    fault: Fault = HEALTHY
    seed: int = 1
    values: dict[Key, list[float | None]] = field(default_factory=dict)
    counts: dict[Key, list[NDArray[np.int64] | None]] = field(default_factory=dict)
    """Of a histogram: how many are within each bound, and how many there are."""
    _now: dict[Key, float] = field(default_factory=lambda: defaultdict(float))
    _counted: dict[Key, NDArray[np.int64]] = field(default_factory=dict)
    _minute: int = 0
    _pod: str = ""
    _turned: bool = False
    _spent: float = 0.0

    def __post_init__(self) -> None:
        self._chance = np.random.default_rng(self.seed)
        for self._minute in range(MINUTES):
            share = self._traffic_share()
            old, new = self._pods()
            taking = new or old
            for pod in (*old, *new):
                drains = pod in old and bool(new)
                calls = self.peak * share / len(taking) if pod in taking else 0.0
                if drains:
                    calls = self._left_over(share / len(old))
                self._pod_minute(pod, calls, drains=drains)

    def series(self) -> dict[str, str]:
        """Return all series in promtool's notation."""
        text = {}
        for (pod, name, labels), samples in self.values.items():
            text[_selector(name, labels, pod)] = " ".join(
                "_" if value is None else f"{round(value, 4):g}" if value % 1 else f"{int(value)}"
                for value in samples
            )
        for (pod, name, labels), minutes in self.counts.items():
            columns = [
                (f"{name}_bucket", (*labels, ("le", le))) for le in map(_le, self.bounds(name))
            ]
            columns.append((f"{name}_count", labels))
            none = ["_"] * len(columns)
            rows = [none if row is None else list(map(str, row.tolist())) for row in minutes]
            for (column, more), samples in zip(columns, zip(*rows, strict=True), strict=True):
                text[_selector(column, more, pod)] = " ".join(samples)
        return text

    def _traffic_share(self) -> float:
        """Busy at eleven and at four, nearly nothing at night."""
        hour = self._minute / 60
        day = np.exp(-((hour - 11) ** 2) / 8) + 0.8 * np.exp(-((hour - 16) ** 2) / 6)
        return float(min(1.0, 0.01 + day))

    def _pods(self) -> tuple[list[str], list[str]]:
        """Pods of the old version and of the new one."""
        old = [f"old-{n}" for n in range(self.pods)]
        new = [f"new-{n}" for n in range(self.pods)]
        if self._minute < DEPLOY_AT:
            return old, []
        if self._minute < DEPLOY_AT + DRAIN_MINUTES:
            return old, new
        return [], new

    def _left_over(self, share: float) -> float:
        """Calls of a pod that drains: fewer with each minute."""
        return self.peak * share * float(np.exp(-(self._minute - DEPLOY_AT) / CALL_MINUTES))

    def _pod_minute(self, pod: str, calls: float, *, drains: bool) -> None:
        self._pod, self._turned = pod, False
        fault = self.fault if FAULT_FROM <= self._minute < FAULT_TO else HEALTHY
        for path, share in (("media-streams", 1 - SIP_SHARE), ("sip", SIP_SHARE)):
            self._calls(path, calls * share, fault, drains=drains)
        self._audio(calls, fault)
        self._process(calls, fault, drains=drains)
        self._requests(calls, fault)

    def _calls(self, path: str, calls: float, fault: Fault, *, drains: bool) -> None:
        at = {"agent": "reception", "path": path}
        talking = self._chance.poisson(calls)
        ended = self._chance.poisson(calls / CALL_MINUTES)
        self._set("gateway_calls_active", talking, path=path, state="talking")
        self._set(
            "gateway_calls_active", self._chance.poisson(calls / 60), path=path, state="expected"
        )
        bad = sum(BADLY.values())
        shares = {**WELL, **BADLY}
        if fault.badly:
            shares = {name: share * (1 - fault.badly) for name, share in shares.items()}
            shares["model_lost"] += fault.badly
        for ending, share in shares.items():
            count = self._chance.poisson(ended * share / (sum(WELL.values()) + bad))
            self._add("gateway_calls_ended_total", count, **at, ending=ending)
        self._add("gateway_calls_ended_total", 0, **at, ending="model_refused")
        # At the end of the drain what still runs goes to another process.
        last = drains and self._minute == DEPLOY_AT + DRAIN_MINUTES - 1
        if path == "sip":
            self._add("gateway_resumes_total", 8 * last, how="adopted")
        else:
            self._add("gateway_resumes_total", 8 * last, how="handed_over")
            broken = self._chance.poisson(ended * fault.broken_streams)
            self._add("gateway_resumes_total", broken, how="announced")
            self._add("gateway_calls_ended_total", broken, **at, ending="media_broken")
            self._add("gateway_resumes_total", 0, how="without_history")
        self._turns(path, talking, fault)
        lost = self._chance.poisson(ended * fault.reconnects)
        self._add("gateway_model_reconnects_total", lost, reason="closed_1006")
        self._histogram(
            "gateway_model_renewed_seconds", self._chance.lognormal(-0.2, 0.5, lost), cause="lost"
        )

    def _turns(self, path: str, talking: int, fault: Fault) -> None:
        turns = self._chance.poisson(talking * TURNS_PER_MINUTE)
        self._turned |= turns > 0
        with_tool = self._chance.random(turns) < 0.12
        stages = {
            "detection": self._chance.normal(0.56, 0.04, turns),
            "model": fault.model_slower * self._chance.lognormal(-0.8, 0.35, turns)
            + with_tool * self._chance.lognormal(0.0, 0.4, turns),
            "gateway": self._chance.exponential(0.003, turns),
            "playback": fault.playback_slower * self._chance.normal(0.13, 0.03, turns),
        }
        for stage, seconds in stages.items():
            self._histogram("gateway_turn_stage_seconds", seconds, stage=stage, path=path)
        wait = sum(stages.values(), np.zeros(turns))
        self._histogram("gateway_response_seconds", wait, agent="reception", path=path)
        self._errors(turns, fault)
        self._tools(int(with_tool.sum()), fault)
        if path == "sip" and self._pod.endswith("-0"):
            self._operators()

    def _errors(self, turns: int, fault: Fault) -> None:
        name = "gateway_model_errors_total"
        benign = self._chance.poisson(turns * 0.02)
        self._add(name, benign, fault="benign", code="response_cancel_not_active")
        errors = self._chance.poisson(turns * fault.errors)
        self._add(name, errors, fault="recoverable", code="server_error")

    def _tools(self, uses: int, fault: Fault) -> None:
        failed = self._chance.binomial(uses, fault.tools_fail)
        outcomes = {"ok": uses - failed, "error": failed, "invalid": uses // 20}
        for outcome, count in outcomes.items():
            self._add("gateway_tool_seconds_count", count, tool="opening_hours", outcome=outcome)
        hosted = {"ok": uses - failed, "tool_execution_error": failed, "denied": uses // 50}
        for outcome, count in hosted.items():
            self._add("gateway_mcp_calls_total", count, server="crm", outcome=outcome)
        self._add("gateway_mcp_lists_total", uses, server="crm", outcome="ok")
        self._add("gateway_approvals_total", uses // 10, server="crm", outcome="approved")

    def _operators(self) -> None:
        """One list of tools that fails, and one operator who was away, morning and afternoon."""
        once = self._minute in (600, 900)
        self._add("gateway_mcp_lists_total", once, server="crm", outcome="failed")
        self._add("gateway_approvals_total", 2 * once, server="crm", outcome="timeout")

    def _audio(self, calls: float, fault: Fault) -> None:
        seconds = 60 * calls * (1 - SIP_SHARE)
        self._add("gateway_media_bytes_total", int(8000 * seconds), direction="up")
        self._add("gateway_media_bytes_total", int(8000 * 0.4 * seconds), direction="down")
        # A gap is one of some hundred milliseconds, not a thin slice of every second.
        for cause, share in (("model", fault.under_runs), ("gateway", fault.under_runs / 10)):
            gaps = 0.3 * self._chance.poisson(0.4 * seconds * share / 0.3)
            self._add("gateway_playback_underrun_seconds_total", gaps, cause=cause)
        lost = 0.2 * self._chance.poisson(seconds * fault.gaps / 0.2)
        self._add("gateway_caller_gap_seconds_total", lost)
        usd = fault.dearer * USD_PER_CALL_MINUTE * calls
        self._add(
            "gateway_cost_usd_total",
            usd,
            agent="reception",
            model="gpt-realtime-2.1",
            kind="audio_out",
        )
        self._spent += usd
        budget = self.peak * USD_PER_CALL_MINUTE * MINUTES / 2
        self._set("gateway_budget_spent_ratio", self._spent / budget)

    def _process(self, calls: float, fault: Fault, *, drains: bool) -> None:
        self._set("gateway_build_info", 1, version="1.0.0" if "old" in self._pod else "1.1.0")
        self._set("gateway_draining", drains)
        self._set("gateway_breaker_open", 0)
        self._set(
            "gateway_mcp_up",
            self._minute not in range(MCP_RESTARTS_AT, MCP_RESTARTS_AT + 3),
            server="warehouse",
        )
        most = 100 if self.peak / self.pods < 80 else int(self.peak / self.pods / 0.7)
        self._set("gateway_calls_capacity", most, path="media-streams")
        self._set("gateway_calls_capacity", 2000, path="sip")
        self._set("gateway_descriptors_left", 65_536 - 60 - 2 * calls)
        late = np.where(self._chance.random(600) < fault.late, 0.08, 0.0)
        lag = self._chance.exponential(0.0008, 600) + late
        self._histogram("gateway_event_loop_lag_seconds", lag)
        away = self._minute == REDIS_RESTARTS_AT
        self._add("gateway_store_errors_total", 45 * away)
        self._add("gateway_records_lost_total", 0, reason="disk")
        self._set("gateway_records_waiting", 0)
        self._add("gateway_recording_errors_total", 0, reason="store")
        self._set("gateway_recordings_waiting", 0)
        self._set("gateway_delivery_oldest_seconds", 0)
        self._set("gateway_deliveries_waiting", 0, state="parked")
        # The account's limit is shared; with many calls less of it is left.
        used = 0.5 * self._traffic_share()
        left = min(1 - used, fault.limit_left) if fault is not HEALTHY else 1 - used
        if drains and calls < 0.5 and not self._turned:
            left = 0.15  # the last response of a process that has no calls any more
        self._set("gateway_rate_limit_remaining_ratio", left, limit="tokens")
        renewed_at = 9 * 60
        days_left = 15 if self._minute < renewed_at + 60 else 44
        self._set(
            "gateway_certificate_expiry_timestamp_seconds", days_left * 86400 + 60 * self._minute
        )

    def _requests(self, calls: float, fault: Fault) -> None:
        good = self._chance.poisson(calls / CALL_MINUTES)
        result = "ok" if fault.signed else "bad_signature"
        for known in ("ok", "bad_signature"):
            count = good if known == result else 0
            self._add("gateway_webhooks_total", count, endpoint="voice", result=known)
        # Strangers who try addresses, four times a day.
        strangers = 60 if self._minute % 360 in (100, 101) and self._pod.endswith("-0") else 0
        self._add("gateway_webhooks_total", strangers, endpoint="voice", result="unsigned")
        self._add(
            "gateway_webhooks_total", strangers // 15, endpoint="status", result="bad_signature"
        )
        self._add("gateway_webhooks_total", 3 * good, endpoint="status", result="ok")
        self._add("gateway_streams_refused_total", strangers // 5, reason="no_token")
        at_deploy = self._minute == DEPLOY_AT and self._pod == "old-0"
        self._add("gateway_calls_refused_total", 2 * at_deploy, reason="draining")
        busy = self._chance.poisson(calls / CALL_MINUTES / 100)
        self._add("gateway_calls_refused_total", busy, reason="caller_busy")

    # --- Samples ---

    def _key(self, name: str, labels: dict[str, str]) -> Key:
        return self._pod, name, tuple(labels.items())

    def _write(self, key: Key, value: float) -> None:
        if (samples := self.values.get(key)) is None:
            samples = self.values[key] = [None] * MINUTES
        samples[self._minute] = value

    def _set(self, name: str, value: float, **labels: str) -> None:
        self._write(self._key(name, labels), float(value))

    def _add(self, name: str, value: float, **labels: str) -> None:
        key = self._key(name, labels)
        self._now[key] += float(value)
        self._write(key, self._now[key])

    def _histogram(self, name: str, seconds: Any, **labels: str) -> None:
        key = self._key(name, labels)
        if (minutes := self.counts.get(key)) is None:
            minutes = self.counts[key] = [None] * MINUTES
            self._counted[key] = np.zeros(len(self.bounds(name)) + 1, np.int64)
        counted = self._counted[key]
        if len(seconds):
            within = np.searchsorted(np.sort(seconds), self.bounds(name), side="right")
            counted = self._counted[key] = counted + np.append(within, len(seconds))
        minutes[self._minute] = counted


def _selector(name: str, labels: Iterable[tuple[str, str]], pod: str) -> str:
    every = (*labels, ("pod", pod), ("instance", pod))
    inner = ",".join(f'{label}="{value}"' for label, value in every)
    return f"{name}{{{inner}}}"


def _le(bound: float) -> str:
    return "+Inf" if bound == np.inf else str(bound)


def names_and_labels(series: dict[str, str]) -> Iterator[tuple[str, set[str]]]:
    """Yield each series' name and its labels."""
    for text in series:
        name, _, labels = text.rstrip("}").partition("{")
        yield name, {one.split("=")[0] for one in labels.split(",")}
