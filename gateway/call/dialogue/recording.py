"""Consent to a recording, and its pauses: decides what of the tapped sound may be kept.

Before anything else the caller is told that the call is recorded. Only when they have heard that
to its end, as the carrier's marks say, is sound kept, and none from before. A caller who speaks
into it has not heard it: they are told again in the next quiet moment, `CONSENT_TRIES_MAX` times
in all; after that the call goes on, and is not recorded.
"""

from __future__ import annotations

from math import inf
from typing import Final

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.call import events, inputs
from gateway.call.context import CallContext
from gateway.call.dialogue import prompts
from gateway.call.line.caller_line import CallerLine
from gateway.call.part import CallPart
from gateway.call.responses import ResponseRequest
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.timers import Timer
from gateway.protocols import media_stream as caller
from gateway.protocols import realtime_server as model

CONSENT: Final = "consent"
"""Purpose of the response that tells the caller."""
TYPING: Final = "secret"
"""Who pauses while the caller types what nobody may keep; the stream ends with it."""
AGENT: Final = "agent"
"""The same for an agent that took the call over and records none: it holds until the end."""
_STOPPED: Final = "stopped"
_OFF: Final = "off"
"""State of a call that is not recorded, since an agent that took part before records none."""
MACHINE: Final = "machine"
"""Who pauses once a machine has answered: it can agree to nothing. That lasts to the end."""
_EARLIER: Final = "earlier"
"""A pause that began on another stream."""


