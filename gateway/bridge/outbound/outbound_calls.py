"""Outbound calls: placed once, followed while they ring, and given to an agent when answered.

No session is opened before somebody answers. The carrier's callbacks may arrive at another process
than the one that placed the call: they meet in the store.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from time import monotonic
from typing import Final

import msgspec
import structlog

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.outbound import E164, Outbound, reaches
from gateway.bridge.calls.briefings import key_of_order
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.outbound_state import OutboundState, is_over
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.calls.tasks import Tasks
from gateway.call import events, inputs
from gateway.call.briefing import NO_BRIEFING, Briefing
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.errors import LinkError, NotAdmitted, NotDialled
from gateway.ops.limits.admission import Admission
from gateway.ops.limits.signed_tokens import OutboundTokens
from gateway.ops.limits.token_bucket import TokenBucket
from gateway.ops.records.store import RecordStore
from gateway.ops.store.caller_index import CallerIndex
from gateway.ops.store.shared import Store
from gateway.ops.telemetry.metrics import Metrics
from gateway.transports.twilio_rest import TwilioRest

log = structlog.get_logger()

_ENDINGS: Final = {
    "no-answer": (Ending.NO_ANSWER, "no_answer"),
    "busy": (Ending.BUSY, "busy"),
    "canceled": (Ending.CANCELED, "canceled"),
    "failed": (Ending.DIAL_FAILED, "failed"),
}
"""CallStatus of a call that was not answered -> its ending, and the metric's label."""


@dataclass(frozen=True, slots=True)
class OutboundOrder:
    """A call that somebody asked for."""

    to: str
    ours: str
    agent: Agent
    outbound: Outbound
    briefing: Briefing

    @property
    def fingerprint(self) -> str:
        """Hash of what a repeated request has in common with the first one."""
        briefing = msgspec.json.encode(self.briefing, order="sorted").decode()
        asked = f"{self.to} {self.agent.name} {self.ours} {briefing}"
        return sha256(asked.encode()).hexdigest()


@dataclass(slots=True)
class OutboundCall:
    """One outbound call that is under way."""

    facts: CallInfo
    agent: Agent
    slot_key: str
    """Name of its slot among the agent's and the person's calls."""
    rings_until: float
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    status: str = "queued"


