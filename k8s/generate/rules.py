"""Alert and recording rules: what `make k8s` writes for Prometheus and for its operator.

`page` wakes somebody, `ticket` waits until morning. Counts are compared with what there is of
calls or turns, so that a rule means the same for sixty calls a day and for sixty thousand.
"""

# ruff: noqa: E501 - a query stands on one line, as one reads it in Prometheus

from __future__ import annotations

from typing import Any, Final

import objectives as goal

Rule = dict[str, Any]
Group = dict[str, Any]

# Calls of browsers are tests by somebody with a link: they wake nobody.
CALLS: Final = 'path!="browser"'
WINDOWS: Final = ("5m", "30m", "1h", "6h")
FAST_BURN, SLOW_BURN = 14.4, 6
"""How many times faster than allowed the month's share is used: gone in two days, or in five."""

TURNS: Final = f"gateway_response_seconds_count{{{CALLS}}}"
BAD: Final = (
    "media_stalled|media_broken|media_unsupported|model_refused|model_lost|model_silent|drained|bug"
)
ENDED: Final = f"gateway_calls_ended_total{{{CALLS}}}"
ENDED_BADLY: Final = f'gateway_calls_ended_total{{{CALLS},ending=~"{BAD}"}}'
RESUMED: Final = 'gateway_resumes_total{how!="without_history"}'
WRONG_SIGNATURE: Final = "bad_signature|bad_body_hash|unknown_algorithm|stale"
WRONG_STREAM: Final = "bad_signature|unknown_algorithm|bad_token|expired_token|other_account"


def alert(name: str, severity: str, expr: str, summary: str, hold: str = "") -> Rule:
    """Return an alert with a link to its heading in the runbook."""
    return {
        "alert": name,
        "expr": expr,
        **({"for": hold} if hold else {}),
        "labels": {"severity": severity},
        "annotations": {
            "summary": summary,
            "runbook_url": f"{goal.RUNBOOK_URL}#{name.lower()}",
        },
    }


def record(name: str, expr: str) -> Rule:
    """Return a recording rule."""
    return {"record": name, "expr": expr}


def group(name: str, *rules: Rule) -> Group:
    """Return a group, whose rules are evaluated in this order."""
    return {"name": name, "rules": list(rules)}


# --- 95 % of turns are answered in time ---


def slow_turns(window: str) -> str:
    """Return the share of turns that were not answered in time."""
    fast = f'gateway_response_seconds_bucket{{le="{goal.WAIT_PROMISE_S}",{CALLS}}}'
    return f"1 - sum(rate({fast}[{window}])) / sum(rate({TURNS}[{window}]))"


def burning(ratio: str, allowed: float, enough: str) -> str:
    """Return when a share is used up too fast: for an hour and still, or for six and still.

    `enough` says, for a window `{w}`, when there is enough to believe a share.
    """
    fast, slow = f"{FAST_BURN} * {allowed}", f"{SLOW_BURN} * {allowed}"
    return (
        f"(\n  ({ratio}1h > {fast} and {ratio}5m > {fast})\n  and {enough.format(w='1h')}\n"
        f") or (\n  ({ratio}6h > {slow} and {ratio}30m > {slow})\n  and {enough.format(w='6h')}\n)\n"
    )


def slow_stage(stage: str, most_s: float) -> str:
    """Return when half of all turns spend too long in a stage."""
    bucket = f'gateway_turn_stage_seconds_bucket{{{CALLS},stage="{stage}"}}'
    return f"histogram_quantile(0.5, sum by (le, stage) (rate({bucket}[1h]))) > {most_s}"


