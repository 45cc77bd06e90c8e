"""What Prometheus and the kubelet read."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from gateway_calls import CALLER, RECEPTION, new_sid
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, exposition, parser
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.openmetrics import parser as openmetrics
from running_gateway import GatewayRig
from starlette.requests import Request

from gateway.call import events
from gateway.call.endings import Ending
from gateway.limits.web import SCRAPE_SAMPLES_MAX
from gateway.ops.billing.prices import KINDS
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.ops.telemetry.metrics import CLOSED, REFUSALS, Metrics
from gateway.web.health import HealthEndpoints, written_in_parts


def families(house_text: str, read: Any) -> dict[str, Any]:
    return {family.name: family for family in read.text_string_to_metric_families(house_text)}


IN_COMMON = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lived_in(shared_rig: GatewayRig) -> GatewayRig:
    """After a call with a little of everything: sound, faults, a refusal, an end."""
    rig = shared_rig
    await rig.carrier.ring(new_sid("CA"), "+49301234567")
    async with rig.carrier.call() as stream:
        await stream.socket.send(b"binary")
        await stream.socket.send(f'{{"event": "{CALLER}"}}')
        await stream.send("weather", {"is": "fine"})
        await rig.note(events.FirstAudioSent)
        await stream.stop()
        await rig.note(events.CallEnded)
    return rig


@IN_COMMON
async def test_every_family_has_help_and_no_number_stands_in_any(lived_in: GatewayRig) -> None:
    rig = lived_in
    response = await rig.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    found = families(response.text, parser)
    assert len(found) > 30
    for family in found.values():
        assert family.name.startswith("gateway_")
        assert family.documentation.endswith("."), family.name
    assert CALLER[1:] not in response.text
    assert RECEPTION[1:] not in response.text


@IN_COMMON
async def test_labels_come_from_closed_sets_only(lived_in: GatewayRig) -> None:
    """No label value is taken from what a stranger sends."""
    rig = lived_in
    async with rig.carrier.socket() as socket:
        await socket.send('{"event":"start","streamSid":"evil"}')
    for path in ("/twilio/voice", "/evil", "/twilio/voice?evil=1"):
        await rig.client.post(path, headers={"X-Twilio-Signature": "evil"})
    agents = set(rig.gateway.registry.book.agents)
    closed: dict[str, set[str]] = {
        "agent": agents,
        "path": {"media-streams", "sip"},
        "ending": {ending.value for ending in Ending},
        "peer": {"caller", "model"},
        "kind": {"binary", "junk", "unknown_event", "text", "audio", "malformed", *KINDS},
        "reason": {*KEEPING, "noise", "silent", "unreachable", "closed_other", *REFUSALS, *CLOSED},
        "endpoint": {"voice", "after", "refer", "status", "stream-status"},
        "result": {"ok", "bad_signature", "unsigned", *RELOADS},
        "state": {"expected", "talking", "pending", "parked"},
        "direction": {"up", "down", "in", "out"},
        "cached": {"yes", "no"},
        "model": {"gpt-realtime-2.1", "twilio"},
        "limit": {"tokens", "requests"},
        "stage": {
            "model_ready",
            "caller_arrived",
            "first_sound",
            "detection",
            "model",
            "gateway",
            "playback",
        },
        "outcome": {"used", "expired", "failed", "delivered", "parked"},
        "how": {"adopted", "without_history", "announced", "handed_over", "silent", "browser"},
        "version": {"0.1.0"},
    }
    text = (await rig.client.get("/metrics")).text
    for family in families(text, parser).values():
        for sample in family.samples:
            for label, value in sample.labels.items():
                if label != "le" and sample.name not in BY_CONTENT:
                    assert value in closed[label], (sample.name, label, value)
    assert "evil" not in text
    assert "weather" not in text


@IN_COMMON
async def test_tasks_are_counted_when_it_is_asked(lived_in: GatewayRig) -> None:
    async def tasks() -> float:
        text = (await lived_in.client.get("/metrics")).text
        return float(families(text, parser)["gateway_tasks"].samples[0].value)

    before = await tasks()
    waits = [asyncio.create_task(asyncio.Event().wait()) for _ in range(100)]
    after = await tasks()
    for one in waits:
        one.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    assert before > 0
    assert 90 < after - before < 110


@IN_COMMON
async def test_openmetrics_for_who_asks_for_it(lived_in: GatewayRig) -> None:
    rig = lived_in
    accept = {"Accept": "application/openmetrics-text; version=1.0.0; charset=utf-8"}
    response = await rig.client.get("/metrics", headers=accept)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.count("# EOF") == 1
    found = families(response.text, openmetrics)
    assert found["gateway_calls_ended"].samples


# The version of an agents file is a digest: one at a time.
BY_CONTENT = {"gateway_agents_file_since_timestamp_seconds", "gateway_agents_file_calls"}
KEEPING = {
    "disk",
    "backlog",
    "store",
    "unreadable",
    "carrier",
    "not_heard",
    "machine",
    "trunk",
    "unwritable",
    "bug",
}
RELOADS = {"taken", "unchanged", "invalid", "settings", "too_many_versions"}


async def test_what_a_call_was_is_still_counted_when_it_is_over(rig: GatewayRig) -> None:
    async with rig.carrier.call() as stream:
        await rig.note(events.FirstAudioSent)
        talking = {"path": "media-streams", "state": "talking"}
        assert await rig.metric("calls_active", **talking) == 1
        await stream.speak(b"\xff" * 40)
        await stream.stop()
        await rig.note(events.CallEnded)
        assert await rig.metric("calls_active", **talking) == 0
    assert await rig.metric("frames_total", direction="up") == 2
    assert await rig.metric("media_bytes_total", direction="up") == 200
    assert await rig.metric("frames_total", direction="down") > 0
    labels = {"agent": "reception", "path": "media-streams"}
    assert await rig.metric("calls_started_total", **labels) == 1
    assert await rig.metric("calls_ended_total", **labels, ending="caller_hung_up") == 1
    assert await rig.metric("call_seconds_count", **labels) == 1
    assert await rig.metric("added_seconds_count", direction="up") == 2


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes(rig: GatewayRig, path: str) -> None:
    response = await rig.client.get(path)
    assert response.status_code == 200
    assert (await rig.client.post(path)).status_code == 405


@pytest.mark.parametrize(
    ("refusal", "by_sip", "overflow", "shared", "ready"),
    [
        (None, None, "busy", False, True),
        ("budget", None, "busy", False, True),
        ("draining", "draining", "human", False, False),
        ("draining", None, "sip", False, False),
        ("full", None, "busy", False, False),
        ("full", None, "sip", False, True),
        ("full", None, "sip", True, True),
        ("full", "full", "sip", False, False),
        ("full", None, "human", False, True),
        ("full", "full", "human", False, True),
        ("full", None, "human", True, False),  # another process may have a slot
    ],
)
async def test_who_has_something_for_a_caller_is_ready(
    refusal: str | None, by_sip: str | None, overflow: str, shared: bool, ready: bool
) -> None:
    registry: Any = SimpleNamespace(
        refusal=lambda path="media-streams": by_sip if path == "sip" else refusal, active=3
    )
    health = HealthEndpoints(registry, Metrics(AddedLatency()), overflow, shared_store=shared)
    response = await health.readyz(Request({"type": "http"}))
    assert response.status_code == (200 if ready else 503)
    assert json.loads(bytes(response.body)) == {"status": refusal or "ready", "calls": 3}


async def test_the_root_says_what_this_is(rig: GatewayRig) -> None:
    response = await rig.client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    for path in ("/twilio/voice", "/console", "/readyz", "/metrics"):
        assert path in response.text


@pytest.mark.parametrize(
    "encode", [exposition.generate_latest, openmetrics_exposition.generate_latest]
)
def test_a_metric_with_many_labels_is_written_in_parts_with_one_head(encode: Any) -> None:
    """As with a hundred agents: parts are small, and together the same bytes."""
    registry = CollectorRegistry()
    waits = Histogram("waits", "Waits.", ["agent"], registry=registry)
    for at in range(SCRAPE_SAMPLES_MAX):
        waits.labels(f"agent\n# {at}").observe(at)
    Counter("calls", "Calls.", ["agent"], registry=registry)
    Gauge("lag", "Lag.", registry=registry).set(1)
    parts = [part for family in registry.collect() for part in written_in_parts(family, encode)]
    whole = encode(registry)
    assert b"".join(parts) == whole.removesuffix(b"# EOF\n")
    assert max(part.count(b"\n") for part in parts) <= SCRAPE_SAMPLES_MAX + 2
    assert len(parts) > SCRAPE_SAMPLES_MAX // 8
