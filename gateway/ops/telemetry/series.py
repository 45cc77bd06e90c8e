"""Every series of the gateway: its name, help text and labels.

A series is declared twice: in the table of its kind, and as an attribute of `MetricSeries`, so
that types are checked where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

# The creation time of each series would be another series, and no rule or dashboard uses it.
disable_created_metrics()  # type: ignore[no-untyped-call]

_WAIT_BUCKETS: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
_STAGE_BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 5.0)
_SETUP_BUCKETS: Final = (0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 5.0, 10.0)
_LENGTH_BUCKETS: Final = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)


# The attribute of `Metrics` -> name, help text, labels (and buckets).
_COUNTERS: Final[Mapping[str, tuple[str, str, tuple[str, ...]]]] = {
    "started": ("calls_started", "Calls whose caller arrived.", ("agent", "path")),
    "ended": ("calls_ended", "Calls that ended, by how.", ("agent", "path", "ending")),
    "refused": ("calls_refused", "Calls that were refused, by reason.", ("reason",)),
    "barge_ins": ("barge_ins", "Interruptions of the model by the caller.", ("agent",)),
    "barge_ins_ignored": (
        "barge_ins_ignored",
        "Speech that did not count as an interruption.",
        ("reason",),
    ),
    "under_runs": (
        "playback_underruns",
        "Gaps in the model's speech as the caller heard it.",
        ("cause",),
    ),
    "under_run_seconds": ("playback_underrun_seconds", "Length of those gaps.", ("cause",)),
    "dropped": ("audio_dropped_seconds", "Audio that was dropped, by reason.", ("reason",)),
    "tokens": (
        "tokens",
        "Tokens billed; cached ones are not counted again as others.",
        ("model", "direction", "kind", "cached"),
    ),
    "cost": (
        "cost_usd",
        "US dollars, by the price list: the model, transcripts, the carrier.",
        ("agent", "model", "kind"),
    ),
    "no_price": ("unpriced", "Usage for which the price list has no price.", ("model", "kind")),
    "spend_reached": (
        "spend_reached",
        "Calls that came near their cost limit, or reached it.",
        ("agent", "step"),
    ),
    "tools": ("tool_calls", "Tools that the model called.", ("tool",)),
    "images": ("images", "Pictures of callers, by outcome.", ("source", "outcome")),
    "image_workers_ended": (
        "image_workers_ended",
        "Processes that decode pictures and were replaced, by reason.",
        ("reason",),
    ),
    "image_uploads_refused": (
        "image_uploads_refused",
        "Pictures refused since too many were arriving at once.",
        (),
    ),
    "mcp_calls": (
        "mcp_calls",
        "Calls of hosted MCP tools, by how they ended.",
        ("server", "outcome"),
    ),
    "mcp_lists": (
        "mcp_lists",
        "Tool lists of hosted MCP servers, by outcome.",
        ("server", "outcome"),
    ),
    "mcp_left_out": (
        "mcp_tools_left_out",
        "Tools of MCP servers that could not be offered, counted when that changed.",
        ("server",),
    ),
    "approvals": ("approvals", "Approval requests, by outcome.", ("server", "outcome")),
    "errors": ("model_errors", "Errors that the model's server reported.", ("fault", "code")),
    "peer_faults": (
        "peer_faults",
        "Messages that could not be read; the call went on.",
        ("peer", "kind"),
    ),
    "fields_left_out": (
        "fields_left_out",
        "Fields of messages that could not be read, while the rest was used.",
        ("peer", "field"),
    ),
    "prepared": (
        "sessions_prepared",
        "Sessions opened during the webhook: used, or given up before the caller arrived.",
        ("outcome",),
    ),
    "webhooks": ("webhooks", "Webhooks answered, by result.", ("endpoint", "result")),
    "streams_refused": (
        "streams_refused",
        "Media streams closed before they reached a call.",
        ("reason",),
    ),
    "connections_refused": (
        "connections_refused",
        "HTTP requests and connections that broke a bound, by the bound.",
        ("reason",),
    ),
    "admin_tokens_refused": (
        "admin_tokens_refused",
        "Requests to the operators' API without the right token.",
        (),
    ),
    "phone_refused": (
        "phone_refused",
        "Browser calls that were refused, and links that open nothing.",
        ("reason",),
    ),
    "stream_events": ("stream_events", "Stream status callbacks of the carrier.", ("event",)),
    "sip_decisions": ("sip_decisions", "Incoming SIP calls, by decision.", ("decision",)),
    "sidebands_reopened": (
        "sidebands_reopened",
        "Sidebands that were lost during a call and reconnected.",
        (),
    ),
    "transfers": ("transfers", "Transfers, by outcome.", ("outcome",)),
    "before_left_out": (
        "before_fields_left_out",
        "Fields of answers to `before` that could not be used.",
        ("agent", "field"),
    ),
    "hand_overs": (
        "hand_overs",
        "Hand-overs of a call from one agent to another, by outcome.",
        ("agent", "to", "outcome"),
    ),
    "secret_inputs": (
        "secret_inputs",
        "Secret inputs at the carrier, by how they ended.",
        ("agent", "kind", "outcome"),
    ),
    "texts": (
        "texts",
        "Texts to callers: sent, refused by the carrier, or over a limit.",
        ("outcome",),
    ),
    "messages": ("voicemail_messages", "Messages that callers left.", ("agent",)),
    "results": (
        "results",
        "Results of calls that were asked of the model: filed, or why not.",
        ("agent", "outcome"),
    ),
    "keypad": (
        "keypad_entries",
        "Keypad entries of callers, by why they were complete.",
        ("agent", "end"),
    ),
    "warm_transfers": ("warm_transfers", "Warm transfers, by outcome.", ("outcome",)),
    "dials": ("dials", "Outbound calls, by outcome.", ("agent", "outcome")),
    "answered_by": ("answered_by", "Who answered outbound calls.", ("agent", "who")),
    "fallbacks": (
        "fallbacks",
        "Callers whose agent failed, by the failover step that they got.",
        ("step",),
    ),
    "reconnects": (
        "model_reconnects",
        "Connections to the model lost during a call, by reason.",
        ("reason",),
    ),
    "resumes": ("resumes", "Calls resumed on a new stream, by how.", ("how",)),
    "store_errors": ("store_errors", "Requests that the shared store did not serve.", ()),
    "deliveries": ("deliveries", "Attempts to deliver an event, by outcome.", ("outcome",)),
    "database_errors": ("database_errors", "Requests that the database did not serve.", ()),
    "records_lost": (
        "records_lost",
        "Entries of ended calls that were given up.",
        ("reason",),
    ),
    "agents_reloads": (
        "agents_reloads",
        "Readings of the agents file while the process runs, by result.",
        ("result",),
    ),
    "recordings": ("recordings_stored", "Recordings that were stored.", ()),
    "recordings_refused": (
        "recordings_refused",
        "Calls that were not recorded though their agent asks for it, by reason.",
        ("reason",),
    ),
    "recording_errors": (
        "recording_errors",
        "Sound that could not be written, and recordings not stored yet, by reason.",
        ("reason",),
    ),
    "event_stream_dropped": (
        "event_stream_dropped",
        "Subscribers of the event stream that did not keep up.",
        (),
    ),
}
_GAUGES: Final[Mapping[str, tuple[str, str, tuple[str, ...]]]] = {
    "deliveries_waiting": (
        "deliveries_waiting",
        "Events in the outbox of all processes, by state: pending, parked.",
        ("state",),
    ),
    "delivery_oldest": (
        "delivery_oldest_seconds",
        "Age of the oldest event that is not delivered; 0 without one.",
        (),
    ),
    "recordings_waiting": (
        "recordings_waiting",
        "Recordings of ended calls that are on their way to the store.",
        (),
    ),
    "records_waiting": (
        "records_waiting",
        "Entries of ended calls that are not in the database yet.",
        (),
    ),
    "budget": ("budget_spent_ratio", "Used share of the day's budget; 0 without one.", ()),
    "mcp_up": (
        "mcp_up",
        "1 while an MCP server that the gateway connects to is connected.",
        ("server",),
    ),
    "agents_since": (
        "agents_file_since_timestamp_seconds",
        "Since when new calls take this version of the agents file, in Unix time.",
        ("version",),
    ),
    "agents_calls": (
        "agents_file_calls",
        "Running calls, by the version of the agents file that they began with.",
        ("version",),
    ),
    "breaker_open": ("breaker_open", "1 while new calls are kept from the model.", ()),
    "clock_skew": (
        "clock_skew_seconds",
        "Seconds that this clock was ahead of OpenAI's, by its last webhook.",
        (),
    ),
    "rate_limit": (
        "rate_limit_remaining_ratio",
        "Remaining share of the model's rate limit, by the last response.",
        ("limit",),
    ),
    "descriptors_left": (
        "descriptors_left",
        "File descriptors that the process may still open.",
        (),
    ),
    "tasks": ("tasks", "Tasks of the event loop, those of calls included.", ()),
    "draining": ("draining", "1 while the process takes no new calls.", ()),
    "capacity": ("calls_capacity", "How many calls this process takes at once.", ("path",)),
    "certificate": (
        "certificate_expiry_timestamp_seconds",
        "When the public address's certificate ends, in Unix time; 0 for one that is refused.",
        (),
    ),
    "build": ("build_info", "Always 1; the version is a label.", ("version",)),
}
_HISTOGRAMS: Final[Mapping[str, tuple[str, str, tuple[str, ...], tuple[float, ...]]]] = {
    "length": ("call_seconds", "Length of a call.", ("agent", "path"), _LENGTH_BUCKETS),
    "setup": (
        "setup_seconds",
        "From the webhook to the end of each stage: model_ready, caller_arrived, first_sound.",
        ("stage", "path"),
        _SETUP_BUCKETS,
    ),
    "before": (
        "before_seconds",
        "What came of asking `before` about a call, and how long it took.",
        ("agent", "outcome"),
        _SETUP_BUCKETS,
    ),
    "wait": (
        "response_seconds",
        "The caller's wait in a turn: from the end of their speech to the first sound they hear.",
        ("agent", "path"),
        _WAIT_BUCKETS,
    ),
    "stage": (
        "turn_stage_seconds",
        "The wait by its stages: detection, model, gateway, playback.",
        ("stage", "path"),
        _STAGE_BUCKETS,
    ),
    "reaction": (
        "barge_in_reaction_seconds",
        "From the start of the caller's speech to the clear that silences their line.",
        (),
        _STAGE_BUCKETS,
    ),
    "tool_seconds": (
        "tool_seconds",
        "How long functions took, by how they ended.",
        ("tool", "outcome"),
        _STAGE_BUCKETS,
    ),
    "mcp_seconds": (
        "mcp_seconds",
        "How long hosted MCP tools took, without the wait for an approval.",
        ("server",),
        _SETUP_BUCKETS,
    ),
    "sip_setup": (
        "sip_setup_seconds",
        "SIP: webhook_to_accept, accept_to_sideband, accept_to_first_audio.",
        ("stage",),
        _SETUP_BUCKETS,
    ),
    "renewed": (
        "model_renewed_seconds",
        "How long a call was without the model, by cause: lost, or hour (beside the old one).",
        ("cause",),
        _SETUP_BUCKETS,
    ),
}


class MetricSeries:
    """Series of one process, in a registry of their own."""

    started: Counter
    ended: Counter
    refused: Counter
    barge_ins: Counter
    barge_ins_ignored: Counter
    under_runs: Counter
    under_run_seconds: Counter
    dropped: Counter
    tokens: Counter
    cost: Counter
    no_price: Counter
    spend_reached: Counter
    tools: Counter
    images: Counter
    image_workers_ended: Counter
    image_uploads_refused: Counter
    texts: Counter
    mcp_calls: Counter
    mcp_lists: Counter
    mcp_left_out: Counter
    approvals: Counter
    errors: Counter
    peer_faults: Counter
    fields_left_out: Counter
    prepared: Counter
    webhooks: Counter
    streams_refused: Counter
    connections_refused: Counter
    admin_tokens_refused: Counter
    phone_refused: Counter
    stream_events: Counter
    sip_decisions: Counter
    sidebands_reopened: Counter
    before_left_out: Counter
    hand_overs: Counter
    secret_inputs: Counter
    transfers: Counter
    messages: Counter
    results: Counter
    keypad: Counter
    warm_transfers: Counter
    dials: Counter
    answered_by: Counter
    fallbacks: Counter
    reconnects: Counter
    resumes: Counter
    store_errors: Counter
    deliveries: Counter
    database_errors: Counter
    records_lost: Counter
    event_stream_dropped: Counter
    agents_reloads: Counter
    deliveries_waiting: Gauge
    delivery_oldest: Gauge
    records_waiting: Gauge
    budget: Gauge
    recordings: Counter
    recordings_refused: Counter
    recording_errors: Counter
    recordings_waiting: Gauge
    mcp_up: Gauge
    agents_since: Gauge
    agents_calls: Gauge
    breaker_open: Gauge
    clock_skew: Gauge
    rate_limit: Gauge
    descriptors_left: Gauge
    tasks: Gauge
    draining: Gauge
    capacity: Gauge
    certificate: Gauge
    build: Gauge
    length: Histogram
    setup: Histogram
    before: Histogram
    wait: Histogram
    stage: Histogram
    reaction: Histogram
    tool_seconds: Histogram
    mcp_seconds: Histogram
    sip_setup: Histogram
    renewed: Histogram

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        for attribute, (name, text, labels) in _COUNTERS.items():
            setattr(self, attribute, Counter(f"gateway_{name}", text, labels, registry=registry))
        for attribute, (name, text, labels) in _GAUGES.items():
            setattr(self, attribute, Gauge(f"gateway_{name}", text, labels, registry=registry))
        for attribute, (name, text, labels, buckets) in _HISTOGRAMS.items():
            histogram = Histogram(
                f"gateway_{name}", text, labels, buckets=buckets, registry=registry
            )
            setattr(self, attribute, histogram)