WAITS = group(
    "gateway-callers-wait",
    *(record(f"gateway:turns_slow:ratio_rate{w}", slow_turns(w)) for w in WINDOWS),
    alert(
        "GatewayCallersWait",
        "page",
        burning(
            "gateway:turns_slow:ratio_rate",
            goal.SLOW_TURNS_MAX,
            f"sum(increase({TURNS.replace('{', '{{').replace('}', '}}')}[{{w}}])) >= {goal.MIN_TURNS}",
        ),
        f"{{{{ $value | humanizePercentage }}}} of turns keep callers waiting for more than {goal.WAIT_PROMISE_S:g} s.",
        "1m",
    ),
    alert(
        "GatewayWaitAboveGoal",
        "ticket",
        f"(\n  {slow_stage('model', goal.MODEL_STAGE_GOAL_S)}\n"
        f"  or {slow_stage('gateway', goal.GATEWAY_STAGE_GOAL_S)}\n"
        f"  or {slow_stage('playback', goal.PLAYBACK_STAGE_GOAL_S)}\n)\n"
        f"and on () sum(increase({TURNS}[1h])) >= {goal.MIN_TURNS}\n",
        "Half of all turns spend {{ $value | humanizeDuration }} or more in the stage {{ $labels.stage }}.",
        "1h",
    ),
)


# --- 99 % of calls end as somebody in them wanted ---

# A call that was resumed on another stream or process has not ended.


def ended_badly(window: str) -> str:
    """Return the share of calls that ended by a failure."""
    resumed = f"(sum(rate({RESUMED}[{window}])) or vector(0))"
    return f"(sum(rate({ENDED_BADLY}[{window}])) - {resumed}) / sum(rate({ENDED}[{window}]))"


def failures(window: str) -> str:
    """Return how many calls ended by a failure."""
    resumed = f"(sum(increase({RESUMED}[{window}])) or vector(0))"
    return f"sum(increase({ENDED_BADLY}[{window}])) - {resumed}"


def mostly(refused: str, of: str) -> str:
    """Return when refusals are many, and more than one request in five."""
    return f"{refused} > 10\n  and {refused} / {of} > 0.2"


RESULTS: Final = (
    f'sum by (endpoint) (increase(gateway_webhooks_total{{result=~"{WRONG_SIGNATURE}"}}[10m]))'
)
REQUESTS: Final = "sum by (endpoint) (increase(gateway_webhooks_total[10m]))"

ENDINGS = group(
    "gateway-calls",
    *(record(f"gateway:calls_ended_badly:ratio_rate{w}", ended_badly(w)) for w in WINDOWS),
    *(record(f"gateway:calls_ended_badly:increase{w}", failures(w)) for w in ("1h", "6h")),
    alert(
        "GatewayCallsEndBadly",
        "page",
        burning(
            "gateway:calls_ended_badly:ratio_rate",
            goal.BAD_ENDINGS_MAX,
            f"gateway:calls_ended_badly:increase{{w}} >= {goal.BAD_ENDINGS_COUNTED}",
        ),
        "{{ $value | humanizePercentage }} of calls end by a failure.",
        "1m",
    ),
    alert(
        "GatewayDown",
        "page",
        "absent(gateway_build_info)",
        "Prometheus sees no gateway at all.",
        "2m",
    ),
    alert(
        "GatewaySignaturesRefused",
        "page",
        f"(\n  {mostly(RESULTS, REQUESTS)}\n)\nor\n"
        f'sum by (reason) (increase(gateway_streams_refused_total{{reason=~"{WRONG_STREAM}"}}[10m])) > 10\n',
        "{{ $value | humanize }} requests in ten minutes had a wrong signature or token ({{ $labels.endpoint }}{{ $labels.reason }}).",
    ),
    alert(
        "GatewayUnsignedRequests",
        "ticket",
        'sum by (endpoint) (increase(gateway_webhooks_total{result="unsigned"}[10m])) > 50\nor\n'
        'sum by (reason) (increase(gateway_streams_refused_total{reason=~"unsigned|no_token"}[10m])) > 50\n',
        "{{ $value | humanize }} requests in ten minutes had no signature or token at all ({{ $labels.endpoint }}{{ $labels.reason }}).",
        "30m",
    ),
    alert(
        "GatewayCertificateExpires",
        "page",
        f"min(gateway_certificate_expiry_timestamp_seconds) - time() < {goal.CERTIFICATE_DAYS} * 86400",
        "The certificate of the public address expires in {{ $value | humanizeDuration }}, or is refused already.",
        "10m",
    ),
)


