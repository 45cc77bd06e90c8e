"""The two paths of a call: each makes the machine with its own line and link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.agents.config.agent import Agent
from gateway.audio.transcode import caller_to_model, model_to_caller
from gateway.audio.wire import MULAW_8K, WireFormat
from gateway.call.call_info import CallInfo
from gateway.call.context import CallContext, WallClock
from gateway.call.dialogue.agent_change import Colleagues, no_colleagues
from gateway.call.line.downlink import Downlink
from gateway.call.line.media_line import MediaLine
from gateway.call.line.sip_line import SipLine
from gateway.call.line.sound_tap import RecordedUplink, SoundTap
from gateway.call.line.uplink import Uplink
from gateway.call.machine import CallMachine
from gateway.call.session import session_audio
from gateway.call.session.model_session import ModelSession
from gateway.call.session.opening_items import OpeningItems
from gateway.call.session.sideband import Sideband
from gateway.call.tools.open_work import OpenWork
from gateway.limits.patience import CALL_PATIENCE, CallPatience


def media_call(
    agent: Agent,
    session: Mapping[str, Any],
    new_id: Callable[[], str],
    now: float,
    wall_clock: WallClock | None = None,
    info: CallInfo | None = None,
    patience: CallPatience = CALL_PATIENCE,
    wire: WireFormat = MULAW_8K,
    colleagues: Colleagues = no_colleagues,
    *,
    may_be_recorded: bool = False,
) -> CallMachine:
    """Return a call whose sound passes through us: Twilio Media Streams, or a browser.

    `session` is what the agent asks of the model, `info` what its sessions are told of the call,
    `wire` the format of the caller's sound, `colleagues` finds the agents to which it may hand
    over. `may_be_recorded`: before the first word an agent that records calls may be decided on.
    For the rest see `CallContext`.
    """
    ctx = _context(agent, session, new_id, now, wall_clock, patience)
    work = OpenWork(ctx, _offered(session), session_lives_on=False)
    downlink = Downlink(model_to_caller(agent.audio, wire), agent.lead_ms, wire)
    recorded = agent.recording is not None or may_be_recorded
    tap = SoundTap(ctx, downlink.ledger, wire) if recorded else None
    to_model = caller_to_model(agent.audio, wire)
    uplink = Uplink(to_model, wire) if tap is None else RecordedUplink(to_model, tap, wire)
    line = MediaLine(ctx, work, uplink, downlink, wire, tap)
    opening = OpeningItems(ctx, info)
    link = ModelSession(ctx, work, line, session, opening)
    return CallMachine(ctx, work, line, link, opening, colleagues)


def sip_call(
    agent: Agent,
    session: Mapping[str, Any],
    new_id: Callable[[], str],
    now: float,
    wall_clock: WallClock | None = None,
    info: CallInfo | None = None,
    patience: CallPatience = CALL_PATIENCE,
    colleagues: Colleagues = no_colleagues,
    announced_at: float | None = None,
) -> CallMachine:
    """Return a call whose sound the model's server plays and hears: OpenAI's SIP endpoint.

    It begins when it is known what is to become of it; `announced_at` is when the webhook came in,
    by default now. `CallAccepted` is the caller's arrival.
    """
    ctx = _context(agent, session, new_id, now, wall_clock, patience, announced_at)
    work = OpenWork(ctx, _offered(session), session_lives_on=True)
    line = SipLine(ctx)
    link = Sideband(ctx, work, line, session)
    return CallMachine(ctx, work, line, link, OpeningItems(ctx, info), colleagues)


def _context(
    agent: Agent,
    session: Mapping[str, Any],
    new_id: Callable[[], str],
    now: float,
    wall_clock: WallClock | None,
    patience: CallPatience,
    announced_at: float | None = None,
) -> CallContext:
    return CallContext(
        agent,
        new_id,
        now,
        server_answers=session_audio.server_answers(session),
        wall_clock=wall_clock,
        patience=patience,
        announced_at=announced_at,
    )


def _offered(session: Mapping[str, Any]) -> list[str]:
    """Return the names of the functions that the session offers to the model."""
    return [str(tool.get("name", "")) for tool in session.get("tools", ())]
