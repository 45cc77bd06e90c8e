"""Panels and queries of the dashboards: what `make k8s` writes to k8s/dashboards/."""

# ruff: noqa: E501 - a query or a sentence stands on one line

from __future__ import annotations

from typing import Final

import objectives as goal
from grafana import (
    RANGE,
    Dashboard,
    Query,
    Steps,
    at_least,
    at_most,
    by_label,
    heatmap,
    lines,
    log,
    logged,
    per_hour,
    per_minute,
    per_minute_if_any,
    quantile,
    query_variable,
    row,
    source_variable,
    stat,
    table,
    text_variable,
)

WAIT: Final = at_most(goal.WAIT_GOAL_S, goal.WAIT_PROMISE_S)
WAIT_MS: Final = at_most(1000 * goal.WAIT_GOAL_S, 1000 * goal.WAIT_PROMISE_S)
OF_CHOSEN: Final = 'agent=~"$agent",path=~"$path"'
CHOSEN_AGENTS: Final = 'agent=~"$agent"'
OF_AGENT: Final = 'agent="$agent",path=~"$path"'

PROMETHEUS_SOURCE: Final = source_variable("source", "Prometheus", "prometheus")
LOKI_SOURCE: Final = source_variable("logs", "Loki", "loki")
_AGENT_VALUES: Final = "label_values(gateway_calls_started_total, agent)"
AGENTS: Final = query_variable("agent", "Agent", _AGENT_VALUES)
ONE_AGENT: Final = query_variable("agent", "Agent", _AGENT_VALUES, several=False)
PATHS: Final = query_variable("path", "Path", "label_values(gateway_calls_started_total, path)")


def ended_field(name: str, legend: str) -> Query:
    """Return a number of a call's `ended` line."""
    ended = "{$stream} |= `$call` | json | event=`ended`"
    return Query(f"last_over_time({ended} | unwrap {name} [$__range])", legend)