# --- The model ---

ERRORS: Final = 'sum by (fault, code) (increase(gateway_model_errors_total{fault!="benign"}[10m]))'
LOST: Final = "sum(increase(gateway_model_reconnects_total[10m]))"
# A process that drains gives its SIP calls to others: these have lost nothing.
DRAINED: Final = "max(max_over_time(gateway_draining[15m])) > 0"
CALLS_NOW: Final = "sum(avg_over_time(gateway_calls_active[10m]))"
# A process without calls shows for ever what its last response said.
LIMIT_SEEN: Final = "gateway_rate_limit_remaining_ratio and on (instance) sum by (instance) (increase(gateway_response_seconds_count[2m])) > 0"


def resumed(how: str) -> str:
    """Return how many calls were resumed in ten minutes."""
    return f'sum(increase(gateway_resumes_total{{how=~"{how}"}}[10m]))'


def many(count: str) -> str:
    """Return when there are more than five, and more than one in twenty of the calls there are."""
    return f"(\n  {count} > 5\n  and {count} / {CALLS_NOW} > 0.05\n)"


MODEL = group(
    "gateway-model",
    alert(
        "GatewayModelErrors",
        "ticket",
        f"{ERRORS} > 5\nand {ERRORS} / on () group_left () sum(increase(gateway_response_seconds_count[10m])) > 0.02\n",
        "{{ $value | humanize }} errors {{ $labels.code }} ({{ $labels.fault }}) from the model in ten minutes.",
        "2m",
    ),
    alert(
        "GatewayModelRefuses",
        "page",
        f'sum(increase(gateway_calls_ended_total{{{CALLS},ending="model_refused"}}[5m])) > 2',
        "{{ $value | humanize }} calls in five minutes had no model: the key, the quota or the session is refused.",
    ),
    alert(
        "GatewayRateLimitNear",
        "page",
        f"min by (limit) ({LIMIT_SEEN}) < 0.2",
        "{{ $value | humanizePercentage }} of the rate limit for {{ $labels.limit }} is left.",
        "3m",
    ),
)

FAULTS = group(
    "gateway-faults",
    alert(
        "GatewayModelConnectionsLost",
        "ticket",
        f"{many(LOST)}\n",
        "{{ $value | humanize }} connections to the model were lost during calls in ten minutes.",
        "2m",
    ),
    alert(
        "GatewayModelReconnectSlow",
        "ticket",
        'histogram_quantile(0.5, sum by (le) (rate(gateway_model_renewed_seconds_bucket{cause="lost"}[15m]))) > 2\n'
        'and sum(increase(gateway_model_renewed_seconds_count{cause="lost"}[15m])) >= 5\n',
        "Half of the calls that lose the model are without it for {{ $value | humanizeDuration }} or more.",
        "5m",
    ),
    alert(
        "GatewayCallsResumed",
        "page",
        f"{many(resumed('announced|silent|without_history'))}\nor\n{many(resumed('adopted'))} unless on () {DRAINED}\n",
        "{{ $value | humanize }} calls in ten minutes lost their stream or their process, and were resumed.",
    ),
    alert(
        "GatewayCircuitBreakerOpen",
        "page",
        "max(gateway_breaker_open) > 0",
        "The model failed for one call after another: new callers get the next failover step without trying it.",
        "1m",
    ),
    alert(
        "GatewayStoreUnreachable",
        "page",
        "sum by (instance) (increase(gateway_store_errors_total[1m])) > 5",
        "Redis has not answered {{ $labels.instance }} for minutes: no other process could resume its calls.",
        "2m",
    ),
)


