"""The machine that is one call, sans I/O: events in, commands and call events out.

It is given what happened and when, and returns what is to be done. It never awaits, reads a clock
or logs; `now` is in seconds of a monotonic clock. The parts put what is to be done into the
outbox of the context; after an event each part in turn does what has become due.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.agents.config.agent import Agent
from gateway.call import events
from gateway.call.briefing import Briefing
from gateway.call.context import NOTHING, CallContext, Out
from gateway.call.dialogue import prompts
from gateway.call.dialogue.agent_change import AgentChange, Colleagues
from gateway.call.dialogue.answering_machine import MachineDetection
from gateway.call.dialogue.call_decision import CallDecision
from gateway.call.dialogue.call_screening import CallScreening
from gateway.call.dialogue.caller_language import CallerLanguage
from gateway.call.dialogue.dtmf_input import DtmfInput
from gateway.call.dialogue.floor import Floor
from gateway.call.dialogue.goodbye import Goodbye
from gateway.call.dialogue.greeting import Greeting
from gateway.call.dialogue.hand_over import HandOver
from gateway.call.dialogue.idle import IdleWatch
from gateway.call.dialogue.image_input import ImageInput
from gateway.call.dialogue.recording import CallRecording
from gateway.call.dialogue.response_control import ResponseControl
from gateway.call.dialogue.response_outcome import ResponseOutcome
from gateway.call.dialogue.secret_input import SecretInput
from gateway.call.dialogue.turn_taking import TurnTaking
from gateway.call.endings import Ending
from gateway.call.history import ConversationHistory
from gateway.call.line.caller_line import CallerLine
from gateway.call.line.line_counters import LineCounters
from gateway.call.part import CallPart, merged, overriding
from gateway.call.privacy.call_privacy import CallPrivacy
from gateway.call.session.model_faults import ModelFaults
from gateway.call.session.model_link import ModelLink
from gateway.call.session.opening_items import OpeningItems
from gateway.call.snapshot import CallSnapshot
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.timers import Timer
from gateway.call.tools.approvals import Approvals
from gateway.call.tools.builtin_tools import BuiltinTools
from gateway.call.tools.function_calls import FunctionCalls
from gateway.call.tools.hosted_mcp import HostedMcp
from gateway.call.tools.open_work import OpenWork
from gateway.protocols import media_stream as caller
from gateway.protocols.realtime_event import Event
from gateway.protocols.realtime_server import Ignored

_CLOSED = CallPhase.CLOSED  # Python 3.11 takes ten times as long to find a member of an enum
_OF_THE_SERVER = (Event, Ignored)


class CallMachine:
    """One call; `paths.py` makes it for media streams or SIP by passing in the line and link."""

    def __init__(
        self,
        ctx: CallContext,
        work: OpenWork,
        line: CallerLine,
        link: ModelLink,
        opening: OpeningItems,
        colleagues: Colleagues,
    ) -> None:
        """`colleagues` finds the agents to which this call may be handed over."""
        self.ctx, self.work, self.line, self.model_link = ctx, work, line, link
        self._opening_items = opening
        floor = Floor(ctx, line)
        recording = CallRecording(ctx, line)
        greeting = Greeting(ctx, line, opening, recording)
        goodbye = Goodbye(ctx, work, line, link, recording)
        approvals = Approvals(ctx, work, floor)
        agents = AgentChange(ctx, work, link, opening, colleagues)
        language = CallerLanguage(ctx)
        builtin = BuiltinTools(ctx, work, line, agents, language, recording)
        secrets = SecretInput(ctx, work, goodbye)
        functions = FunctionCalls(ctx, work, line, floor, approvals, goodbye, builtin, secrets)
        hosted = HostedMcp(ctx, work, line, floor, approvals)
        images = ImageInput(ctx, greeting)
        keys = DtmfInput(ctx, line, floor, greeting, goodbye, functions)
        responses = ResponseControl(ctx, goodbye)
        faults = ModelFaults(ctx, link, responses)
        outcome = ResponseOutcome(ctx, functions, hosted, responses, faults)
        turns = TurnTaking(
            ctx, line, link, floor, greeting, goodbye, functions, hosted, keys, outcome
        )
        screening = CallScreening(ctx, line, link, opening)
        detection = MachineDetection(ctx, line, greeting, goodbye, turns, screening, recording)
        decision = CallDecision(
            ctx, work, line, link, opening, greeting, goodbye, language, recording
        )
        idle = IdleWatch(ctx, work, floor)
        hand_over = HandOver(ctx, work, link, floor, goodbye)
        # After every event each part settles, in this order. It is the product's policy: what a
        # part may do depends on what those before it have just decided.
        parts: tuple[CallPart, ...] = (
            opening,  # first: what is known of the call, before a word of it
            decision,  # what was decided in place of a conversation goes before its greeting
            greeting,  # before the next: a message left with a machine takes the greeting's place
            screening,  # an assistant that asks who calls gets a sentence, and no answers
            detection,  # the message after the beep, before anything else is asked of the model
            hosted,  # decides whether the model has to be asked to go on
            secrets,  # reports that the caller is back from typing, before they are answered
            agents,  # another agent leads before anything more is asked of this one
            images,  # pictures go into the conversation before the response that sees them
            floor,  # who speaks is reported before anything that follows from it
            responses,  # the next `response.create`, with all that was wanted above
            idle,  # only a line on which nothing was asked for just now is quiet
            goodbye,  # leaves when no response is left that the caller has to hear
            hand_over,  # another process takes over only what does not end here
            link,  # changes sessions, and watches the server, only if the call stays
            approvals,  # its timer, after whatever was decided above
            line,  # last: plays what is left to be heard, or the hold tone
            # These settle nothing. They stand behind the line, which has to know first that a
            # response is over, or when the caller stopped speaking. The recording comes before
            # the turns, as long as it is known what the response was for.
            recording,
            turns,
            keys,
            functions,
            faults,
            outcome,
            language,
        )
        self.parts = parts
        ctx.attach(parts)
        self._handlers = merged(parts)
        self._timers = {timer: run for part in parts for timer, run in part.timers.items()}
        self._timers[Timer.ARRIVAL] = self._never_arrived
        self._settles = tuple(part.settle for part in overriding(parts, "settle"))
        self.greeting, self.goodbye, self.images, self._floor = greeting, goodbye, images, floor
        self.agents, self.caller_language = agents, language
        self.secrets, self.decision = secrets, decision
        self._written_only, self._of_sound = line.written_only, line.of_sound
        self.recording = recording
        self.resumed = False
        """Whether the caller was here before, on another stream."""
        # Fifty times a second: the line's own method, without a hop.
        self.pass_up = line.pass_up

    # --- What the bridge calls ---

    def handle(self, event: object, now: float) -> Sequence[Out]:
        """Handle one event of either wire, or an input; NOTHING where it means nothing here."""
        ctx, kind = self.ctx, type(event)
        if kind is caller.Media:
            return self._hear_frame(event, now)  # type: ignore[arg-type] # its kind was checked
        if isinstance(event, _OF_THE_SERVER):
            ctx.heard_server_at = now
        handler = self._handlers.get(kind)
        if handler is None or ctx.phase is _CLOSED:
            return NOTHING
        ctx.now = now
        handler(event)
        if kind in self._written_only:
            return NOTHING
        return self._settled(only_sound=kind in self._of_sound)

    def _hear_frame(self, frame: caller.Media, now: float) -> Sequence[Out]:
        heard_before = self.line.can_be_heard()
        out = self.line.hear(frame, now)
        if heard_before or not self.line.can_be_heard():
            return out
        self.ctx.now = now  # with the first frame sound flows both ways: the greeting may be due
        return (*out, *self._settled())

    def tick(self, now: float) -> Sequence[Out]:
        """Do what is due; to be called at `deadline`."""
        self.ctx.now, only_sound = now, True
        while timer := self.ctx.timers.pop_due(now):
            only_sound = False
            run = self._timers.get(timer)
            if run is not None:
                run()
        return self._settled(only_sound=only_sound)

    @property
    def deadline(self) -> float | None:
        """When `tick` is due; changes with every event but a frame of the caller's."""
        if self.ctx.phase is _CLOSED:
            return None
        due, line_due = self.ctx.timers.next(), self.line.due()
        return due if line_due is None or (due is not None and due <= line_due) else line_due

    def give_up(self, now: float) -> Sequence[Out]:
        """End a call that could not be answered: nobody was ever there."""
        self.ctx.now = now
        self.ctx.end(Ending.MODEL_REFUSED, "accept")
        return [out for out in self.ctx.take() if isinstance(out, events.CallEnded)]

    def abandon(self, now: float) -> Sequence[Out]:
        """End the call because of a bug of ours, whatever state it is in."""
        self.ctx.take()
        self.ctx.now = now
        try:
            self.ctx.end(Ending.BUG)
        except Exception:  # a part that has to clean up may be what is broken
            self.ctx.close(Ending.BUG)
        return self.ctx.take()

    def release(self) -> None:
        """Once the call is over: let go of what refers back to it, and handle nothing more.

        Else its objects hold each other until a full garbage collection, which with a hundred calls
        stops the event loop for half a second. What others ask of it can still be asked.
        """
        for part in self.parts:
            part.release()
        self.ctx.attach(())
        self._handlers, self._timers, self._settles = {}, {}, ()

    # --- What others ask of it ---

    @property
    def agent(self) -> Agent:
        return self.ctx.agent

    @property
    def privacy(self) -> CallPrivacy:
        """The strictest switches of all agents that took part."""
        return self.ctx.privacy

    @property
    def first_agent(self) -> str:
        """The agent that answered, among whose calls this one counts."""
        return self.agents.first

    @property
    def language(self) -> str:
        """The caller's language, as a tag of BCP 47."""
        return self.ctx.language

    @property
    def phase(self) -> CallPhase:
        return self.ctx.phase

    @property
    def link(self) -> LinkState:
        return self.ctx.link

    @property
    def ending(self) -> Ending | None:
        return self.ctx.ending

    @property
    def responding(self) -> bool:
        """Whether a response of the model's is in flight."""
        return self.ctx.responses.busy

    @property
    def new_id(self) -> Callable[[], str]:
        """Return the source of ids for events to the model."""
        return self.ctx.new_id

    @property
    def arrived(self) -> bool:
        return self.ctx.arrived_at is not None

    @property
    def history(self) -> ConversationHistory:
        return self.ctx.history

    @property
    def streams(self) -> int:
        """How many streams the call has had, the current one included."""
        return self.ctx.tally.streams

    @property
    def opening(self) -> str | None:
        """How the model is to begin, in place of the greeting."""
        return self.greeting.opening

    @property
    def briefing(self) -> Briefing:
        return self._opening_items.briefing

    @property
    def takes_operator_requests(self) -> bool:
        return self.ctx.takes_operator_requests

    @property
    def takes_pictures(self) -> bool:
        return self.images.takes_pictures

    def approval(self, approval_id: str) -> str | None:
        """Return `waiting`, how the request was answered, or None: no such request."""
        return self.work.approvals.state(approval_id)

    def not_understood(self) -> bytes:
        """Return the caller's last sound, mu-law, of which no session knows the words."""
        return self.line.retained_since(self.model_link.replay_window.since_ms)

    def media_counters(self, now: float) -> LineCounters | None:
        """Return what the line has counted; None where the sound does not pass through us."""
        return self.line.counters(now)

    # --- Across processes ---

    def snapshot(self) -> CallSnapshot:
        """Return all that another process needs to go on; who speaks with whom it does not know."""
        ctx, tally = self.ctx, self.ctx.tally
        state = CallSnapshot(
            agent=ctx.agent.name,
            path=ctx.agent.path,
            history=ctx.history.items,
            arrived=ctx.arrived_at is not None or tally.talked_s > 0,
            greeted=self.greeting.greeted,
            resumes=tally.resumes,
            tokens=tally.tokens,
            barge_ins=tally.barge_ins,
            tools_called=tally.tools_called,
            waits_s=tally.waits_s,
            talked_s=ctx.talked_s,
            streams=tally.streams,
            language=ctx.language,
            briefing=self.briefing,
            recording=self.recording.state,
            privacy=ctx.privacy,
        )
        self.agents.snapshot(state)
        self.secrets.snapshot(state)
        return state

    def resume(self, state: CallSnapshot) -> None:
        """Go on where another connection, or process, left off; before anything happens."""
        ctx, tally = self.ctx, self.ctx.tally
        self.resumed = True
        ctx.history.restore(state.history)
        self.work.interrupted(ctx.history.interrupted(prompts.OF_PENDING_CALLS, prompts.NOT_KNOWN))
        tally.resumes, tally.streams = state.resumes, state.streams
        tally.tokens, tally.barge_ins = state.tokens, state.barge_ins
        tally.tools_called, tally.waits_s[:] = state.tools_called, state.waits_s
        tally.talked_s = state.talked_s
        self.agents.resume(state)
        self.secrets.resume(state)
        self.speak(state.language)
        self._opening_items.brief(state.briefing)
        self.recording.resume(state.recording)
        if state.privacy is not None:
            # Whoever follows the call asks for them when it is announced: no event is due.
            ctx.privacy = ctx.privacy.strictest(state.privacy)
        if self.model_link.session_lives_on:
            self._opening_items.resume()
        self.greeting.resume(
            greeted=state.greeted,
            silently=state.silently,
            session_lives_on=self.model_link.session_lives_on,
        )

    def brief(self, briefing: Briefing) -> None:
        """Set what the agent learns about this call, at the latest before the greeting."""
        self._opening_items.brief(briefing)
        if briefing.language:
            self.speak(briefing.language)

    def begin_with(self, opening: str) -> None:
        """Set how the model is to begin, in place of the greeting."""
        self.greeting.opening = opening

    def speak(self, language: str) -> None:
        """Set the caller's language before anything happens; no tag leaves the agent's."""
        self.caller_language.set(language)
        self.ctx.take()

    # --- After every event ---

    def _settled(self, *, only_sound: bool = False) -> Sequence[Out]:
        ctx = self.ctx
        if ctx.phase is _CLOSED:
            pass
        elif only_sound and self._floor.model_speaks and self.line.mid_sound():
            # The caller heard the model at the last look, and still does: what waits for quiet
            # goes on waiting, and a little more sound makes nothing else due.
            self.line.play_on()
        elif not self.model_link.unseen:
            for settle in self._settles:
                settle()
        return ctx.take()

    def _never_arrived(self) -> None:
        self.ctx.end(Ending.NEVER_ARRIVED)
