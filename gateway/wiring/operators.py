"""Actions of operators, in this process or in the one that has the call."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from gateway.bridge.operators.actions import OperatorActions
from gateway.bridge.operators.remote_calls import RemoteCalls
from gateway.bridge.outbound.outbound_calls import OutboundCalls
from gateway.wiring.records import Records
from gateway.wiring.resources import Resources
from gateway.wiring.telephony import Telephony


@dataclass(frozen=True, slots=True)
class Operators:
    """Actions on calls here, and the calls of other processes."""

    actions: OperatorActions
    remote: RemoteCalls


def operators(r: Resources, calls: Telephony, kept: Records, outbound: OutboundCalls) -> Operators:
    """Return what carries out operators' actions."""
    actions = OperatorActions(calls.registry, outbound)
    remote = RemoteCalls(
        r.store,
        kept.changes,
        kept.store,
        kept.event_stream,
        actions.perform,
        kept.callers.of,
        monotonic,
    )
    return Operators(actions, remote)
