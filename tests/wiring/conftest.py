"""Areas of one gateway, constructed as `gateway.app` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.bridge.inbound.sip_inbound import SipInbound
from gateway.bridge.outbound.outbound_calls import OutboundCalls
from gateway.ops.startup_checks import agents_of
from gateway.settings import load_settings
from gateway.tuning import DEFAULT_TUNING
from gateway.wiring.agents_file import AgentsFile, agents_file
from gateway.wiring.capacity import Capacity, capacity
from gateway.wiring.messaging import Messaging, messaging
from gateway.wiring.recordings import Recordings, recordings
from gateway.wiring.records import Records, records
from gateway.wiring.resources import Resources, resources
from gateway.wiring.telephony import Telephony, before_calls, outbound_calls, sip_inbound, telephony


@dataclass(frozen=True)
class Areas:
    r: Resources
    bounds: Capacity
    kept: Records
    texts: Messaging
    agents: AgentsFile
    calls: Telephony
    outbound: OutboundCalls
    inbound: SipInbound
    recorded: Recordings


@pytest.fixture
def wired(tmp_path: Path) -> Callable[..., Areas]:
    """Return what constructs every area below the endpoints, from settings by their names."""

    def construct(agents: str = "", **settings: str) -> Areas:
        environ = {"GATEWAY_DATA_DIR": str(tmp_path / "data"), **settings}
        if agents:
            file = tmp_path / "agents.yaml"
            file.write_text(agents, "utf-8")
            environ["GATEWAY_AGENTS"] = str(file)
        loaded = load_settings(environ, simulated=True)
        r = resources(loaded, agents_of(loaded), DEFAULT_TUNING)
        bounds, kept = capacity(r), records(r)
        texts = messaging(r, kept.caller_index)
        agents = agents_file(r, bounds, texts, environ, lambda: None)
        calls = telephony(r, bounds, agents.in_use)
        outbound = outbound_calls(r, bounds, calls, kept)
        inbound = sip_inbound(r, bounds, calls, before_calls(calls, kept))
        recorded = recordings(r, kept)
        return Areas(r, bounds, kept, texts, agents, calls, outbound, inbound, recorded)

    return construct
