"""Calls of this process: announced by the webhook, connected when their stream starts, ended."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from time import monotonic, time
from typing import Any

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.informed import informed
from gateway.agents.routing import AgentBook
from gateway.audio.wire import MULAW_8K, PCM_24K, WireFormat
from gateway.bridge.calls.agents_in_use import AgentsInUse
from gateway.bridge.calls.briefings import Briefings
from gateway.bridge.calls.call_table import CallTable
from gateway.bridge.calls.carriers import Carrier
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.outbound_state import OutboundStates
from gateway.bridge.calls.running_call import RunningCall
from gateway.bridge.calls.services import CallServices
from gateway.call import events, inputs
from gateway.call.briefing import NO_BRIEFING, Briefing
from gateway.call.call_info import CallInfo
from gateway.call.context import WallClock
from gateway.call.dialogue.agent_change import AgentSession, Colleagues
from gateway.call.endings import Ending
from gateway.call.machine import CallMachine
from gateway.call.paths import media_call, sip_call
from gateway.call.snapshot import CallSnapshot
from gateway.errors import NotAdmitted
from gateway.limits.patience import CALL_PATIENCE, CallPatience
from gateway.ops.store.shared import Store


class CallRegistry:
    """Admits calls to this process and finds them again."""

    def __init__(
        self,
        agents: AgentsInUse,
        services: CallServices,
        table: CallTable,
        store: Store,
        max_calls: int,
        announced: Callable[[LiveCall], None],
        spent_out: Callable[[], bool],
        hours_shift_s: float = 0.0,
        *,
        clock: Callable[[], float] = time,
        sip_calls_max: int = limits.sip.CALLS_MAX,
        patience: CallPatience = CALL_PATIENCE,
    ) -> None:
        """`announced` gets each call before its first event; `spent_out` says whether the day's
        budget is used up; `clock` is Unix time, and `hours_shift_s` its offset for opening hours:
        not zero in a rehearsal at another time. `patience` is that of each call.
        """
        self.agents = agents
        self.draining = False
        self._handing_over = False
        """The last phase of draining: calls are being handed over."""
        self._services, self._table, self._store = services, table, store
        self._max_calls, self._sip_calls_max = max_calls, sip_calls_max
        self._announced, self._spent_out = announced, spent_out
        self._clock, self._hours_shift_s = clock, hours_shift_s
        self._patience = patience
        self.dials = OutboundStates(store)
        self.briefings = Briefings(store)
        self._reserved: dict[str, str] = {}
        """Slots reserved for people who are being called: the path of each."""

    @property
    def book(self) -> AgentBook:
        """Agents and routes of calls that begin now."""
        return self.agents.current.book

    @property
    def max_calls(self) -> int:
        """Media calls that this process takes at once."""
        return self._max_calls

    @property
    def calls(self) -> list[LiveCall]:
        """Running calls, those that are still expected included."""
        return self._table.calls

    @property
    def active(self) -> int:
        return len(self._table.calls) + len(self._reserved)

    @property
    def sends_on(self) -> bool:
        """Whether callers who come back belong to another process: this one stops."""
        return self.draining and self._store.shared

    @property
    def hands_over(self) -> bool:
        """Whether this process stops in a moment, and another one can go on with its calls."""
        return self._handing_over and self._store.shared

    def pass_on(self, call_sid: str) -> None:
        """Record that a caller who came back was sent on: that their leg ended is no failure."""
        self._store.remember(f"ending:{call_sid}", Ending.DRAINED, limits.store.ENDINGS_KEPT_S)

    def reserve_slot(self, key: str, path: str) -> None:
        """Reserve a slot for a person being called, until they answer or `release_slot`."""
        self._reserved[key] = path

    def release_slot(self, key: str) -> None:
        self._reserved.pop(key, None)

    def refusal(
        self, path: str = "media-streams", call_sid: str = "", *, resumed: bool = False
    ) -> str | None:
        """Why no further call is taken: `draining`, `full`, `budget`; or None.

        A call that we placed has had its slot since then. A caller who is `resumed` was admitted
        before: during a drain such a call is still admitted.
        """
        if call_sid in self._reserved:
            return None
        if self._handing_over or (self.draining and not resumed):
            return "draining"
        reserved = sum(one == path for one in self._reserved.values())
        full = (
            self._table.sip_count + reserved >= self._sip_calls_max
            if path == "sip"
            else self._table.media_count + reserved >= self._max_calls
        )
        if full:
            return "full"
        return "budget" if self._spent_out() else None

    def on_duty(self, dialled: Sequence[str]) -> Agent | None:
        """Return the agent of the first of these numbers that a route names, at this hour."""
        return self.book.pick_any(dialled, self.hours_now())

    def hours_now(self) -> float:
        """Return the Unix time by which hours are looked up; shifted in a rehearsal."""
        return self._clock() + self._hours_shift_s

    def session(
        self,
        agent: Agent,
        path: str,
        briefing: Briefing = NO_BRIEFING,
        wire: WireFormat = MULAW_8K,
    ) -> Mapping[str, Any]:
        """Return the session configuration of a call that begins now."""
        sessions = self.agents.version_of(agent).sessions
        return sessions.of(agent.name, path, briefing.facts, _audio(agent, wire))

    def announce(
        self,
        facts: CallInfo,
        agent: Agent,
        opening: str | None = None,
        state: CallSnapshot | None = None,
        briefing: Briefing = NO_BRIEFING,
        wire: WireFormat = MULAW_8K,
    ) -> LiveCall:
        """A media call is on its way: its session is opened meanwhile. Raises NotAdmitted.

        One that is expected already is the same call: the carrier's fallback asks again.
        `opening` tells the model how to begin, in place of the agent's greeting; `state` is what
        was before, in another connection or process; `wire` is the format of the caller's sound.
        """
        waiting = self.expected(facts.call_sid)
        if waiting is not None and (state is None or state.streams <= waiting.machine.streams):
            return waiting
        if waiting is not None:
            # Announced here, begun elsewhere, and come back: this one knows nothing of it.
            waiting.hang_up(Ending.NEVER_ARRIVED)
        self._admit("media-streams", facts.call_sid, resumed=state is not None)
        briefing = state.briefing if state is not None else briefing
        session = self.session(agent, "media-streams", briefing, wire)
        machine = media_call(
            informed(agent, briefing.facts, briefing.greeting),
            session,
            _event_ids(),
            monotonic(),
            self._wall_clock(),
            facts,
            self._patience,
            wire,
            self._colleagues(agent, "media-streams", _audio(agent, wire)),
            may_be_recorded=state is None and self.agents.version_of(agent).book.may_record(agent),
        )
        self._store.forget(f"ending:{facts.call_sid}")
        carriers = self._services.carriers
        carrier = carriers.twilio if facts.has_carrier else carriers.browser
        call = self._call(facts, machine, carrier, agent, opening, state, briefing)
        self._table.add_media(call)
        self._begin(call, open_session=True)
        return call

    def announce_sip(
        self,
        facts: CallInfo,
        agent: Agent,
        session: Mapping[str, Any],
        opening: str | None = None,
        state: CallSnapshot | None = None,
        briefing: Briefing = NO_BRIEFING,
        announced_at: float | None = None,
    ) -> LiveCall:
        """A SIP call is about to be accepted with this session, or was by another process.

        Its webhook came in at `announced_at`, by default now. Raises NotAdmitted.
        """
        self._admit("sip", facts.call_sid)
        machine = sip_call(
            informed(agent, briefing.facts, briefing.greeting),
            session,
            _event_ids(),
            monotonic(),
            self._wall_clock(),
            facts,
            self._patience,
            self._colleagues(agent, "sip", agent.audio),
            announced_at,
        )
        carrier = self._services.carriers.sip
        call = self._call(facts, machine, carrier, agent, opening, state, briefing)
        self._table.add_sip(call)
        self._begin(call, open_session=False)
        return call

    def _call(
        self,
        facts: CallInfo,
        machine: CallMachine,
        carrier: Carrier,
        agent: Agent,
        opening: str | None,
        state: CallSnapshot | None,
        briefing: Briefing,
    ) -> LiveCall:
        """Return a call whose core knows what was before, and how it is to begin."""
        machine.brief(briefing)
        if state is not None:
            machine.resume(state)
        if opening:
            machine.begin_with(opening)
        # After `resume`, since the bill has the spend limit of the agent that leads the call.
        call = LiveCall(facts, machine, carrier, self._services, self.agents.version_of(agent))
        if state is not None:
            call.bill.carry_on(state.spent_micro_usd, state.minutes, state.talked_s)
        return call

    def _begin(self, call: LiveCall, *, open_session: bool) -> None:
        self.agents.begin(call.agents)
        self._announced(call)
        call.begin(open_session=open_session)

    def decide_anew(self, call: LiveCall, name: str, briefing: Briefing) -> None:
        """Have an expected media call led by the agent of that name, and told this."""
        first = call.agents.book.agents[call.facts.agent]
        # The sound of the line is as the session was asked for it.
        audio = call.machine.agent.audio
        found = self._colleagues(first, "media-streams", audio)(name, briefing.facts)
        if found is not None:
            greeting = briefing.greeting or found.agent.greeting
            agent = found.agent.model_copy(update={"greeting": greeting})
            call.notify(inputs.CallDecided(agent, found.session, briefing))

    def _colleagues(self, first: Agent, path: str, audio: str) -> Colleagues:
        """Return how a call finds the agents that it is handed over to.

        They take what belongs to the line from the agent with which the call began: the sound of
        a stream that runs cannot be another.
        """
        version = self.agents.version_of(first)
        of_line = {"audio": audio, "lead_ms": first.lead_ms}

        def find(name: str, known: Mapping[str, str]) -> AgentSession | None:
            agent = version.book.agents.get(name)
            if agent is None:
                return None
            session = version.sessions.of(name, path, known, audio)
            return AgentSession(informed(agent, known).model_copy(update=of_line), session)

        return find

    def _wall_clock(self) -> WallClock:
        return WallClock(self._clock() - monotonic(), self._hours_shift_s)

    def _admit(self, path: str, call_sid: str, *, resumed: bool = False) -> None:
        reason = self.refusal(path, call_sid, resumed=resumed)
        self._reserved.pop(call_sid, None)
        if reason is not None:
            raise NotAdmitted(reason)

    @property
    def sip_calls(self) -> list[LiveCall]:
        return self._table.sip_calls

    def call(self, key: str) -> LiveCall | None:
        """A running or expected call, by what the operators know it by."""
        return self._table.call(key)

    def media_call(self, call_sid: str) -> LiveCall | None:
        return self._table.media_call(call_sid)

    def expected(self, call_sid: str) -> LiveCall | None:
        """The call that waits for this stream."""
        call = self._table.media_call(call_sid)
        return None if call is None or call.machine.arrived else call

    def stream_is_over(self, call_sid: str, *, drained: bool) -> None:
        """The carrier says so, perhaps before we have noticed that the socket broke."""
        call = self._table.media_call(call_sid)
        if call is not None and call.machine.arrived:
            call.hang_up(Ending.DRAINED if drained else Ending.MEDIA_BROKEN)

    def calls_of(self, call_sid: str) -> list[LiveCall]:
        """Running calls of one telephone call: on a stream, or on the model's leg."""
        return self._table.calls_of(call_sid)

    def leg_is_over(self, call_sid: str) -> None:
        """The carrier says so: nothing stays active on our side after it has ended there."""
        waiting = self.expected(call_sid)
        if waiting is not None:
            waiting.hang_up(Ending.NEVER_ARRIVED)
        for call in self._table.sip_calls_of(call_sid):
            call.leg_ended()

    def dial_is_over(self, call_sid: str) -> None:
        """The model's leg of a dial has ended, and the caller is still there: it broke off."""
        for call in self._table.sip_calls_of(call_sid):
            call.hang_up(Ending.MODEL_LOST)

    def begin_with(self, call_sid: str, opening: str | None) -> None:
        """How the model is to begin with the caller for whom it is being dialled."""
        if opening is not None:
            self._store.remember(f"opening:{call_sid}", opening, limits.sip.TOKEN_S)

    async def opening_of(self, call_sid: str) -> str | None:
        """The same, in whichever process; the INVITE does not say it."""
        return await self._store.get(f"opening:{call_sid}")

    def dialling_for(self, call_sid: str, dialled: str) -> None:
        """Remember the number that a caller dialled while the model is being dialled by SIP."""
        self._store.remember(f"dialled:{call_sid}", dialled, limits.sip.TOKEN_S)

    async def dialled_by(self, call_sid: str) -> str | None:
        """Return the number that `dialling_for` remembered, in any process."""
        return await self._store.get(f"dialled:{call_sid}")

    def on_event(self, call: RunningCall, event: events.CallEvent) -> None:
        """Remove a call that ended, so that its slot is free at once."""
        if isinstance(event, events.CallEnded):
            self._table.remove(call)
            self.agents.end(call.agents, call.facts.call_sid)
            if call.facts.call_sid and event.ending is not Ending.NEVER_ARRIVED:
                key = f"ending:{call.facts.call_sid}"
                self._store.remember(key, event.ending, limits.store.ENDINGS_KEPT_S)

    async def ending_of(self, call_sid: str) -> Ending | None:
        """How a call ended a short while ago, in whichever process."""
        ending = await self._store.get(f"ending:{call_sid}")
        return Ending(ending) if ending else None

    def hand_over_all(self, *, now: bool) -> None:
        """To other processes: each call in its next quiet moment, or at once."""
        self._handing_over = True
        for call in self.calls:
            if call.machine.arrived and (self._store.shared or not call.facts.call_id):
                call.notify(inputs.HandOverRequested(now))
            elif now:
                call.hang_up(Ending.DRAINED)

    def end_all(self, ending: Ending) -> None:
        for call in self.calls:
            call.hang_up(ending)


def _audio(agent: Agent, wire: WireFormat) -> str:
    """Return the model's format for a line: PCM goes through as it is."""
    return "pcm24k" if wire is PCM_24K else agent.audio


def _event_ids() -> Callable[[], str]:
    """Ids of our events, unique in a session: a prefix of chance, and a count."""
    prefix, numbers = f"gw_{secrets.token_hex(4)}_", count()
    return lambda: f"{prefix}{next(numbers)}"