# --- Tools ---


def failing(by: str, failed: str, all_: str) -> str:
    """Return when more than one use in four fails, of eight or more."""
    return (
        f"(\n  sum by ({by}) (rate({failed}[15m]))\n  / sum by ({by}) (rate({all_}[15m])) > 0.25\n"
        f"  and sum by ({by}) (increase({all_}[15m])) >= 8\n)"
    )


TOOL_FAILED: Final = 'gateway_tool_seconds_count{outcome=~"error|timeout|unavailable"}'
MCP_FAILED: Final = 'gateway_mcp_calls_total{outcome=~"protocol_error|tool_execution_error|http_error|error|timeout"}'

LISTS_FAILED: Final = (
    'sum by (server) (increase(gateway_mcp_lists_total{outcome=~"failed|empty"}[15m]))'
)
UNANSWERED: Final = 'sum(increase(gateway_approvals_total{outcome="timeout"}[1h]))'
ASKED: Final = 'sum(increase(gateway_approvals_total{outcome=~"approved|denied|timeout"}[1h]))'

TOOLS = group(
    "gateway-tools",
    alert(
        "GatewayToolsFail",
        "ticket",
        f"{failing('tool', TOOL_FAILED, 'gateway_tool_seconds_count')} or {failing('server', MCP_FAILED, 'gateway_mcp_calls_total')}\n",
        "{{ $value | humanizePercentage }} of the uses of {{ $labels.tool }}{{ $labels.server }} fail.",
        "5m",
    ),
    alert(
        "GatewayMcpToolsMissing",
        "ticket",
        f"{LISTS_FAILED} > 2\nand {LISTS_FAILED} / sum by (server) (increase(gateway_mcp_lists_total[15m])) > 0.1\n",
        "{{ $value | humanize }} sessions in a quarter of an hour had no tools of {{ $labels.server }}.",
    ),
    alert(
        "GatewayMcpServerDown",
        "ticket",
        "min by (server) (gateway_mcp_up) == 0",
        "At least one process cannot reach the MCP server {{ $labels.server }}: callers hear that it does not work.",
        "5m",
    ),
    alert(
        "GatewayApprovalsUnanswered",
        "ticket",
        f"{UNANSWERED} > 2\nand {UNANSWERED} / {ASKED} > 0.1\n",
        "No operator answered {{ $value | humanize }} requests for approval of a tool in an hour.",
    ),
)


# --- Capacity, audio, money ---

