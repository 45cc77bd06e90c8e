"""Call screening: a telephone's assistant asks who is calling and why, before a person hears of it.

The agent says it in one sentence and waits. What the assistant says meanwhile is answered by
nobody; the first words that are not its own are the person's.
"""

from __future__ import annotations

from typing import Any, Final

from gateway import limits
from gateway.agents.texts.screening import asks_who_calls, has_one_wait
from gateway.call import events
from gateway.call.context import CallContext
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending
from gateway.call.line.caller_line import CallerLine
from gateway.call.part import CallPart
from gateway.call.responses import ResponseRequest
from gateway.call.session.model_link import ModelLink
from gateway.call.session.opening_items import OpeningItems
from gateway.call.state_machines import CallPhase
from gateway.call.timers import Timer
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_server as model

SCREENED: Final = "screening"
"""Who has answered."""


class CallScreening(CallPart):
    """Explains the call to an assistant, or hangs up on it; outbound calls only."""

    def __init__(
        self, ctx: CallContext, line: CallerLine, link: ModelLink, opening: OpeningItems
    ) -> None:
        self._ctx, self._line, self._link, self._opening = ctx, line, link, opening
        self._turns = 0
        """Turns of the other side so far."""
        self._heard: str | None = None
        """The words of the last turn, not looked at yet."""
        self._waits_until: float | None = None
        """Until when the person is waited for."""
        self._cancelled: str | None = None
        self.handlers = {model.CallerTranscriptDone: self._on_words}
        self.timers = {Timer.SCREENING: self._go_on_waiting}

    @property
    def waits(self) -> bool:
        """Whether an assistant has answered, and the person is not there yet."""
        return self._waits_until is not None

    def _on_words(self, event: model.CallerTranscriptDone) -> None:
        if self._policy is not None and event.transcript.strip():
            self._heard = event.transcript

    @property
    def _policy(self) -> str | None:
        outbound = self._ctx.agent.outbound if self._opening.outbound else None
        return outbound.screening if outbound is not None else None

    def settle(self) -> None:
        ctx = self._ctx
        words, self._heard = self._heard, None
        if words is not None and ctx.phase is CallPhase.TALKING:
            self._turn_over(words)
        active = ctx.responses.active_id
        if self.waits and active not in (None, self._cancelled) and ctx.responses.purpose is None:
            # Begun by the server's turn detection before it was told to answer no turns.
            self._silence()

    def _turn_over(self, words: str) -> None:
        self._turns += 1
        if self.waits:
            if not has_one_wait(words):
                self._person_is_there()
        elif self._turns <= limits.outbound.SCREENING_TURNS and asks_who_calls(words):
            self._screened()

    def _screened(self) -> None:
        ctx = self._ctx
        ctx.put(events.AnswererDetected(SCREENED))
        if self._policy == "hang_up":
            return ctx.end(Ending.MACHINE_ANSWERED, SCREENED)
        self._silence()
        ctx.responses.forget_all()
        self._answer_turns(by_server=False)
        self._waits_until = ctx.now + limits.outbound.SCREENING_WAIT_S
        ctx.wake(Timer.SCREENING, limits.outbound.SCREENING_LOOK_S)
        said = prompts.explained(ctx.agent.greeting or "", self._opening.briefing.about)
        return ctx.request(ResponseRequest("screening", said))

    def _silence(self) -> None:
        """Cut off what is being said, or about to be."""
        ctx = self._ctx
        if ctx.responses.active_id is not None:
            self._cancelled = ctx.responses.active_id
            self._line.cancel_response(ctx.responses.active_id)
        elif Timer.RESPONSE in ctx.timers and not ctx.responses.busy:
            # The server's own is due: ours is asked for all the same, and again if it is refused.
            ctx.timers.clear(Timer.RESPONSE)
            ctx.responses.deferred = ctx.caller.speaking
        self._line.cut()

    def _answer_turns(self, *, by_server: bool) -> None:
        """Have the server answer turns by itself, as the agent has it, or answer none."""
        ctx, detection = self._ctx, self._link.rules.detection
        if ctx.agent.client_turns or not detection or detection.get("create_response") is False:
            return
        # Said each time: what an update leaves out stays as it was.
        wanted = {**detection, "create_response": by_server}
        update: dict[str, Any] = {
            "type": "realtime",
            "audio": {"input": {"turn_detection": wanted}},
        }
        ctx.to_model(to_model.session_update(update, ctx.new_id()))
        ctx.server_answers = by_server

    def _person_is_there(self) -> None:
        ctx = self._ctx
        self._waits_until = None
        ctx.timers.clear(Timer.SCREENING)
        self._answer_turns(by_server=True)
        ctx.notify_model(prompts.PERSON_IS_THERE)
        ctx.request(ResponseRequest("answer", any_will_do=True))

    def _go_on_waiting(self) -> None:
        """Keep the wait from counting as the caller's silence, and end it after its time."""
        ctx = self._ctx
        if self._waits_until is None:
            return
        if ctx.now >= self._waits_until:
            ctx.end(Ending.MACHINE_ANSWERED, SCREENED)
        else:
            ctx.caller_spoke()
            ctx.wake(Timer.SCREENING, limits.outbound.SCREENING_LOOK_S)

    def session_ready(self) -> None:
        """A new session has the agent's own turn detection again."""
        if self.waits:
            self._answer_turns(by_server=False)