CALLERS: Final = Dashboard(
    "callers",
    "Gateway: callers",
    "Are callers waiting? What they experience, on the first screen.",
    (PROMETHEUS_SOURCE, AGENTS, PATHS),
    (
        row(
            6,
            stat(
                "Are callers waiting?",
                "Share of the turns in the time shown that were answered within 2 s. The promise is 95 %.",
                Query(
                    'sum(increase(gateway_response_seconds_bucket{agent=~"$agent",path=~"$path",le="2.0"}[$__range])) / sum(increase(gateway_response_seconds_count{agent=~"$agent",path=~"$path"}[$__range]))',
                    "within 2 s",
                ),
                unit="percentunit",
                steps=at_least(0.9, 0.95),
            ),
            stat(
                "The wait, 95 %",
                "Nineteen turns in twenty are answered faster than this, from the caller's last speech to the first sound they hear. The goal is 1.2 s.",
                Query(
                    quantile(0.95, "gateway_response_seconds", where=OF_CHOSEN, over=RANGE), "p95"
                ),
                unit="s",
                steps=WAIT,
            ),
            stat(
                "Calls that ended badly",
                "Share of the calls of all agents that ended by a failure and not by somebody in them; a call that was resumed has not ended. The promise is at most 1 %.",
                Query(
                    '(sum(increase(gateway_calls_ended_total{ending=~"media_stalled|media_broken|media_unsupported|model_refused|model_lost|model_silent|drained|bug"}[$__range])) - (sum(increase(gateway_resumes_total{how!="without_history"}[$__range])) or vector(0))) / sum(increase(gateway_calls_ended_total[$__range]))',
                    "failed",
                ),
                unit="percentunit",
                steps=at_most(0.005, 0.01),
            ),
            stat(
                "Callers now",
                "Calls in which somebody is on the line.",
                by_label(
                    'sum by (path) (gateway_calls_active{path=~"$path",state="talking"})', "path"
                ),
            ),
        ),
        row(
            9,
            lines(
                "The caller's wait in a turn",
                "From the caller's last speech to the first sound they hear, as they would measure it. Dashed: the goal of 1.2 s and the promise of 2 s.",
                Query(quantile(0.5, "gateway_response_seconds", where=OF_CHOSEN), "p50"),
                Query(quantile(0.95, "gateway_response_seconds", where=OF_CHOSEN), "p95"),
                Query(quantile(0.99, "gateway_response_seconds", where=OF_CHOSEN), "p99"),
                unit="s",
                steps=WAIT,
            ),
            lines(
                "Where the time goes (mean)",
                "detection: until the model says that the caller has stopped. model: until its first sound. gateway: until that is sent on. playback: until it is played.",
                by_label(
                    'sum by (stage) (rate(gateway_turn_stage_seconds_sum{path=~"$path"}[$__rate_interval])) / sum by (stage) (rate(gateway_turn_stage_seconds_count{path=~"$path"}[$__rate_interval]))',
                    "stage",
                ),
                unit="s",
                stacked=True,
            ),
        ),
        row(
            8,
            heatmap(
                "All turns by their wait",
                "One slow minute or a slow tail: what a percentile hides.",
                by_label(
                    'sum by (le) (increase(gateway_response_seconds_bucket{agent=~"$agent",path=~"$path"}[$__rate_interval]))',
                    "le",
                ),
                "s",
            ),
            lines(
                "Calls by how they ended",
                "Per minute. Failures are media_..., model_..., drained and bug; drained calls were mostly resumed by another process.",
                per_minute_if_any("gateway_calls_ended_total", "ending", where=OF_CHOSEN),
                stacked=True,
            ),
        ),
        "Audio quality and tools",
        row(
            8,
            lines(
                "Under-runs in the agent's speech",
                "Share of the agents' speech that was silence in the middle of an answer. model: its audio came late. gateway: this process was late.",
                by_label(
                    'sum by (cause) (rate(gateway_playback_underrun_seconds_total[$__rate_interval])) / on () group_left () (sum(rate(gateway_media_bytes_total{direction="down"}[$__rate_interval])) / 8000)',
                    "cause",
                ),
                unit="percentunit",
                steps=at_most(0.005, 0.01),
            ),
            lines(
                "Callers' audio that did not arrive",
                "Share of the callers' time line that no media frame covered.",
                Query(
                    'sum(rate(gateway_caller_gap_seconds_total[$__rate_interval])) / (sum(rate(gateway_media_bytes_total{direction="up"}[$__rate_interval])) / 8000)',
                    "lost",
                ),
                unit="percentunit",
                steps=at_most(0.01, 0.02),
            ),
            lines(
                "Interruptions: until the line is quiet",
                "From the start of the caller's speech to the clear that stops the agent.",
                Query(quantile(0.5, "gateway_barge_in_reaction_seconds"), "p50"),
                Query(quantile(0.95, "gateway_barge_in_reaction_seconds"), "p95"),
                unit="s",
                steps=at_most(0.4, 0.8),
            ),
        ),
        row(
            8,
            lines(
                "Added by the gateway itself, 99 %",
                "From the moment at which a message with audio was read until it was sent on.",
                by_label(quantile(0.99, "gateway_added_seconds", by="direction"), "direction"),
                unit="s",
                steps=at_most(0.005, 0.02),
            ),
            lines(
                "From the webhook to the first sound, 95 %",
                "By stage: the session is ready, the caller's stream has started, they hear the agent.",
                by_label(
                    quantile(0.95, "gateway_setup_seconds", by="stage", where='path=~"$path"'),
                    "stage",
                ),
                unit="s",
                steps=at_most(2, 4),
            ),
            lines(
                "Interruptions, and speech that was ignored",
                "Per minute: answers that callers interrupted, and speech that did not count as an interruption.",
                per_minute(
                    "gateway_barge_ins_total",
                    "agent",
                    where=CHOSEN_AGENTS,
                    legend="interrupted {{agent}}",
                ),
                per_minute(
                    "gateway_barge_ins_ignored_total", "reason", legend="ignored: {{reason}}"
                ),
            ),
        ),
        row(
            8,
            lines(
                "Asking before the first word",
                "Per hour, by outcome: what does not answer costs the callers its time limit.",
                per_hour("gateway_before_seconds_count", "agent, outcome"),
                stacked=True,
            ),
            lines(
                "How long that takes, 95 %",
                "By agent: the caller hears the line ring for no longer while the session takes as long.",
                by_label(quantile(0.95, "gateway_before_seconds", by="agent"), "agent"),
                unit="s",
                steps=at_most(0.3, 1.2),
            ),
        ),
        row(
            8,
            lines(
                "Tools that failed",
                "Per minute: functions by outcome, hosted MCP servers by the way in which they failed.",
                per_minute_if_any(
                    "gateway_tool_seconds_count", "tool, outcome", where='outcome!="ok"'
                ),
                per_minute_if_any(
                    "gateway_mcp_calls_total", "server, outcome", where='outcome!="ok"'
                ),
                stacked=True,
            ),
            lines(
                "How long tools take",
                "The slowest one in twenty: what the caller waits for, besides the model.",
                by_label(quantile(0.95, "gateway_tool_seconds", by="tool"), "tool"),
                by_label(quantile(0.95, "gateway_mcp_seconds", by="server"), "server"),
                unit="s",
            ),
            lines(
                "Tool approvals",
                "Requests per hour, by how they were answered; timeout: no operator was at the console.",
                per_hour("gateway_approvals_total", "server, outcome"),
                stacked=True,
            ),
        ),
        row(
            8,
            lines(
                "Lists of hosted tools",
                "Per hour; failed and empty: callers hear that the tool does not work.",
                per_hour("gateway_mcp_lists_total", "server, outcome"),
                stacked=True,
            ),
            lines(
                "Private MCP servers that are reachable",
                "By server, the lowest of all pods: 0 means that at least one pod cannot reach it.",
                by_label("min by (server) (gateway_mcp_up)", "server"),
            ),
            lines(
                "Pictures",
                "Callers' pictures per hour, by source and outcome.",
                per_hour("gateway_images_total", "source, outcome"),
                stacked=True,
            ),
        ),
        row(
            8,
            lines(
                "Warm transfers",
                "People called for a caller, per hour, by outcome; only `accepted` took the call.",
                per_hour("gateway_warm_transfers_total", "outcome"),
                stacked=True,
            ),
            lines(
                "Outbound calls",
                "Per hour, by outcome.",
                per_hour("gateway_dials_total", "agent, outcome", where=CHOSEN_AGENTS),
                stacked=True,
            ),
            lines(
                "Who answered outbound calls",
                "Per hour.",
                per_hour("gateway_answered_by_total", "agent, who", where=CHOSEN_AGENTS),
                stacked=True,
            ),
        ),
        row(
            8,
            lines(
                "Keypad entries",
                "Per hour, by why the entry was complete.",
                per_hour("gateway_keypad_entries_total", "agent, end", where=CHOSEN_AGENTS),
                stacked=True,
            ),
            lines(
                "Voicemail messages",
                "Per hour.",
                per_hour("gateway_voicemail_messages_total", "agent", where=CHOSEN_AGENTS),
                stacked=True,
            ),
            widths=(8, 8),
        ),
    ),
)