@dataclass
class OutboundCalls:
    """Places and follows outbound calls.

    `countries` are the prefixes that may be called at all; none means that outbound is off.
    """

    public_url: str
    countries: tuple[str, ...]
    registry: CallRegistry
    admission: Admission
    allowance: TokenBucket
    tokens: OutboundTokens
    store: Store
    index: CallerIndex
    records: RecordStore
    metrics: Metrics
    tasks: Tasks
    shed: Callable[[], str | None]
    """Why nobody is to be brought to the model now."""
    rest: TwilioRest
    late_s: float = limits.outbound.DIAL_LATE_S
    """Wait beyond the ring timeout before the carrier is asked for the status."""
    new_id: Callable[[], str] = field(default=lambda: secrets.token_hex(8))
    _dials: dict[str, OutboundCall] = field(default_factory=dict)

    # --- Placing ---

    async def place(
        self,
        to: str,
        agent_name: str,
        ours: str | None,
        key: str,
        briefing: Briefing = NO_BRIEFING,
    ) -> str:
        """Dial a person and return the CallSid; the same `key` again is the same call.

        `briefing` says what the call is for. Raises NotDialled.
        """
        agent, outbound = self._agent(agent_name)
        self._check(to, agent, outbound)
        order = OutboundOrder(to, ours or outbound.from_, agent, outbound, briefing)
        return await self._once(key, order) if key else await self._dial(order)

    def _agent(self, name: str) -> tuple[Agent, Outbound]:
        agent = self.registry.book.agents.get(name)
        if agent is None:
            raise NotDialled("no_agent", "There is no such agent.")
        if not self.countries:
            raise NotDialled("off", "Outbound calls are off: set GATEWAY_DIAL_COUNTRIES.")
        if agent.outbound is None:
            raise NotDialled("not_outbound", "That agent has no `outbound` in the agents file.")
        return agent, agent.outbound

    def _check(self, to: str, agent: Agent, outbound: Outbound) -> None:
        """Raise NotDialled for a number that this agent must not call, or not now."""
        if not E164.fullmatch(to):
            raise NotDialled("not_e164", "A number has its country in front, like +14155550123.")
        if not reaches(to, self.countries):
            raise NotDialled("country", "GATEWAY_DIAL_COUNTRIES does not have that country.")
        if outbound.countries and not reaches(to, outbound.countries):
            raise NotDialled("country", "That agent's `outbound.countries` does not have it.")
        if outbound.hours is not None:
            closed = outbound.hours.refusal(to, self.registry.hours_now())
            if closed is not None:
                raise NotDialled("outside_hours", closed)
        refusal = self.registry.refusal(agent.path) or self.shed()
        if refusal is not None:
            raise NotDialled(refusal, _LATER.get(refusal, _LATER["full"]))

    async def _once(self, key: str, order: OutboundOrder) -> str:
        name = f"idempotency:{sha256(key.encode()).hexdigest()}"
        wanted = order.fingerprint
        if not await self.store.claim(name, limits.web.IDEMPOTENCY_KEPT_S):
            return await self._as_before(name, wanted)
        try:
            call_sid = await self._dial(order)
        except NotDialled as error:
            if error.reason != "unknown":
                await self.store.delete(name)
            raise
        done = f"{name}:done"
        await self.store.put(done, f"{wanted} {call_sid}", limits.web.IDEMPOTENCY_KEPT_S)
        # Not the claim: a repeated order must not call somebody again who was forgotten.
        await self.index.note_key(order.to, done)
        return call_sid

    async def _as_before(self, name: str, wanted: str) -> str:
        before, _, call_sid = (await self.store.get(f"{name}:done") or "").partition(" ")
        if not call_sid:
            raise NotDialled(
                "under_way", "That Idempotency-Key is in use: see in a moment, or /api/calls."
            )
        if before != wanted:
            raise NotDialled("key_reused", "That Idempotency-Key was used for another call.")
        return call_sid

    async def _dial(self, order: OutboundOrder) -> str:
        to, ours, agent = order.to, order.ours, order.agent
        wait_s = self.allowance.take()
        if wait_s:
            raise NotDialled("too_fast", "Too many calls at once: wait a second.", wait_s)
        slot_key = f"out-{self.new_id()}"
        try:
            await self.admission.admit(slot_key, to, agent.name, agent.max_calls)
        except NotAdmitted as error:
            raise NotDialled(error.reason, _LATER[error.reason]) from error
        self.registry.reserve_slot(slot_key, agent.path)
        try:
            call_sid = await self._order(order)
        except BaseException:
            await self.admission.release(slot_key)
            raise
        finally:
            self.registry.release_slot(slot_key)
        facts = CallInfo(call_sid, to, ours, agent.name, agent.path, direction="outbound")
        rings_until = monotonic() + order.outbound.ring_timeout_s + self.late_s
        self._begin(OutboundCall(facts, agent, slot_key, rings_until))
        await self.index.note_call(to, facts.key, call_sid)
        await self.registry.dials.remember(call_sid, OutboundState(agent.name, to, ours))
        return call_sid

    async def _order(self, order: OutboundOrder) -> str:
        agent = order.agent
        token = self.tokens.issue(agent.name, order.ours, order.to)
        await self.registry.briefings.order(token, order.briefing)
        await self.index.note_key(order.to, key_of_order(token))
        fields = fields_of(self.public_url, order.outbound, order.ours, order.to, token)
        try:
            return await self.rest.dial(fields)
        except LinkError as error:
            self.metrics.dials.labels(agent.name, "refused").inc()
            log.warning("outbound_not_placed", agent=agent.name, reason=error.reason)
            if error.reason == "unknown":
                raise NotDialled(
                    "unknown", "Twilio did not answer: the call may ring all the same."
                ) from error
            if error.retryable and error.reason.startswith(("twilio_", "http_")):  # 429
                sentence = "Twilio takes no more requests now: wait a second."
                raise NotDialled("too_fast", sentence, 1.0) from error
            if error.reason.startswith("twilio_"):
                code = error.reason.removeprefix("twilio_")
                raise NotDialled("refused", f"Twilio refuses with its error {code}.") from error
            raise NotDialled("unreachable", "Twilio cannot be reached.") from error

    # --- While it rings ---

    def _begin(self, dial: OutboundCall) -> None:
        facts = dial.facts
        self._dials[facts.call_sid] = dial
        self.registry.reserve_slot(facts.call_sid, facts.path)
        self.records.open(facts, dial.agent)
        self.tasks.start(self._follow(dial), f"outbound {facts.call_sid}")

    async def on_status(self, call_sid: str, status: str) -> None:
        """Handle a status callback."""
        await self.registry.dials.set_status(call_sid, status)
        if dial := self._dials.get(call_sid):
            dial.changed.set()

    async def cancel(self, call_sid: str) -> bool:
        """Stops it ringing. False when this process does not have it, or it was answered."""
        dial = self._dials.get(call_sid)
        if dial is None or dial.status == "in-progress":
            return False
        try:
            await self.rest.cancel(call_sid)
        except LinkError as error:
            raise NotDialled("unreachable", "Twilio cannot be reached.") from error
        return True

    async def _follow(self, dial: OutboundCall) -> None:
        """Follow a call until the carrier reports its end, and release its slots then."""
        call_sid = dial.facts.call_sid
        try:
            while not is_over(status := await self._next_status(dial)):
                self._record_progress(dial, status)
            await self._over(dial, status)
        finally:
            del self._dials[call_sid]
            self.registry.release_slot(call_sid)
            await self.admission.release(dial.slot_key)

    async def _next_status(self, dial: OutboundCall) -> str:
        """Wait for the next status; ask the carrier when no callback comes for too long."""
        call_sid = dial.facts.call_sid
        while (status := await self.registry.dials.status(call_sid)) == dial.status:
            if monotonic() > dial.rings_until:
                return await self._asked(dial)
            try:
                await asyncio.wait_for(dial.changed.wait(), limits.outbound.DIAL_LOOK_S)
            except TimeoutError:
                continue
            dial.changed.clear()
        dial.status = status
        if status == "in-progress":
            dial.rings_until = monotonic() + dial.agent.max_call_s + limits.call.WARN_BEFORE_END_S
        return status

    async def _asked(self, dial: OutboundCall) -> str:
        """No callback came: what the carrier's list of calls says, and else that it is lost."""
        status = await self.rest.status(dial.facts.call_sid)
        log.warning("outbound_status_missing", call_sid=dial.facts.call_sid, status=status)
        if is_over(status) and status:
            return status
        try:
            await self.rest.hang_up(dial.facts.call_sid)
        except LinkError as error:
            log.error("outbound_hangup_failed", call_sid=dial.facts.call_sid, reason=error.reason)
        return "completed" if dial.status == "in-progress" else "failed"

    def _record_progress(self, dial: OutboundCall, status: str) -> None:
        if status == "ringing":
            self.records.on_event(dial.facts, events.CalleeRinging())
        elif status == "in-progress":
            self.metrics.dials.labels(dial.facts.agent, "answered").inc()
            self.records.on_event(dial.facts, events.CalleeAnswered())

    async def _over(self, dial: OutboundCall, status: str) -> None:
        """Record the end, unless an agent had the call and has reported its end itself."""
        facts = dial.facts
        ending, outcome = _ENDINGS.get(status, _ENDINGS["failed"])
        if status == "completed":
            known = await self.registry.ending_of(facts.call_sid)
            ending = known or Ending.NEVER_ARRIVED
        else:
            self.metrics.dials.labels(facts.agent, outcome).inc()
        if not self.registry.calls_of(facts.call_sid):
            self.records.on_event(facts, _ended(ending))
        log.info("outbound_ended", call_sid=facts.call_sid, agent=facts.agent, status=status)

    # --- Who has answered ---

    async def detected(self, call_sid: str, who: str) -> None:
        """Handle the result of answering machine detection."""
        await self.registry.dials.set_answered_by(call_sid, who)
        for call in self.registry.calls_of(call_sid):
            self._pass_detection(call, who)

    def watch(self, call: LiveCall) -> None:
        """A call of ours was answered, here: what is detected may be told elsewhere."""
        outbound = call.machine.agent.outbound if call.facts.direction == "outbound" else None
        if outbound is not None and outbound.detects and not call.machine.resumed:
            self.tasks.start(self._listen(call), f"detection {call.facts.key}")

    async def _listen(self, call: LiveCall) -> None:
        until = monotonic() + limits.outbound.DETECTION_LATE_S
        while not call.over and monotonic() < until:
            if who := await self.registry.dials.answered_by(call.facts.call_sid):
                return self._pass_detection(call, who)
            await asyncio.sleep(limits.outbound.DETECTION_LOOK_S)
        return None

    def _pass_detection(self, call: LiveCall, who: str) -> None:
        if not call.over:
            call.notify(inputs.MachineDetectionFinished(who))


