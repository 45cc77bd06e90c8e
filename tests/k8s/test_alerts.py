"""Alerts: each fires on its fault and is quiet without it, by Prometheus' own tool."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from prometheus_tools import ROOT, RULES, alerts, problems, promtool, rules, series, values

from gateway.call.endings import UNTAKEN, Ending
from gateway.ops.telemetry.metrics import RECORDING_ERRORS, REFUSALS

pytestmark = pytest.mark.needs("promtool")

FOR_EVER = "0x600"


class Case(NamedTuple):
    """Series by the minute, in promtool's notation, and the time of the question."""

    firing: dict[str, str]
    calm: dict[str, str]
    at: str = "30m"


def turns(fast: int, all_: int) -> dict[str, str]:
    """So many turns within two seconds, and so many in all, each minute."""
    one = 'agent="a",path="sip"'
    return {
        f'gateway_response_seconds_bucket{{{one},le="1.5"}}': f"0+{fast}x600",
        f'gateway_response_seconds_bucket{{{one},le="2.0"}}': f"0+{fast}x600",
        f'gateway_response_seconds_bucket{{{one},le="3.0"}}': f"0+{all_}x600",
        f'gateway_response_seconds_bucket{{{one},le="+Inf"}}': f"0+{all_}x600",
        f"gateway_response_seconds_count{{{one}}}": f"0+{all_}x600",
    }


def stage(name: str, bound: str, soon: int, path: str = "sip") -> dict[str, str]:
    """Ten turns each minute, so many of which spend less than `bound` in a stage."""
    one = f'gateway_turn_stage_seconds_bucket{{path="{path}",stage="{name}",le='
    return {
        f'{one}"0.005"}}': FOR_EVER,
        f'{one}"{bound}"}}': f"0+{soon}x600",
        f'{one}"5.0"}}': "0+10x600",
        f'{one}"+Inf"}}': "0+10x600",
    }


def ended(well: int, badly: int) -> dict[str, str]:
    one = 'gateway_calls_ended_total{agent="a",path="sip",ending='
    return {f'{one}"caller_hung_up"}}': f"0+{well}x600", f'{one}"bug"}}': f"0+{badly}x600"}


def without_model(soon: int, all_: int) -> dict[str, str]:
    """So many renewals within a second, and so many in all, each minute."""
    one = 'gateway_model_renewed_seconds_bucket{cause="lost",le='
    counted = 'gateway_model_renewed_seconds_count{cause="lost"}'
    return {
        f'{one}"1.2"}}': f"0+{soon}x600",
        f'{one}"5.0"}}': f"0+{all_}x600",
        f'{one}"+Inf"}}': f"0+{all_}x600",
        counted: f"0+{all_}x600",
    }


def lag(late: int) -> dict[str, str]:
    one = 'gateway_event_loop_lag_seconds_bucket{instance="pod-1",le='
    return {
        f'{one}"0.02"}}': f"0+{600 - late}x600",
        f'{one}"0.1"}}': "0+600x600",
        f'{one}"+Inf"}}': "0+600x600",
    }


BUILT = {'gateway_build_info{version="1"}': "1x600"}
SOUND_DOWN = {'gateway_media_bytes_total{direction="down"}': "0+480000x600"}
SOUND_UP = {'gateway_media_bytes_total{direction="up"}': "0+480000x600"}
HOLES = 'gateway_playback_underrun_seconds_total{cause="gateway"}'
CAPACITY = {
    'gateway_calls_capacity{path="media-streams",pod="1"}': "100x600",
    'gateway_calls_capacity{path="media-streams",pod="2"}': "100x600",
    'gateway_calls_capacity{path="sip",pod="1"}': FOR_EVER,
}
ACTIVE = {'gateway_calls_active{path="sip",state="talking",pod="1"}': "100x600"}
TALKING = 'gateway_calls_active{path="media-streams",state="talking",pod='
REFUSED = 'gateway_webhooks_total{endpoint="voice",result='
COST = 'gateway_cost_usd_total{agent="a",model="m",kind="audio_out"}'
UNPRICED = 'gateway_unpriced_total{model="m",kind="image_in"}'
EXPIRY = "gateway_certificate_expiry_timestamp_seconds"