AGENT: Final = Dashboard(
    "agent",
    "Gateway: one agent",
    "What callers of one agent experience, and what it costs.",
    (PROMETHEUS_SOURCE, ONE_AGENT, PATHS),
    (
        row(
            5,
            stat(
                "Calls",
                "In the time shown.",
                Query(
                    'sum(increase(gateway_calls_started_total{agent="$agent",path=~"$path"}[$__range]))',
                    "calls",
                ),
            ),
            stat(
                "The wait, 95 %",
                "From the caller's last speech to the first sound they hear. The goal is 1.2 s.",
                Query(
                    quantile(0.95, "gateway_response_seconds", where=OF_AGENT, over=RANGE), "p95"
                ),
                unit="s",
                steps=WAIT,
            ),
            stat(
                "Cost of a call",
                "Mean over the time shown, model, transcripts and carrier.",
                Query(
                    'sum(increase(gateway_cost_usd_total{agent="$agent"}[$__range])) / sum(increase(gateway_calls_started_total{agent="$agent"}[$__range]))',
                    "per call",
                ),
                unit="currencyUSD",
            ),
            stat(
                "Length of a call",
                "Median over the time shown.",
                Query(quantile(0.5, "gateway_call_seconds", where=OF_AGENT, over=RANGE), "p50"),
                unit="s",
            ),
        ),
        row(
            9,
            lines(
                "The caller's wait in a turn",
                "By path. A call is no label, since each would be a series: the waits of one call are in its `ended` log line, by call_sid.",
                Query(
                    quantile(0.5, "gateway_response_seconds", by="path", where=OF_AGENT),
                    "p50 {{path}}",
                ),
                Query(
                    quantile(0.95, "gateway_response_seconds", by="path", where=OF_AGENT),
                    "p95 {{path}}",
                ),
                unit="s",
                steps=WAIT,
            ),
            lines(
                "Calls by how they ended",
                "Per minute.",
                per_minute_if_any("gateway_calls_ended_total", "ending", where=OF_AGENT),
                stacked=True,
            ),
        ),
        row(
            8,
            lines(
                "Cost by kind",
                "US dollars an hour. Much text_in and little text_cached: the instructions change from call to call.",
                Query(
                    'sum by (kind) (rate(gateway_cost_usd_total{agent="$agent"}[$__rate_interval])) * 3600',
                    "{{kind}}",
                ),
                unit="currencyUSD",
                stacked=True,
            ),
            lines(
                "Interrupted by callers",
                "Interruptions for each call that began.",
                Query(
                    'sum(rate(gateway_barge_ins_total{agent="$agent"}[$__rate_interval])) / sum(rate(gateway_calls_started_total{agent="$agent"}[$__rate_interval]))',
                    "per call",
                ),
            ),
            lines(
                "Calls at their spend limit",
                "Per hour. warned: at 80 %. limit: handed over, or ended.",
                Query(
                    'sum by (step) (rate(gateway_spend_reached_total{agent="$agent"}[$__rate_interval])) * 3600',
                    "{{step}}",
                ),
            ),
            widths=(12, 6, 6),
        ),
    ),
)