CAPACITY = group(
    "gateway-capacity",
    alert(
        "GatewayNearlyFull",
        "ticket",
        "sum by (path) (gateway_calls_active) / sum by (path) (gateway_calls_capacity > 0) > 0.8",
        "{{ $value | humanizePercentage }} of the slots for {{ $labels.path }} calls are taken.",
        "5m",
    ),
    alert(
        "GatewayCallsRefused",
        "page",
        'sum by (reason) (increase(gateway_calls_refused_total{reason=~"full|draining|budget|no_agent"}[5m])) > 3',
        "{{ $value | humanize }} calls were refused in five minutes: {{ $labels.reason }}.",
    ),
    alert(
        "GatewayRecordsLost",
        "ticket",
        "sum by (reason) (increase(gateway_records_lost_total[1h])) > 0",
        "{{ $value | humanize }} records of calls were lost in an hour: {{ $labels.reason }}.",
    ),
    alert(
        "GatewayRecordsWaiting",
        "ticket",
        "max by (instance) (gateway_records_waiting) > 0",
        "{{ $value | humanize }} records of {{ $labels.instance }} wait for the database.",
        "10m",
    ),
    alert(
        "GatewayRecordingsNotStored",
        "ticket",
        "max by (instance) (gateway_recordings_waiting) > 0",
        "{{ $value | humanize }} recordings of {{ $labels.instance }} wait for their store.",
        "30m",
    ),
    alert(
        "GatewayRecordingsIncomplete",
        "ticket",
        'sum by (reason) (increase(gateway_recording_errors_total{reason=~"disk|backlog|bug|unreadable"}[1h])) > 0',
        "Sound of recorded calls was lost in an hour: {{ $labels.reason }}.",
    ),
    alert(
        "GatewayEventsLate",
        "ticket",
        f"max(gateway_delivery_oldest_seconds) > {goal.EVENT_AGE_MAX_S}",
        "The oldest event that is not delivered is {{ $value | humanizeDuration }} old.",
        "5m",
    ),
    alert(
        "GatewayEventsParked",
        "ticket",
        'max(gateway_deliveries_waiting{state="parked"}) > 0',
        "{{ $value | humanize }} events were given up: send them again when the receiver is back.",
    ),
    alert(
        "GatewayEventLoopLate",
        "page",
        "histogram_quantile(0.99, sum by (le, instance) (rate(gateway_event_loop_lag_seconds_bucket[5m]))) > 0.05",
        "The event loop of {{ $labels.instance }} is {{ $value | humanizeDuration }} late: every caller on it hears that.",
        "5m",
    ),
    alert(
        "GatewayDescriptorsNearlyUsed",
        "page",
        f"min by (instance) (gateway_descriptors_left) < {goal.DESCRIPTORS_LEFT_MIN}",
        "{{ $labels.instance }} can open {{ $value | humanize }} more files and connections: webhooks get 503.",
        "1m",
    ),
)


def audio_s(direction: str, function: str) -> str:
    """Return the seconds of mu-law audio that passed: 8,000 bytes are one."""
    return f'sum({function}(gateway_media_bytes_total{{direction="{direction}"}}[30m])) / 8000'


SOUND = group(
    "gateway-sound",
    alert(
        "GatewayPlaybackUnderruns",
        "ticket",
        "sum by (cause) (rate(gateway_playback_underrun_seconds_total[30m]))\n"
        f"  / on () group_left () ({audio_s('down', 'rate')}) > 0.01\n"
        f"and on () {audio_s('down', 'increase')} > 300\n",
        "{{ $value | humanizePercentage }} of the agents' speech is gaps (cause: {{ $labels.cause }}).",
        "5m",
    ),
    alert(
        "GatewayCallerAudioLost",
        "ticket",
        "sum(rate(gateway_caller_gap_seconds_total[30m]))\n"
        f"  / ({audio_s('up', 'rate')}) > 0.02\n"
        f"and {audio_s('up', 'increase')} > 300\n",
        "{{ $value | humanizePercentage }} of the callers' audio does not arrive.",
        "5m",
    ),
)

COST: Final = "sum(rate(gateway_cost_usd_total[30m])) * 3600"
MONEY = group(
    "gateway-money",
    alert(
        "GatewayCostsTooMuch",
        "page",
        f'{COST}\n  / sum(avg_over_time(gateway_calls_active{{state="talking"}}[30m])) > {goal.USD_PER_CALL_HOUR}\n'
        f"and {COST} > {goal.USD_PER_CALL_HOUR}\n",
        "An hour of conversation costs {{ $value | humanize }} USD.",
        "5m",
    ),
    alert(
        "GatewayBudgetNearlySpent",
        "page",
        "max(gateway_budget_spent_ratio) > 0.9",
        "{{ $value | humanizePercentage }} of the day's budget is spent.",
    ),
    alert(
        "GatewayUsageWithoutPrice",
        "ticket",
        "sum by (model, kind) (gateway_unpriced_total) > 0",
        "The price list has no price for {{ $labels.kind }} of {{ $labels.model }}.",
    ),
)

GROUPS: Final = (WAITS, ENDINGS, MODEL, FAULTS, TOOLS, CAPACITY, SOUND, MONEY)
