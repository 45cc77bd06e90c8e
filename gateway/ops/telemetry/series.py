"""Every series of the gateway: its name, help text and labels."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry

from gateway.ops.telemetry.series_declaration import counter, gauge, histogram, make_series

_WAIT_BUCKETS: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
_STAGE_BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 5.0)
_SETUP_BUCKETS: Final = (0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0, 5.0, 10.0)
_LENGTH_BUCKETS: Final = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)


class MetricSeries:
    """Series of one process, in a registry of their own."""

    # --- Calls ---

    started = counter("calls_started", "Calls whose caller arrived.", "agent", "path")
    ended = counter("calls_ended", "Calls that ended, by how.", "agent", "path", "ending")
    refused = counter("calls_refused", "Calls that were refused, by reason.", "reason")
    length = histogram(
        "call_seconds", "Length of a call.", "agent", "path", buckets=_LENGTH_BUCKETS
    )
    setup = histogram(
        "setup_seconds",
        "From the webhook to the end of each stage: model_ready, caller_arrived, first_sound.",
        "stage",
        "path",
        buckets=_SETUP_BUCKETS,
    )
    prepared = counter(
        "sessions_prepared",
        "Sessions opened during the webhook: used, or given up before the caller arrived.",
        "outcome",
    )
    fallbacks = counter(
        "fallbacks", "Callers whose agent failed, by the failover step that they got.", "step"
    )
    resumes = counter("resumes", "Calls resumed on a new stream, by how.", "how")
    spend_reached = counter(
        "spend_reached", "Calls that came near their cost limit, or reached it.", "agent", "step"
    )

    # --- Telephony ---

    webhooks = counter("webhooks", "Webhooks answered, by result.", "endpoint", "result")
    stream_events = counter("stream_events", "Stream status callbacks of the carrier.", "event")
    streams_refused = counter(
        "streams_refused", "Media streams closed before they reached a call.", "reason"
    )
    sip_decisions = counter("sip_decisions", "Incoming SIP calls, by decision.", "decision")
    sip_setup = histogram(
        "sip_setup_seconds",
        "SIP: webhook_to_accept, accept_to_sideband, accept_to_first_audio.",
        "stage",
        buckets=_SETUP_BUCKETS,
    )
    sidebands_reopened = counter(
        "sidebands_reopened", "Sidebands that were lost during a call and reconnected."
    )
    transfers = counter("transfers", "Transfers, by outcome.", "outcome")
    warm_transfers = counter("warm_transfers", "Warm transfers, by outcome.", "outcome")
    dials = counter("dials", "Outbound calls, by outcome.", "agent", "outcome")
    answered_by = counter("answered_by", "Who answered outbound calls.", "agent", "who")
    texts = counter(
        "texts", "Texts to callers: sent, refused by the carrier, or over a limit.", "outcome"
    )
    messages = counter("voicemail_messages", "Messages that callers left.", "agent")

    # --- Conversation ---

    wait = histogram(
        "response_seconds",
        "The caller's wait in a turn: from the end of their speech to the first sound they hear.",
        "agent",
        "path",
        buckets=_WAIT_BUCKETS,
    )
    stage = histogram(
        "turn_stage_seconds",
        "The wait by its stages: detection, model, gateway, playback.",
        "stage",
        "path",
        buckets=_STAGE_BUCKETS,
    )
    barge_ins = counter("barge_ins", "Interruptions of the model by the caller.", "agent")
    barge_ins_ignored = counter(
        "barge_ins_ignored", "Speech that did not count as an interruption.", "reason"
    )
    reaction = histogram(
        "barge_in_reaction_seconds",
        "From the start of the caller's speech to the clear that silences their line.",
        buckets=_STAGE_BUCKETS,
    )
    under_runs = counter(
        "playback_underruns", "Gaps in the model's speech as the caller heard it.", "cause"
    )
    under_run_seconds = counter("playback_underrun_seconds", "Length of those gaps.", "cause")
    dropped = counter("audio_dropped_seconds", "Audio that was dropped, by reason.", "reason")
    hand_overs = counter(
        "hand_overs",
        "Hand-overs of a call from one agent to another, by outcome.",
        "agent",
        "to",
        "outcome",
    )
    keypad = counter(
        "keypad_entries", "Keypad entries of callers, by why they were complete.", "agent", "end"
    )
    secret_inputs = counter(
        "secret_inputs",
        "Secret inputs at the carrier, by how they ended.",
        "agent",
        "kind",
        "outcome",
    )
    images = counter("images", "Pictures of callers, by outcome.", "source", "outcome")
    image_workers_ended = counter(
        "image_workers_ended",
        "Processes that decode pictures and were replaced, by reason.",
        "reason",
    )
    image_uploads_refused = counter(
        "image_uploads_refused", "Pictures refused since too many were arriving at once."
    )
    results = counter(
        "results",
        "Results of calls that were asked of the model: filed, or why not.",
        "agent",
        "outcome",
    )

    # --- Model ---

    reconnects = counter(
        "model_reconnects", "Connections to the model lost during a call, by reason.", "reason"
    )
    renewed = histogram(
        "model_renewed_seconds",
        "How long a call was without the model, by cause: lost, or hour (beside the old one).",
        "cause",
        buckets=_SETUP_BUCKETS,
    )
    errors = counter("model_errors", "Errors that the model's server reported.", "fault", "code")
    peer_faults = counter(
        "peer_faults", "Messages that could not be read; the call went on.", "peer", "kind"
    )
    fields_left_out = counter(
        "fields_left_out",
        "Fields of messages that could not be read, while the rest was used.",
        "peer",
        "field",
    )
    breaker_open = gauge("breaker_open", "1 while new calls are kept from the model.")
    rate_limit = gauge(
        "rate_limit_remaining_ratio",
        "Remaining share of the model's rate limit, by the last response.",
        "limit",
    )
    clock_skew = gauge(
        "clock_skew_seconds", "Seconds that this clock was ahead of OpenAI's, by its last webhook."
    )
    tokens = counter(
        "tokens",
        "Tokens billed; cached ones are not counted again as others.",
        "model",
        "direction",
        "kind",
        "cached",
    )
    cost = counter(
        "cost_usd",
        "US dollars, by the price list: the model, transcripts, the carrier.",
        "agent",
        "model",
        "kind",
    )
    no_price = counter("unpriced", "Usage for which the price list has no price.", "model", "kind")
    budget = gauge("budget_spent_ratio", "Used share of the day's budget; 0 without one.")

    # --- Tools ---

    tools = counter("tool_calls", "Tools that the model called.", "tool")
    tool_seconds = histogram(
        "tool_seconds",
        "How long functions took, by how they ended.",
        "tool",
        "outcome",
        buckets=_STAGE_BUCKETS,
    )
    before = histogram(
        "before_seconds",
        "What came of asking `before` about a call, and how long it took.",
        "agent",
        "outcome",
        buckets=_SETUP_BUCKETS,
    )
    before_left_out = counter(
        "before_fields_left_out",
        "Fields of answers to `before` that could not be used.",
        "agent",
        "field",
    )
    mcp_up = gauge(
        "mcp_up", "1 while an MCP server that the gateway connects to is connected.", "server"
    )
    mcp_lists = counter(
        "mcp_lists", "Tool lists of hosted MCP servers, by outcome.", "server", "outcome"
    )
    mcp_left_out = counter(
        "mcp_tools_left_out",
        "Tools of MCP servers that could not be offered, counted when that changed.",
        "server",
    )
    mcp_calls = counter(
        "mcp_calls", "Calls of hosted MCP tools, by how they ended.", "server", "outcome"
    )
    mcp_seconds = histogram(
        "mcp_seconds",
        "How long hosted MCP tools took, without the wait for an approval.",
        "server",
        buckets=_SETUP_BUCKETS,
    )
    approvals = counter("approvals", "Approval requests, by outcome.", "server", "outcome")

    # --- Records, recordings and deliveries ---

    store_errors = counter("store_errors", "Requests that the shared store did not serve.")
    database_errors = counter("database_errors", "Requests that the database did not serve.")
    records_waiting = gauge(
        "records_waiting", "Entries of ended calls that are not in the database yet."
    )
    records_lost = counter("records_lost", "Entries of ended calls that were given up.", "reason")
    recordings = counter("recordings_stored", "Recordings that were stored.")
    recordings_refused = counter(
        "recordings_refused",
        "Calls that were not recorded though their agent asks for it, by reason.",
        "reason",
    )
    recording_errors = counter(
        "recording_errors",
        "Sound that could not be written, and recordings not stored yet, by reason.",
        "reason",
    )
    recordings_waiting = gauge(
        "recordings_waiting", "Recordings of ended calls that are on their way to the store."
    )
    event_stream_dropped = counter(
        "event_stream_dropped", "Subscribers of the event stream that did not keep up."
    )
    deliveries = counter("deliveries", "Attempts to deliver an event, by outcome.", "outcome")
    deliveries_waiting = gauge(
        "deliveries_waiting",
        "Events in the outbox of all processes, by state: pending, parked.",
        "state",
    )
    delivery_oldest = gauge(
        "delivery_oldest_seconds", "Age of the oldest event that is not delivered; 0 without one."
    )

    # --- Operators and callers' browsers ---

    admin_tokens_refused = counter(
        "admin_tokens_refused", "Requests to the operators' API without the right token."
    )
    phone_refused = counter(
        "phone_refused", "Browser calls that were refused, and links that open nothing.", "reason"
    )
    connections_refused = counter(
        "connections_refused",
        "HTTP requests and connections that broke a bound, by the bound.",
        "reason",
    )

    # --- Process ---

    agents_reloads = counter(
        "agents_reloads", "Readings of the agents file while the process runs, by result.", "result"
    )
    agents_since = gauge(
        "agents_file_since_timestamp_seconds",
        "Since when new calls take this version of the agents file, in Unix time.",
        "version",
    )
    agents_calls = gauge(
        "agents_file_calls",
        "Running calls, by the version of the agents file that they began with.",
        "version",
    )
    descriptors_left = gauge(
        "descriptors_left", "File descriptors that the process may still open."
    )
    tasks = gauge("tasks", "Tasks of the event loop, those of calls included.")
    draining = gauge("draining", "1 while the process takes no new calls.")
    capacity = gauge("calls_capacity", "How many calls this process takes at once.", "path")
    certificate = gauge(
        "certificate_expiry_timestamp_seconds",
        "When the public address's certificate ends, in Unix time; 0 for one that is refused.",
    )
    build = gauge("build_info", "Always 1; the version is a label.", "version")

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        make_series(self, MetricSeries, self.registry)