CALL: Final = Dashboard(
    "call",
    "Gateway: one call",
    "One call by its id, from the gateway's log (Loki). A call is no label of a metric, since each would be a series. Who spoke when, and each turn, is on the gateway's /console.",
    (
        LOKI_SOURCE,
        text_variable("call", "CallSid or call_id", "CA"),
        text_variable("stream", "Log stream", 'container="gateway"'),
    ),
    (
        row(
            5,
            logged(
                "The wait, 95 %",
                "Of the call's turns, from the caller's last speech to the first sound they heard. The goal is 1.2 s.",
                ended_field("wait_p95_ms", "the wait, 95 %"),
                unit="ms",
                steps=WAIT_MS,
            ),
            logged(
                "The wait, median",
                "Of the call's turns.",
                ended_field("wait_p50_ms", "the wait, median"),
                unit="ms",
                steps=WAIT_MS,
            ),
            logged(
                "Length",
                "How long caller and agent were connected.",
                ended_field("seconds", "length"),
                unit="s",
            ),
            logged(
                "Turns", "Turns of the caller that were answered.", ended_field("turns", "turns")
            ),
            logged(
                "Interruptions",
                "How often the caller interrupted the agent.",
                ended_field("barge_ins", "interruptions"),
            ),
            logged(
                "Cost", "Model and carrier.", ended_field("cost_usd", "cost"), unit="currencyUSD"
            ),
        ),
        row(
            4,
            log(
                "How it ended",
                "The one line of an ended call: its ending and reason, tools and tokens.",
                Query(
                    "{$stream} |= `$call` | json | event=`ended` | line_format `{{.ending}} {{.reason}} ({{.agent}}, {{.path}}): tools {{.tools}}, tokens {{.tokens}}`",
                    "ended",
                ),
                "Descending",
            ),
        ),
        row(
            18,
            log(
                "Log lines of the call",
                "Every line with the call's id, first to last; GATEWAY_LOG_LEVEL=debug has more of them.",
                Query("{$stream} |= `$call`", "lines"),
                "Ascending",
            ),
        ),
    ),
    since="now-24h",
    refresh="",
    alerts=False,
)

