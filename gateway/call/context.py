"""Context of one call, shared by its parts: phase, clock, outbox, timers, responses, history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.call import commands as do
from gateway.call import events
from gateway.call.endings import Ending
from gateway.call.history import ConversationHistory, HistoryReplay
from gateway.call.part import CallPart, overriding
from gateway.call.privacy.call_privacy import CallPrivacy
from gateway.call.responses import UNSEEN, ResponseArbiter, ResponseRequest
from gateway.call.state_machines import CallPhase, LinkState, step_link, step_phase
from gateway.call.timers import Timer, Timers
from gateway.limits.patience import CALL_PATIENCE, CallPatience
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_items as items

Out = do.Command | events.CallEvent

NOTHING: Final[Sequence[Out]] = ()
"""Returned for an event that changed nothing, not even the next deadline."""


@dataclass(slots=True)
class CallTally:
    """Totals that the end of a call reports, and the next process of a call takes over."""

    barge_ins: int = 0
    tools_called: int = 0
    tokens: int = 0
    waits_s: list[float] = field(default_factory=list)
    """The caller's wait in each turn."""
    talked_s: float = 0.0
    """Before the call reached this process."""
    streams: int = 0
    """How many streams the call has had, the current one included."""
    resumes: int = 0
    """How often the call was resumed on another stream."""


@dataclass(frozen=True, slots=True)
class WallClock:
    """The time of day, as far as a call needs it."""

    unix_offset_s: float
    """Unix time less the clock that a call is told."""
    hours_shift_s: float = 0.0
    """How far opening hours are shifted, in a rehearsal."""

    def unix_s(self, now: float) -> float:
        return now + self.unix_offset_s

    def hours_s(self, now: float) -> float:
        """Return the Unix time that opening hours are looked up by."""
        return now + self.unix_offset_s + self.hours_shift_s


class CallerActivity:
    """Activity of the caller at this moment, as far as is known."""

    def __init__(self, responses: ResponseArbiter) -> None:
        self._responses = responses
        self.speaking = False
        self.brief = False
        """The caller spoke while the model did, too briefly so far to interrupt it."""
        self.broke_in = False
        """The caller interrupted the model, and is still speaking."""
        self.doubted = False
        """Speech was reported that never ended: it may be no speech, until a turn ends well."""
        self.typing = False
        """An entry of keys has begun and is not complete."""

    def starts_speaking(self) -> None:
        self.speaking = self._responses.deferred = True

    def falls_silent(self) -> None:
        if self.speaking:
            # The server's own response begins with what it knows now; later items come too late.
            self._responses.begins()
        self.speaking = self._responses.deferred = self.broke_in = False

    def forget_speech(self) -> None:
        """Reset the speech flags: after a lost session nobody knows whether the caller speaks."""
        self.speaking = self.brief = self.broke_in = self.doubted = False
        self._responses.deferred = False

    @property
    def surely_speaking(self) -> bool:
        return self.speaking and not self.doubted


class ModelAnswer:
    """How far the model's current answer has come."""

    def __init__(self) -> None:
        self.item_id: str | None = None
        """The item of the response in flight that the caller hears, or is about to hear."""
        self.since_caller = False
        """Whether the model has spoken since the caller's last turn."""
        self.sounded = False
        """Whether the item has all its sound: no more is due but the end of its response."""
        self._retries = 0

    def spoke(self, item_id: str) -> None:
        """Record that a new item of the model's began to sound."""
        self.item_id = item_id
        self.sounded = False
        self.since_caller = True
        self._retries = 0

    def over(self) -> None:
        """Forget the item: its response is over, or was lost."""
        self.item_id = None
        self.sounded = False

    def caller_stopped(self) -> None:
        """Record that the caller's turn is over, and the model has not spoken since."""
        self.since_caller = False

    @property
    def retries(self) -> int:
        """Retries since the model last spoke."""
        return self._retries

    def may_retry(self) -> bool:
        """Count one more retry since the model last spoke; False when there were enough."""
        self._retries += 1
        return self._retries <= limits.model.RESPONSE_RETRIES_MAX