_LATER: Final = {
    "draining": "This process is stopping: ask another one.",
    "full": "There is no slot for another call: ask again later.",
    "budget": "The day's budget is used up.",
    "model_down": "The model is down: ask again later.",
    "rate_limited": "What is left of the model's rate belongs to running calls: ask again later.",
    "agent_full": "That agent has as many calls as it may have.",
    "caller_busy": "That person is in as many calls as they may be in.",
}


def fields_of(
    public_url: str, outbound: Outbound, ours: str, to: str, token: str
) -> dict[str, str | list[str]]:
    """Return the fields of the request. Source: Calls resource, 2010-04-01."""
    fields: dict[str, str | list[str]] = {
        "To": to,
        "From": ours,
        "Url": f"{public_url}/twilio/voice?dial={token}",
        "Method": "POST",
        "StatusCallback": f"{public_url}/twilio/status",
        "StatusCallbackMethod": "POST",
        "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
        "Timeout": str(outbound.ring_timeout_s),
    }
    if not outbound.detects:
        return fields
    return fields | {
        # Only an agent that leaves a message has to wait for the end of the greeting.
        "MachineDetection": "DetectMessageEnd" if outbound.leaves_message else "Enable",
        "MachineDetectionTimeout": str(limits.outbound.DETECTION_MAX_S),
        "AsyncAmd": "true",
        "AsyncAmdStatusCallback": f"{public_url}/twilio/amd",
        "AsyncAmdStatusCallbackMethod": "POST",
    }


def _ended(ending: Ending) -> events.CallEnded:
    return events.CallEnded(
        ending, "", arrived=False, seconds=0.0, waits_s=(), barge_ins=0, tools=0, tokens=0
    )