class CallRecording(CallPart):
    """Whether the call is recorded at this moment."""

    def __init__(self, ctx: CallContext, line: CallerLine) -> None:
        self._ctx, self._line, self._tap = ctx, line, line.tap
        self.wanted = ctx.agent.recording is not None
        # On the SIP path the document that dials the model tells the caller before.
        self._consented = self.wanted and self._tap is None
        self._tries: float = 0
        """How often the caller was told; infinite once nobody will tell them any more."""
        self._ends_at: tuple[int, int] | None = None
        """Where the telling ends on the line, once all of it is there: epoch and ms."""
        self._paused_by: set[str] = set()
        self._silent_keys = _silences_keys(ctx.agent)
        self.handlers = {}
        self.timers = {Timer.CONSENT: self._look_again}
        if self.wanted or self._tap is not None:
            self.handlers = {inputs.RecordingPauseRequested: self._on_pause_requested}
        if self._tap is not None:
            self.handlers |= {
                caller.Start: self._on_start,
                caller.Mark: self._on_mark,
                caller.Dtmf: self._on_key,
                model.ResponseDone: self._on_response_done,
            }

    @property
    def state(self) -> str:
        """State for a snapshot, once the caller was told: `on`, `paused` or `stopped`.

        `off` where an agent before this one records no calls, and empty until it is known.
        """
        if not self.wanted:
            return _OFF if self._ctx.agent.recording is not None else ""
        # The next stream begins when the caller has typed: that pause is over by then.
        paused = self._paused_by - {TYPING}
        if not self._consented:
            return ""
        return _STOPPED if AGENT in paused else "paused" if paused else "on"

    @property
    def paused(self) -> bool:
        return bool(self._paused_by)

    @property
    def asking(self) -> bool:
        """Whether the caller is being told, and has not heard it to its end."""
        tried = 0 < self._tries <= limits.recordings.CONSENT_TRIES_MAX
        return tried and not self._consented

    # --- Consent ---

    def consent(self) -> None:
        """Tell the caller before the conversation begins, unless they know, or the carrier does."""
        if self._tap is not None and self.wanted and not self._consented:
            self._tell()

    def _tell(self) -> None:
        recording = self._ctx.agent.recording
        if recording is not None:
            self._tries += 1
            self._ends_at = None
            self._ctx.request(ResponseRequest(CONSENT, prompts.word_for_word(recording.consent)))
            self._ctx.wake(Timer.CONSENT, limits.recordings.CONSENT_LOOK_S)

    def resume(self, state: str) -> None:
        """Take over from another process, or stream: who has been told is not told again."""
        if state == _OFF:
            self.wanted = self._consented = False
            return
        paused_by = {"paused": {_EARLIER}, _STOPPED: {AGENT}}
        self._paused_by = paused_by.get(state, set())
        self._consented = bool(state) or self._consented

    def _on_start(self, _event: caller.Start) -> None:
        """Keep everything from here on if they were told on an earlier stream."""
        if not self.wanted and self._tap is not None:
            self._tap.close()
        elif self._consented:
            self._begin(self._ctx.now)

    def _begin(self, at: float) -> None:
        ctx, tap = self._ctx, self._tap
        self._consented = True
        if tap is not None:
            tap.keep_from(at)
            if self._paused_by:
                tap.pause()
        ctx.put(events.RecordingStarted(ago_s=ctx.now - at))

    def _on_response_done(self, event: model.ResponseDone) -> None:
        responses = self._ctx.responses
        # This stands before the part that takes note of the end: the purpose is still known.
        ours = responses.purpose == CONSENT and responses.active_id == event.response.id
        sounded = self._ctx.answer.item_id is not None
        complete = sounded and event.response.status == "completed"
        if ours and complete and self._tap is not None:
            self._ends_at = self._tap.sound_end()

    def _on_mark(self, event: caller.Mark) -> None:
        if self._tap is None:
            return
        self._tap.acknowledge(event.mark.name)
        if self._consented or self._ends_at is None:
            return
        heard_ago_s = self._tap.heard_ago_s(*self._ends_at)
        if heard_ago_s is not None:
            self._begin(self._ctx.now - heard_ago_s)

    def _look_again(self) -> None:
        """Tell the caller again what they have interrupted, once it is quiet."""
        ctx, line = self._ctx, self._line
        if not self.asking:
            return
        quiet = not (ctx.awaited or ctx.caller.speaking) and line.all_heard()
        if not quiet or ctx.phase is not CallPhase.TALKING or ctx.link is not LinkState.READY:
            ctx.wake(Timer.CONSENT, limits.recordings.CONSENT_LOOK_S)
        elif self._tries < limits.recordings.CONSENT_TRIES_MAX:
            self._tell()
        else:
            self._tries = inf
            ctx.put(events.RecordingRefused("not_heard"))

    # --- Pauses ---

    def agent_decided(self) -> None:
        """Go by the agent that leads the call from its first word."""
        agent = self._ctx.agent
        self.wanted = agent.recording is not None and self._tap is not None
        self._paused_by.discard(AGENT)
        self._silent_keys = _silences_keys(agent)

    def agent_changed(self) -> None:
        """Go by the strictest of all agents that took part, whoever leads the call next."""
        agent = self._ctx.agent
        self._silent_keys = self._silent_keys or _silences_keys(agent)
        if agent.recording is None:
            self.pause(AGENT)

    def pause(self, by: str) -> None:
        """Keep nothing until `unpause` by the same: silence takes the place of the sound."""
        self._change(self._paused_by | {by}, by)

    def unpause(self, by: str) -> None:
        self._change(self._paused_by - {by, _EARLIER}, by)

    def machine_answered(self) -> None:
        """Keep nothing from here on, and tell nobody that the call is recorded."""
        if self.wanted and not self._consented:
            self._tries = inf
            self._ctx.put(events.RecordingRefused("machine"))
        self.pause(MACHINE)

    def _change(self, paused_by: set[str], by: str) -> None:
        before, self._paused_by = self.paused, paused_by
        if not self.wanted or self.paused == before:
            return
        if self._tap is not None and self._consented:
            (self._tap.pause if self.paused else self._tap.resume)()
        self._ctx.put(events.RecordingPaused(by) if self.paused else events.RecordingResumed(by))

    def _on_pause_requested(self, event: inputs.RecordingPauseRequested) -> None:
        (self.pause if event.paused else self.unpause)(event.by)

    def _on_key(self, _event: caller.Dtmf) -> None:
        if self._tap is not None and self._silent_keys:
            self._tap.pressed()


def _silences_keys(agent: Agent) -> bool:
    """Return whether the tones of the caller's keys are left out of a recording."""
    wanted = agent.recording is not None and agent.recording.keys == "silence"
    secret = agent.keypad is not None and agent.keypad.secret
    return wanted or secret or agent.privacy == "pci"