class CallContext:
    """Joint state of a call's parts, and the only way for them to put something out."""

    def __init__(
        self,
        agent: Agent,
        new_id: Callable[[], str],
        now: float,
        *,
        server_answers: bool = True,
        wall_clock: WallClock | None = None,
        patience: CallPatience = CALL_PATIENCE,
        announced_at: float | None = None,
    ) -> None:
        """`new_id` makes ids for events and items.

        `server_answers`: whether a turn of the caller's makes a response by itself.
        Without a `wall_clock` the call does not know the time of day, and believes that every
        session lasts as long as one may. `announced_at` is when the call was announced, where
        something took time since then.
        """
        self.agent = agent
        self.privacy = CallPrivacy.of(agent)
        """Of all agents that took part, the strictest."""
        self.now = now
        self.new_id = new_id
        self.wall_clock = wall_clock
        self.server_answers = server_answers
        self.language = agent.language
        """A tag of BCP 47: of what the caller hears or reads beside the model."""
        self.patience = patience
        self.phase = CallPhase.EXPECTED
        self.link = LinkState.CONNECTING
        self.ending: Ending | None = None
        self.announced_at = now if announced_at is None else announced_at
        self.arrived_at: float | None = None
        self.heard_server_at = now
        """When the model's server last said anything."""
        self.timers = Timers()
        self.responses = ResponseArbiter()
        self.history = ConversationHistory()
        self.tally = CallTally()
        self.caller = CallerActivity(self.responses)
        self.answer = ModelAnswer()
        self._goodbye_by = 0.0
        self._out: list[Out] = []
        self._closed = False
        self.attach(())
        self.wake(Timer.ARRIVAL, patience.arrival_max_s)

    # --- Output and time ---

    def put(self, out: Out) -> None:
        if not self._closed:
            self._out.append(out)

    def to_model(self, data: bytes) -> None:
        if not self._closed:
            self._out.append(do.SendToModel(data))

    def to_caller(self, messages: Sequence[bytes]) -> None:
        if not self._closed:
            self._out.extend([do.SendToCaller(message) for message in messages])

    def take(self) -> list[Out]:
        out, self._out = self._out, []
        return out

    def wake(self, timer: Timer, after_s: float) -> None:
        self.timers.set(timer, self.now + after_s)

    # --- Life ---

    def arrive(self) -> None:
        """The caller is on the line."""
        self.phase = step_phase(self.phase, CallPhase.TALKING)
        self.arrived_at = self.now
        self.tally.streams += 1
        self.timers.clear(Timer.ARRIVAL)
        self.put(events.CallerConnected(self.now - self.announced_at))
        self._limit_length()

    def _limit_length(self) -> None:
        """Set the timers of the call's longest time, which is its agent's."""
        left_s = max(0.0, self.agent.max_call_s - self.talked_s)
        self.wake(Timer.LENGTH, left_s)
        if self.agent.max_call_s >= 2 * limits.call.WARN_BEFORE_END_S:
            self.wake(Timer.WARN, max(0.0, left_s - limits.call.WARN_BEFORE_END_S))
        else:
            self.timers.clear(Timer.WARN)

    @property
    def talked_s(self) -> float:
        """How long the caller has been in the conversation, in all processes together."""
        here_s = self.now - self.arrived_at if self.arrived_at is not None else 0.0
        return self.tally.talked_s + here_s

    def start_goodbye(self) -> None:
        self.phase = step_phase(self.phase, CallPhase.GOODBYE)
        self._goodbye_by = self.now + limits.call.ENDING_MAX_S
        self.extend_goodbye(self.patience.goodbye_max_s)

    def extend_goodbye(self, seconds: float) -> None:
        """Give a goodbye that makes progress more time, up to the longest that one may take."""
        self.timers.set(Timer.GOODBYE, min(self.now + seconds, self._goodbye_by))

    def move_to(self, phase: CallPhase) -> None:
        self.phase = step_phase(self.phase, phase)

    def move_link(self, link: LinkState) -> None:
        self.link = step_link(self.link, link)

    def end(self, ending: Ending, reason: str = "") -> None:
        """End the call, once: each part first cleans up behind itself."""
        if self.phase is not CallPhase.CLOSED:
            self._notify(self._call_ends)
            self.close(ending, reason)

    def close(self, ending: Ending, reason: str = "") -> None:
        """End the call without asking any part; nothing is put out after its last event."""
        if self.phase is CallPhase.CLOSED:
            return
        self.phase = step_phase(self.phase, CallPhase.CLOSED)
        self.ending = ending
        self.timers.clear_all()
        self.put(do.CloseModel())
        self.put(do.HangUp() if ending.ours else do.CloseCaller())
        arrived, tally = self.arrived_at, self.tally
        self.put(
            events.CallEnded(
                ending,
                reason,
                arrived=arrived is not None,
                seconds=self.now - arrived if arrived is not None else 0.0,
                waits_s=tuple(tally.waits_s),
                barge_ins=tally.barge_ins,
                tools=tally.tools_called,
                tokens=tally.tokens,
            )
        )
        self._closed = True

    @property
    def takes_operator_requests(self) -> bool:
        """Whether an operator's request can be met: people talk, and the model hears."""
        return self.phase is CallPhase.TALKING and self.link is LinkState.READY

    # --- The model ---

    def request(self, wanted: ResponseRequest) -> None:
        """Queue a response; it is asked for when nothing else is in flight."""
        if not self.responses.request(wanted):
            self.put(events.ModelErrorReported("unknown", "too_many_responses"))

    def expect_response(self) -> None:
        """Wait for the server's own response: one asked for now would be refused, or a second."""
        if self.server_answers and not self.responses.busy:
            self.await_response()

    def await_response(self) -> None:
        """Ask for nothing until a response has begun, or should have."""
        self.responses.deferred = True
        self.wake(Timer.RESPONSE, limits.model.RESPONSE_START_MAX_S)

    def response_progressed(self) -> None:
        if self.responses.active_id is not None:
            self.wake(Timer.RESPONSE, limits.model.RESPONSE_STALL_MAX_S)

    def response_sounded(self, left_s: float) -> None:
        """Expect the end of the response in flight; its sound is played for so long yet."""
        if self.responses.active_id is not None:
            self.answer.sounded = True
            self.wake(Timer.RESPONSE, left_s + limits.model.RESPONSE_OVER_MAX_S)

    @property
    def awaited(self) -> bool:
        """Whether a response is on its way, or is wanted."""
        return not self.responses.idle or Timer.RESPONSE in self.timers

    def create_item(self, item: dict[str, Any]) -> None:
        self.to_model(to_model.item_create(item, self.new_id()))

    def delete_item(self, item_id: str) -> None:
        self.to_model(to_model.item_delete(item_id, self.new_id()))

    def retell(self, replay: HistoryReplay) -> None:
        """Say anew what the session knows as text: text cannot be truncated."""
        if replay.replaces:
            self.delete_item(replay.item.replay_id)
        item = replay.item.as_item()
        if item is not None:
            self.to_model(to_model.item_create(item, self.new_id(), replay.after))

    def cancel_response(self, response_id: str) -> None:
        """Cancel this response; one that nobody saw begin has no name: whatever runs."""
        named = None if response_id == UNSEEN else response_id
        self.to_model(to_model.response_cancel(self.new_id(), named))

    def notify_model(self, text: str) -> None:
        """Put a system message into the conversation, for the model's next answer."""
        self.create_item(items.system_text(text))

    # --- Notifying the parts ---

    def attach(self, parts: Sequence[CallPart]) -> None:
        """Set who is notified: the parts of the call, in the order of the machine's tuple."""
        self._session_ready = tuple(p.session_ready for p in overriding(parts, "session_ready"))
        self._session_lost = tuple(p.session_lost for p in overriding(parts, "session_lost"))
        self._session_changes = tuple(
            p.session_changes for p in overriding(parts, "session_changes")
        )
        self._session_unseen = tuple(p.session_unseen for p in overriding(parts, "session_unseen"))
        self._session_given_up = tuple(
            p.session_given_up for p in overriding(parts, "session_given_up")
        )
        self._agent_changed = tuple(p.agent_changed for p in overriding(parts, "agent_changed"))
        self._caller_spoke = tuple(p.caller_spoke for p in overriding(parts, "caller_spoke"))
        self._call_ends = tuple(p.call_ends for p in overriding(parts, "call_ends"))

    def session_ready(self) -> None:
        """A new session of the model's is confirmed and has been told what was said."""
        self._notify(self._session_ready)

    def session_lost(self) -> None:
        """The session is gone, and with it all that the server was doing in it."""
        self._notify(self._session_lost)

    def session_changes(self) -> None:
        """Another session is about to take the place of the one in use."""
        self._notify(self._session_changes)

    def session_unseen(self) -> None:
        """The connection is lost, and the session goes on without us."""
        self._notify(self._session_unseen)

    def session_given_up(self, ending: Ending, reason: str) -> None:
        """No further connection to the session is tried."""
        for hook in self._session_given_up:
            hook(ending, reason)

    def change_agent(self, agent: Agent, *, server_answers: bool) -> None:
        """Have another agent lead the conversation; its session is the one in use."""
        before, self.agent, self.server_answers = self.agent, agent, server_answers
        if "language" in agent.model_fields_set:
            self.language = agent.language
        self._limit_length()
        wanted = agent.result is not None
        self.put(events.AgentChanged(before.name, agent.name, agent.model, wanted))
        self._notify(self._agent_changed)

    def apply_privacy(self, privacy: CallPrivacy) -> None:
        """Have these switches hold for the whole call from now on."""
        if privacy != self.privacy:
            self.privacy = privacy
            self.put(events.PrivacyChanged(privacy))

    def caller_spoke(self) -> None:
        """The caller did something: spoke, pressed a key, sent a picture."""
        self._notify(self._caller_spoke)

    @staticmethod
    def _notify(hooks: Sequence[Callable[[], None]]) -> None:
        for hook in hooks:
            hook()