TOOL = 'gateway_tool_seconds_count{tool="hours",outcome='
MCP = 'gateway_mcp_calls_total{server="crm",outcome='
MCP_UP = 'gateway_mcp_up{server="crm",'
LISTS = 'gateway_mcp_lists_total{server="crm",outcome='
LIMIT = 'gateway_rate_limit_remaining_ratio{limit="tokens",instance='
TURNS_OF = 'gateway_response_seconds_count{agent="a",path="sip",instance='
APPROVALS = 'gateway_approvals_total{server="crm",outcome='

CASES = {
    # Four of five turns slow use the month's share sixteen times too fast.
    "GatewayCallersWait": Case(turns(2, 10), turns(97, 100)),
    "GatewayWaitAboveGoal": Case(
        {**turns(9, 10), **stage("model", "0.8", 4)},
        {**turns(9, 10), **stage("model", "0.8", 6), **stage("detection", "1.2", 1)},
        "3h",
    ),
    "GatewayCallsEndBadly": Case(ended(4, 1), ended(199, 1)),
    "GatewayDown": Case({}, BUILT),
    "GatewaySignaturesRefused": Case(
        {f'{REFUSED}"bad_signature"}}': "0+2x600"},
        {f'{REFUSED}"bad_signature"}}': "0+0.5x600", f'{REFUSED}"ok"}}': "0+900x600"},
    ),
    "GatewayUnsignedRequests": Case(
        {f'{REFUSED}"unsigned"}}': "0+9x600"},
        {f'{REFUSED}"unsigned"}}': "0x30 100 200x500"},
        "45m",
    ),
    "GatewayCertificateExpires": Case(
        {f'{EXPIRY}{{pod="1"}}': "600000x600", f'{EXPIRY}{{pod="2"}}': "9604800x600"},
        {f'{EXPIRY}{{pod="1"}}': "9604800x600"},
    ),
    "GatewayModelErrors": Case(
        {
            'gateway_model_errors_total{fault="recoverable",code="server_error"}': "0+1x600",
            **turns(10, 10),
        },
        {
            **turns(100, 100),
            'gateway_model_errors_total{fault="benign",code="x"}': "0+90x600",
            'gateway_model_errors_total{fault="recoverable",code="server_error"}': "0+1x600",
        },
    ),
    "GatewayModelRefuses": Case(
        {'gateway_calls_ended_total{agent="a",path="sip",ending="model_refused"}': "0+1x600"},
        ended(100, 0),
    ),
    "GatewayRateLimitNear": Case(
        {f'{LIMIT}"1"}}': "0.1x600", f'{TURNS_OF}"1"}}': "0+9x600"},
        # The last response of a process that has had no call since then.
        {
            f'{LIMIT}"1"}}': "0.1x600",
            f'{TURNS_OF}"1"}}': "7x600",
            f'{LIMIT}"2"}}': "0.3x600",
            f'{TURNS_OF}"2"}}': "0+9x600",
        },
    ),
    "GatewayToolsFail": Case(
        {f'{TOOL}"ok"}}': "0+1x600", f'{TOOL}"error"}}': "0+1x600", f'{MCP}"ok"}}': "0+5x600"},
        {
            f'{TOOL}"ok"}}': "0+5x600",
            f'{TOOL}"timeout"}}': "0+1x600",
            f'{TOOL}"invalid"}}': "0+9x600",
            f'{MCP}"denied"}}': "0+5x600",
        },
    ),
    "GatewayMcpToolsMissing": Case(
        {f'{LISTS}"failed"}}': "0+1x600"},
        {f'{LISTS}"ok"}}': "0+9x600", f'{LISTS}"late"}}': "0+9x600"},
    ),
    "GatewayMcpServerDown": Case(
        {f'{MCP_UP}pod="1"}}': "1x5 0x600", f'{MCP_UP}pod="2"}}': "1x600"},
        {f'{MCP_UP}pod="1"}}': "1x24 0x3 1x600", f'{MCP_UP}pod="2"}}': "1x600"},
    ),
    "GatewayApprovalsUnanswered": Case(
        {f'{APPROVALS}"timeout"}}': "0+1x600"}, {f'{APPROVALS}"denied"}}': "0+9x600"}
    ),
    "GatewayModelConnectionsLost": Case(
        {'gateway_model_reconnects_total{reason="closed_1006"}': "0+1x600", **ACTIVE},
        {'gateway_model_reconnects_total{reason="closed_1006"}': "0+0.3x600", **ACTIVE},
    ),
    "GatewayModelReconnectSlow": Case(without_model(2, 10), without_model(7, 10)),
    "GatewayCallsResumed": Case(
        {'gateway_resumes_total{how="announced"}': "0+1x600", **ACTIVE},
        # A process that drains: its calls go to others.
        {
            'gateway_resumes_total{how="handed_over"}': "0+9x600",
            'gateway_resumes_total{how="adopted"}': "0+9x600",
            'gateway_draining{pod="1"}': "0x20 1x9",
            **ACTIVE,
        },
    ),
    "GatewayCircuitBreakerOpen": Case(
        {'gateway_breaker_open{pod="1"}': FOR_EVER, 'gateway_breaker_open{pod="2"}': "1x600"},
        {'gateway_breaker_open{pod="1"}': FOR_EVER},
    ),
    "GatewayStoreUnreachable": Case(
        {'gateway_store_errors_total{instance="pod-1"}': "0+30x600"},
        # A restart of Redis.
        {'gateway_store_errors_total{instance="pod-1"}': "0x28 40x600"},
    ),
    "GatewayNearlyFull": Case(
        {f'{TALKING}"1"}}': "80x600", f'{TALKING}"2"}}': "90x600", **CAPACITY},
        {f'{TALKING}"1"}}': "95x600", f'{TALKING}"2"}}': "50x600", **CAPACITY},
    ),
    "GatewayCallsRefused": Case(
        {'gateway_calls_refused_total{reason="full"}': "0+2x600"},
        {'gateway_calls_refused_total{reason="full"}': FOR_EVER},
    ),
    "GatewayRecordsLost": Case(
        {'gateway_records_lost_total{reason="disk"}': "0+1x600"},
        {'gateway_records_lost_total{reason="disk"}': FOR_EVER},
    ),
    "GatewayRecordsWaiting": Case(
        {'gateway_records_waiting{instance="pod-1"}': "3x600"},
        {'gateway_records_waiting{instance="pod-1"}': "0x28 5x3 0x600"},
    ),
    "GatewayRecordingsNotStored": Case(
        {'gateway_recordings_waiting{instance="pod-1"}': "3x600"},
        {'gateway_recordings_waiting{instance="pod-1"}': "0x28 5x3 0x600"},
    ),
    "GatewayRecordingsIncomplete": Case(
        {'gateway_recording_errors_total{reason="disk"}': "0+1x600"},
        {'gateway_recording_errors_total{reason="store"}': "0+1x600"},
    ),
    "GatewayEventsLate": Case(
        {"gateway_delivery_oldest_seconds": "0+60x600"},
        {"gateway_delivery_oldest_seconds": "120x600"},
    ),
    "GatewayEventsParked": Case(
        {'gateway_deliveries_waiting{state="parked"}': "1x600"},
        {'gateway_deliveries_waiting{state="parked"}': "0x600"},
    ),
    "GatewayEventLoopLate": Case(lag(12), lag(3)),
    "GatewayDescriptorsNearlyUsed": Case(
        {'gateway_descriptors_left{instance="pod-1"}': "250x600"},
        {'gateway_descriptors_left{instance="pod-1"}': "500x600"},
    ),
    "GatewayPlaybackUnderruns": Case(
        {HOLES: "0+0.9x600", **SOUND_DOWN}, {HOLES: "0+0.3x600", **SOUND_DOWN}
    ),
    "GatewayCallerAudioLost": Case(
        {"gateway_caller_gap_seconds_total": "0+1.8x600", **SOUND_UP},
        {"gateway_caller_gap_seconds_total": "0+0.6x600", **SOUND_UP},
    ),
    # Fifty callers: 2,000 USD an hour, and 600.
    "GatewayCostsTooMuch": Case(
        {COST: "0+33.4x600", f'{TALKING}"1"}}': "50x600"},
        {COST: "0+10x600", f'{TALKING}"1"}}': "50x600"},
        "45m",
    ),
    "GatewayBudgetNearlySpent": Case(
        {"gateway_budget_spent_ratio": "0.95x600"}, {"gateway_budget_spent_ratio": "0.5x600"}
    ),
    "GatewayUsageWithoutPrice": Case({UNPRICED: "1x600"}, BUILT),
}


