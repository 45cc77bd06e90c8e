"""A receiver of events while processes are killed and secrets are rotated."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from cluster import AGENTS, running_cluster
from fault_result import UNNOTICED_MS, evaluate, retried_on_stall
from http_end import HttpEnd, Seen, http_end
from standardwebhooks import Webhook
from test_faults import NOTED, WHOLE, script

pytestmark = pytest.mark.long

OLD, NEW = "whsec_b2xkIHNlY3JldCBvZiB0aGUgc3VpdGU=", "whsec_bmV3IHNlY3JldCBvZiB0aGUgc3VpdGU="
DESK: dict[str, Any] = {
    "agents": {"desk": {**AGENTS["agents"]["desk"], "tools": ["end_call", "take_message"]}},
    "routes": AGENTS["routes"],
}
LEAVES_A_MESSAGE = {"call": {"name": "take_message", "arguments": {"message": "Call me back."}}}
ORDER = ["call.started", "message.taken", "call.ended"]
LEASE_MAX_S = 120.0
"""Longer than what a killed process had taken stays taken."""


def kind(one: Seen) -> str:
    return str(json.loads(one.body)["type"])


async def until_seen(receiver: HttpEnd, last: str, beyond: int = 0) -> None:
    async with asyncio.timeout(LEASE_MAX_S):
        while last not in [kind(one) for one in receiver.seen[beyond:]]:
            await asyncio.sleep(0.1)


@retried_on_stall
async def test_a_process_is_killed_while_the_receiver_has_its_event(tmp_path: Path) -> None:
    """What comes twice has one id; the call's events come in their order, signed with both keys."""
    async with http_end() as receiver:
        receiver.held["/events"] = asyncio.Event()
        told = {"GATEWAY_EVENTS_URL": f"{receiver.url}/events"}
        story = script()
        story["turns"][1] = [*story["turns"][1], LEAVES_A_MESSAGE]
        story["after_tool"] = NOTED
        async with running_cluster(
            tmp_path, script=story, agents=DESK, gateways=1, **told, GATEWAY_EVENTS_SECRET=OLD
        ) as cluster:
            record = await cluster.call(WHOLE)
            await until_seen(receiver, "call.started")
            async with asyncio.timeout(30):
                while await cluster.metric("records_waiting"):
                    await asyncio.sleep(0.1)
            (port,) = cluster.gateways
            # The receiver has it, and the process that sent it never learns so.
            cluster.kill(port)
            await cluster.gateways[port].exited()
            cluster.balancer.remove(port)
            first = list(receiver.seen)
            receiver.held.pop("/events").set()
            await cluster.start_gateway(**told, GATEWAY_EVENTS_SECRET=f"{NEW},{OLD}")
            await until_seen(receiver, "call.ended")
            again = receiver.seen[len(first) :]
            result = evaluate("killed while an event is sent", [record], [], asked=0)
    ids = {one.headers["webhook-id"]: kind(one) for one in receiver.seen}
    assert list(ids.values()) == ORDER, "one id for each, and in order"
    assert [kind(one) for one in first] == ["call.started"]
    assert [kind(one) for one in again] == ORDER
    assert again[0].headers["webhook-id"] == first[0].headers["webhook-id"]
    assert again[0].body == first[0].body
    for secret, events in ((OLD, first), (OLD, again), (NEW, again)):
        for one in events:
            Webhook(secret).verify(one.body, one.headers)
    result.check(most_ms=UNNOTICED_MS, busy=cluster.busy)
