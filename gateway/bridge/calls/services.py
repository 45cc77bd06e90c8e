"""Services that every running call of this process shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.agents.config.agent import Agent
from gateway.bridge.calls.carriers import Carriers
from gateway.bridge.calls.model_connector import ModelConnector
from gateway.bridge.calls.running_call import RunningCall
from gateway.bridge.calls.tasks import Tasks
from gateway.call import events
from gateway.call.call_info import CallInfo
from gateway.ops.billing.bills import Bill
from gateway.ops.telemetry.fast_histogram import AddedLatency


@dataclass(frozen=True, slots=True)
class CallServices:
    """Everything outside itself that a `LiveCall` uses."""

    model: ModelConnector
    carriers: Carriers
    tasks: Tasks
    publish: Callable[[RunningCall, events.CallEvent], None]
    added: AddedLatency
    """Time that the gateway adds to each frame, both ways."""
    open_bill: Callable[[CallInfo, Agent], Bill]