def test_every_alert_has_its_case() -> None:
    assert CASES.keys() == alerts().keys()


def unit(name: str, series: dict[str, str], at: str, firing: int) -> dict[str, object]:
    """One test of promtool's: how many alerts of that name fire then."""
    fires = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
    samples = [{"labels": "{}", "value": firing}] if firing else []
    return {
        "name": f"{name}: {'fires' if firing else 'is quiet'}",
        "interval": "1m",
        "input_series": [{"series": key, "values": text} for key, text in series.items()],
        "promql_expr_test": [{"expr": fires, "eval_time": at, "exp_samples": samples}],
    }


GROUPS = yaml.safe_load(RULES.read_text())["groups"]


def run_units(folder: Path, name: str, units: list[dict[str, object]]) -> None:
    """Run tests of the group of that name, or in which an alert of that name stands.

    No rule needs one of another group, and each test evaluates all rules that it is given.
    """
    groups = [one for one in GROUPS if name in (one["name"], *map(_alert, one["rules"]))]
    assert len(groups) == 1, name
    rules = folder / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": groups}))
    file = folder / "units.yaml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "2m", "tests": units})
    )
    promtool("test", "rules", file)


def _alert(rule: dict[str, Any]) -> Any:
    return rule.get("alert")


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group["name"])
def test_each_fires_and_each_is_quiet(tmp_path: Path, group: dict[str, Any]) -> None:
    cases = {rule["alert"]: CASES[rule["alert"]] for rule in group["rules"] if "alert" in rule}
    units = [unit(name, case.firing, case.at, 1) for name, case in cases.items()]
    units += [unit(name, case.calm, case.at, 0) for name, case in cases.items()]
    run_units(tmp_path, group["name"], units)