CAPACITY: Final = Dashboard(
    "capacity",
    "Gateway: capacity and cost",
    "How many more calls there can be, and what they cost.",
    (PROMETHEUS_SOURCE,),
    (
        row(
            6,
            stat(
                "Slots taken",
                "Calls running or expected, as a share of what all processes take.",
                by_label(
                    "sum by (path) (gateway_calls_active) / sum by (path) (gateway_calls_capacity > 0)",
                    "path",
                ),
                unit="percentunit",
                steps=WAIT,
            ),
            stat(
                "Model's rate limit left",
                "The lowest of all processes, by the last response of each. More pods do not help here.",
                by_label("min by (limit) (gateway_rate_limit_remaining_ratio)", "limit"),
                unit="percentunit",
                steps=at_least(0.2, 0.4),
            ),
            stat(
                "Cost, an hour",
                "At the rate of the last fifteen minutes.",
                Query("sum(rate(gateway_cost_usd_total[15m])) * 3600", "USD/h"),
                unit="currencyUSD",
            ),
            stat(
                "The day's budget",
                "Share that is spent, in the process that spent most; 0 without a budget.",
                Query("max(gateway_budget_spent_ratio)", "spent"),
                unit="percentunit",
                steps=at_most(0.7, 0.9),
            ),
        ),
        row(
            9,
            lines(
                "Calls and slots",
                "Running or expected, by path and state, and how many there can be.",
                Query("sum by (path, state) (gateway_calls_active)", "{{path}} {{state}}"),
                Query("sum by (path) (gateway_calls_capacity > 0)", "slots {{path}}"),
            ),
            lines(
                "Calls by pod",
                "Both paths together; the autoscaler counts a SIP call as 0.06.",
                by_label("sum by (pod) (gateway_calls_active)", "pod"),
                stacked=True,
            ),
        ),
        row(
            8,
            lines(
                "Calls refused",
                "Per minute, by reason.",
                per_minute("gateway_calls_refused_total", "reason"),
                per_minute("gateway_fallbacks_total", "step", legend="instead: {{step}}"),
            ),
            lines(
                "Event loop, 99 %: how late",
                "By process. Above 20 ms callers hear it.",
                by_label(
                    quantile(0.99, "gateway_event_loop_lag_seconds", by="instance"), "instance"
                ),
                unit="s",
                steps=at_most(0.02, 0.05),
            ),
            lines(
                "Audio in both directions",
                "Mu-law only; base64 and JSON add half as much again on the wire.",
                by_label(
                    "sum by (direction) (rate(gateway_media_bytes_total[$__rate_interval]))",
                    "direction",
                ),
                unit="Bps",
            ),
        ),
        row(
            8,
            lines(
                "Cost by agent",
                "US dollars an hour.",
                Query(
                    "sum by (agent) (rate(gateway_cost_usd_total[$__rate_interval])) * 3600",
                    "{{agent}}",
                ),
                unit="currencyUSD",
                stacked=True,
            ),
            lines(
                "Cost by kind",
                "US dollars an hour.",
                Query(
                    "sum by (kind) (rate(gateway_cost_usd_total[$__rate_interval])) * 3600",
                    "{{kind}}",
                ),
                unit="currencyUSD",
                stacked=True,
            ),
            lines(
                "Share of the prompt that was cached",
                "Of the text that goes in with each turn. Instructions are billed again each time; cached, at a tenth.",
                by_label(
                    'sum by (model) (rate(gateway_tokens_total{direction="in",kind="text",cached="yes"}[$__rate_interval])) / sum by (model) (rate(gateway_tokens_total{direction="in",kind="text"}[$__rate_interval]))',
                    "model",
                ),
                unit="percentunit",
            ),
        ),
        row(
            8,
            lines(
                "Tokens",
                "Per minute, by direction and kind.",
                per_minute(
                    "gateway_tokens_total", "direction, kind", legend="{{direction}} {{kind}}"
                ),
            ),
            lines(
                "Errors from the model",
                "Per minute.",
                per_minute(
                    "gateway_model_errors_total", "fault, code", legend="{{fault}} {{code}}"
                ),
            ),
            lines(
                "Without a price",
                "Usage for which the price list has no price. Must be empty.",
                Query("sum by (model, kind) (gateway_unpriced_total)", "{{model}} {{kind}}"),
                steps=Steps("green", ((1, "orange"),)),
            ),
        ),
        row(
            8,
            lines(
                "Webhooks by result",
                "Per minute; what is not ok was refused.",
                per_minute(
                    "gateway_webhooks_total", "endpoint, result", legend="{{endpoint}} {{result}}"
                ),
            ),
            stat(
                "Certificate valid for",
                "The public address's certificate, as the gateways see it.",
                Query("min(gateway_certificate_expiry_timestamp_seconds) - time()", "left"),
                unit="s",
                steps=at_least(7 * 86400, 21 * 86400),
            ),
            table(
                "Versions",
                "Pods by version; draining: pods that take no new calls.",
                Query("count by (version) (gateway_build_info)", "{{version}}"),
                Query("sum(gateway_draining)", "draining"),
            ),
            widths=(12, 6, 6),
        ),
        "Faults",
        row(
            8,
            lines(
                "Lost connections to the model",
                "During calls, per minute, by reason; the calls go on with another connection.",
                per_minute("gateway_model_reconnects_total", "reason"),
                Query(
                    "sum(rate(gateway_sidebands_reopened_total[$__rate_interval])) * 60",
                    "SIP: sideband",
                ),
            ),
            lines(
                "Time without the model, 90 %",
                "By cause: `lost`, or `hour`, the rollover before a session's hour is up, which nobody hears.",
                by_label(quantile(0.9, "gateway_model_renewed_seconds", by="cause"), "cause"),
                unit="s",
            ),
            lines(
                "Session rollovers",
                "Per minute.",
                Query(
                    'sum(rate(gateway_model_renewed_seconds_count{cause="hour"}[$__rate_interval])) * 60',
                    "changed",
                ),
            ),
        ),
        row(
            8,
            lines(
                "Calls resumed",
                "Per minute, by how: after a lost stream or process, or handed over by a process that drains.",
                per_minute("gateway_resumes_total", "how"),
            ),
            lines(
                "Redis errors",
                "Times per minute that Redis did not answer, by pod; calls go on from memory meanwhile.",
                per_minute("gateway_store_errors_total", "instance"),
            ),
            lines(
                "Circuit breakers; draining",
                "Pods whose circuit breaker is open, and pods that drain.",
                Query("sum(gateway_breaker_open)", "breaker open"),
                Query("sum(gateway_draining)", "draining"),
            ),
        ),
        row(
            8,
            lines(
                "Lost call records",
                "Per hour. disk: neither the disk nor the database takes them. backlog: the spool is full. unwritable: put aside. Must be empty.",
                per_hour("gateway_records_lost_total", "reason"),
                stacked=True,
            ),
            lines(
                "Streams refused",
                "Media streams per hour that were closed before they reached a call.",
                per_hour("gateway_streams_refused_total", "reason"),
                stacked=True,
            ),
            lines(
                "Waiting for the database, and for the receiver of events",
                "Entries in the spools of all pods; events in the outbox. Near 0 while both are there.",
                Query("sum(gateway_records_waiting)", "records"),
                Query("max by (state) (gateway_deliveries_waiting)", "events {{state}}"),
            ),
        ),
    ),
)

