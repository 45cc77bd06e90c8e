"""Limits that the bridge's parts get as constructor arguments."""

from __future__ import annotations

from dataclasses import dataclass

from gateway import limits


@dataclass(frozen=True, slots=True)
class BridgeLimits:
    """The product's limits, unless whoever builds a gateway changes one, as tests do."""

    model_try_max_s: float = limits.model.MODEL_TRY_MAX_S
    hangup_confirm_max_s: float = limits.call.HANGUP_CONFIRM_MAX_S
    sideband_pause_max_s: float = limits.sip.SIDEBAND_PAUSE_MAX_S
    sip_calls_max: int = limits.sip.CALLS_MAX
    sip_accept_max_s: float = limits.sip.ACCEPT_MAX_S
    sip_decide_max_s: float = limits.sip.DECIDE_MAX_S
    sip_hangup_first_pause_s: float = limits.sip.HANG_UP_FIRST_PAUSE_S
    sip_lease_s: float = limits.sip.LEASE_S
    sip_look_s: float = limits.sip.LOOK_S