def test_an_mcp_server_that_fails_is_found_like_a_function(tmp_path: Path) -> None:
    fails = {f'{MCP}"ok"}}': "0+1x600", f'{MCP}"http_error"}}': "0+1x600"}
    once = {f'{MCP}"http_error"}}': "0x20 1x600"}
    name = "GatewayToolsFail"
    run_units(tmp_path, name, [unit(name, fails, "30m", 1), unit(name, once, "30m", 0)])


def test_nobody_is_woken_for_three_slow_turns_in_the_night(tmp_path: Path) -> None:
    few = {
        name: "0x80 1x10 2x10 3x500" if not re.search('le="[12]', name) else FOR_EVER
        for name in turns(0, 1)
    }
    run_units(tmp_path, "GatewayCallersWait", [unit("GatewayCallersWait", few, "110m", 0)])


def test_nobody_is_woken_for_one_failure_of_few_calls(tmp_path: Path) -> None:
    one = 'gateway_calls_ended_total{agent="a",path="sip",ending='
    few = {f'{one}"caller_hung_up"}}': "0+0.04x600", f'{one}"model_lost"}}': "0x80 1x500"}
    run_units(tmp_path, "GatewayCallsEndBadly", [unit("GatewayCallsEndBadly", few, "90m", 0)])


def test_processes_that_die_wake_somebody_also_on_the_sip_path(tmp_path: Path) -> None:
    died = {'gateway_resumes_total{how="adopted"}': "0x20 20x500", **ACTIVE}
    run_units(tmp_path, "GatewayCallsResumed", [unit("GatewayCallsResumed", died, "25m", 1)])


@pytest.mark.parametrize(
    ("name", "bound"), [("model", "0.8"), ("gateway", "0.05"), ("playback", "0.5")]
)
def test_each_stage_of_the_wait_has_its_goal(tmp_path: Path, name: str, bound: str) -> None:
    slow = {**turns(9, 10), **stage(name, bound, 4)}
    browser = {**turns(9, 10), **stage(name, bound, 4, path="browser")}
    alert = "GatewayWaitAboveGoal"
    run_units(tmp_path, alert, [unit(alert, slow, "3h", 1), unit(alert, browser, "3h", 0)])


def test_a_call_that_was_resumed_has_not_ended_badly(tmp_path: Path) -> None:
    handed_over = {
        'gateway_calls_ended_total{agent="a",path="sip",ending="drained"}': "0+5x600",
        'gateway_resumes_total{how="handed_over"}': "0+5x600",
        **ended(5, 0),
    }
    run_units(
        tmp_path, "GatewayCallsEndBadly", [unit("GatewayCallsEndBadly", handed_over, "30m", 0)]
    )