SIP: Final = Dashboard(
    "sip",
    "Gateway: SIP",
    "Calls whose audio goes straight to the model.",
    (PROMETHEUS_SOURCE,),
    (
        row(
            6,
            stat(
                "Callers now",
                "SIP calls in which somebody is on the line.",
                Query('sum(gateway_calls_active{path="sip",state="talking"})', "talking"),
            ),
            stat(
                "Accepted",
                "Of the incoming SIP calls in the time shown.",
                Query(
                    'sum(increase(gateway_sip_decisions_total{decision="accepted"}[$__range])) / sum(increase(gateway_sip_decisions_total[$__range]))',
                    "accepted",
                ),
                unit="percentunit",
                steps=at_least(0.9, 0.99),
            ),
            stat(
                "The wait, 95 %",
                "On this path no audio passes through the gateway: the wait is measured until the model's server plays. The goal is 1.2 s.",
                Query(
                    quantile(0.95, "gateway_response_seconds", where='path="sip"', over=RANGE),
                    "p95",
                ),
                unit="s",
                steps=WAIT,
            ),
            stat(
                "Sidebands reopened",
                "Sidebands that were lost during a call and opened again. A call without one for eight seconds is ended.",
                Query("sum(increase(gateway_sidebands_reopened_total[$__range]))", "reopened"),
                steps=at_most(1, 10),
            ),
        ),
        row(
            9,
            lines(
                "Incoming calls by decision",
                "Per minute: accepted, or why not.",
                per_minute("gateway_sip_decisions_total", "decision"),
                stacked=True,
            ),
            lines(
                "Setup, 95 %, by stage",
                "From the webhook to the accept, from there to the sideband, and to the first sound.",
                by_label(quantile(0.95, "gateway_sip_setup_seconds", by="stage"), "stage"),
                unit="s",
                steps=at_most(1, 2),
            ),
        ),
        row(
            8,
            lines(
                "The caller's wait in a turn",
                "By agent.",
                Query(
                    quantile(0.95, "gateway_response_seconds", by="agent", where='path="sip"'),
                    "p95 {{agent}}",
                ),
                unit="s",
                steps=WAIT,
            ),
            lines(
                "Calls by how they ended",
                "Per minute.",
                per_minute_if_any("gateway_calls_ended_total", "ending", where='path="sip"'),
                stacked=True,
            ),
        ),
        row(
            8,
            lines(
                "OpenAI's webhooks by result",
                "Per minute; what is not ok was refused, or is no event that the gateway handles.",
                per_minute("gateway_webhooks_total", "result", where='endpoint="openai"'),
            ),
            lines(
                "Transfers and failover",
                "Transfers per minute by outcome, and failover steps.",
                per_minute("gateway_transfers_total", "outcome"),
                per_minute("gateway_fallbacks_total", "step", legend="instead: {{step}}"),
            ),
        ),
    ),
)
DASHBOARDS: Final = (CALLERS, AGENT, CALL, CAPACITY, SIP)
