"""Limits and clocks of one gateway that may be changed when it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, time

from gateway import limits
from gateway.limits.patience import CALL_PATIENCE, MCP_PATIENCE, CallPatience, McpPatience


@dataclass(frozen=True, slots=True)
class Tuning:
    """The product's limits, unless whoever builds a gateway changes one, as tests do.

    `gateway.wiring` passes each of them to the one part that uses it. The parts have the same
    defaults, so that they can be built alone.
    """

    wall_clock: Callable[[], float] = time
    """Unix time of opening hours."""
    old_agents_kept_s: float = limits.agents.OLD_VERSION_KEPT_S
    patience: CallPatience = CALL_PATIENCE
    mcp_patience: McpPatience = MCP_PATIENCE
    start_wait_s: float = limits.call.START_WAIT_S
    webhook_body_wait_s: float = limits.web.WEBHOOK_BODY_WAIT_S
    dial_late_s: float = limits.outbound.DIAL_LATE_S
    model_try_max_s: float = limits.model.MODEL_TRY_MAX_S
    breaker_failures_max: int = limits.model.BREAKER_FAILURES
    hangup_confirm_max_s: float = limits.call.HANGUP_CONFIRM_MAX_S
    sideband_pause_max_s: float = limits.sip.SIDEBAND_PAUSE_MAX_S
    api_requests_burst: int = limits.api.REQUESTS_BURST
    api_actions_burst: int = limits.api.ACTIONS_BURST
    photo_clock: Callable[[], float] = monotonic
    """Fills up how often the page for pictures may be looked at and uploaded to."""
    phone_begins_burst: int = limits.phone.BEGINS_BURST
    recording_first_pause_s: float = limits.recordings.FIRST_PAUSE_S
    recording_join_wait_s: float = limits.recordings.JOIN_WAIT_S
    store_max_s: float = limits.store.STORE_MAX_S
    delivery_over_after_s: float = limits.database.DELIVERY_OVER_AFTER_S
    sip_calls_max: int = limits.sip.CALLS_MAX
    sip_accept_max_s: float = limits.sip.ACCEPT_MAX_S
    sip_decide_max_s: float = limits.sip.DECIDE_MAX_S
    sip_hangup_first_pause_s: float = limits.sip.HANG_UP_FIRST_PAUSE_S
    sip_lease_s: float = limits.sip.LEASE_S
    sip_look_s: float = limits.sip.LOOK_S


DEFAULT_TUNING = Tuning()