def test_a_slow_burn_wakes_too_but_not_when_it_is_over(tmp_path: Path) -> None:
    """Two of five turns slow for hours; and the same, with the last hour good."""
    slow, over = turns(6, 10), turns(6, 10)
    for name in over:
        fast = 6 if re.search('le="[12]', name) else 10
        over[name] = f"0+{fast}x360 {fast * 360 + 10}+10x200"
    name = "GatewayCallersWait"
    run_units(tmp_path, name, [unit(name, slow, "7h", 1), unit(name, over, "7h", 0)])


def test_an_alert_that_could_not_fail_would_be_found(tmp_path: Path) -> None:
    """The way the tests above ask does tell the difference."""
    with pytest.raises(AssertionError, match="FAILED"):
        run_units(tmp_path, "GatewayDown", [unit("GatewayDown", BUILT, "90m", 1)])


# --- What stands in the files ---


def test_promtool_accepts_the_rules() -> None:
    promtool("check", "rules", RULES)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_query_asks_for_what_there_is(rule: dict[str, str]) -> None:
    assert problems(rule["expr"]) == []


def test_a_query_for_what_there_is_not_would_be_found() -> None:
    assert problems('rate(gateway_cals_total{agent="a"}[5m])') != []
    assert problems('sum by (colour) (gateway_calls_active{path="sip"})') != []
    assert problems('gateway_calls_active{ending="bug"}') != []


RUNBOOK = (ROOT / "docs/operations/runbook.md").read_text("utf-8")
PARTS = ("**Callers**:", "**Look first**:", "**Do**:", "**Wake somebody**:")


def sections() -> dict[str, str]:
    """The runbook's text by heading."""
    _, *found = re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)
    return {name: text for name, _, text in (part.partition("\n") for part in found)}


def test_the_runbook_has_a_heading_for_each_alert_and_no_other() -> None:
    """In the order of the rules; as anchors they are the alerts' names in lower case."""
    assert list(sections()) == list(alerts())


@pytest.mark.parametrize("name", alerts())
def test_the_runbook_says_what_it_means_where_to_look_and_what_to_do(name: str) -> None:
    text = sections()[name]
    assert [part for part in PARTS if text.count(part) != 1] == []
    places = [text.index(part) for part in PARTS]
    assert places == sorted(places)


def test_the_runbook_names_series_and_alerts_that_exist() -> None:
    named_series = set(re.findall(r"`(gateway_\w+)", RUNBOOK))
    assert named_series <= set(series())
    assert set(re.findall(r"Gateway[A-Z]\w+", RUNBOOK)) == set(alerts())


@pytest.mark.parametrize("name", alerts())
def test_each_has_a_sentence_a_severity_and_a_runbook(name: str) -> None:
    alert = alerts()[name]
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert alert["annotations"]["summary"].endswith(".")
    file, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert file == "https://git.example.com/gateway/docs/operations/runbook.md"
    assert anchor == name.lower()


def test_bounds_of_buckets_are_those_of_the_code() -> None:
    """A bound that is no bucket's finds nothing, and the rule is quiet for ever."""
    found = re.findall(r'(gateway_\w+_bucket)\{[^}]*le="([^"]+)"', RULES.read_text())
    assert found
    assert all(bound in values("le", name) for name, bound in found)


def named(label: str) -> set[str]:
    """Every value of a label that the rules name, alternatives apart."""
    found = re.findall(rf'\b{label}=~?"([^"]+)"', RULES.read_text())
    return {value for text in found for value in text.split("|")}


def test_bad_endings_are_those_of_the_code() -> None:
    bad = {str(ending) for ending in Ending if not ending.well and ending not in UNTAKEN}
    # A caller who types a secret comes back: that ends a stream, and is no failure.
    assert named("ending") == bad - {"never_arrived", "secret_input"}
    assert bad < values("ending", "gateway_calls_ended_total")


def test_reasons_are_those_of_the_code() -> None:
    code = "".join(path.read_text() for path in (ROOT / "gateway").rglob("*.py"))
    known = set(re.findall(r'(?:SignatureRefused|NotAdmitted|_refuse|_refused)\("(\w+)"', code))
    assert named("result") | named("reason") <= known | {*REFUSALS, *RECORDING_ERRORS}
