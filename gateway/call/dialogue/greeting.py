"""How a call begins: the greeting, an opening for a caller who was here before, or nothing."""

from __future__ import annotations

from math import inf

from gateway.call.context import CallContext
from gateway.call.dialogue import prompts
from gateway.call.dialogue.recording import CallRecording
from gateway.call.history import OUTPUT
from gateway.call.line.caller_line import CallerLine
from gateway.call.part import CallPart
from gateway.call.responses import ResponseRequest
from gateway.call.session.opening_items import OpeningItems
from gateway.call.state_machines import LinkState


class Greeting(CallPart):
    """Ask the model to begin, once, when it is ready and the caller can hear it."""

    def __init__(
        self, ctx: CallContext, line: CallerLine, known: OpeningItems, recording: CallRecording
    ) -> None:
        self._ctx, self._line, self._known, self._recording = ctx, line, known, recording
        self.opening: str | None = None
        """How to begin in place of the greeting."""
        self.opened = False
        """Whether this process has begun the conversation."""
        self.greeted = False
        """Whether any process has."""
        self._protected_until = -inf

    @property
    def protected(self) -> bool:
        """Whether the greeting, or the consent before it, may not be interrupted yet."""
        protects = self._ctx.agent.barge_in.protect_greeting_ms > 0
        return self._ctx.now < self._protected_until or (protects and self._recording.asking)

    def skip(self) -> None:
        """Begin without a word."""
        self.opened = self.greeted = True

    def resume(self, *, greeted: bool, silently: bool, session_lives_on: bool) -> None:
        """Take over from another process; a session that lives on needs no second beginning."""
        self.greeted = greeted
        if session_lives_on:
            self.opened = True
        elif greeted and not silently:
            self.opening = prompts.RESUMED

    def settle(self) -> None:
        if self.opened or self._ctx.link is not LinkState.READY or not self._line.can_be_heard():
            return
        agent, before = self._ctx.agent, self.greeted
        self.skip()
        self._recording.consent()
        if self.opening is not None:
            self._ctx.request(ResponseRequest("opening", prompts.instructed(self.opening)))
        elif before:
            self._continue()
        elif agent.greeting is not None:
            self._protected_until = self._ctx.now + agent.barge_in.protect_greeting_ms / 1000
            # One that was written for this caller is in their language already.
            written_in = self._ctx.language if self._known.briefing.greeting else agent.language
            said = prompts.in_language(agent.greeting, written_in, self._ctx.language)
            self._ctx.request(ResponseRequest("greeting", said))

    def _continue(self) -> None:
        """Give the answer that the caller waits for, or the rest of one; say nothing else."""
        history = self._ctx.history
        last = next((item for item in reversed(history.items) if item.text), None)
        if history.caller_was_last:
            self._ctx.request(ResponseRequest("answer", any_will_do=True))
        elif last is not None and last.kind == OUTPUT:
            self._ctx.request(ResponseRequest("tool_output", any_will_do=True))
        elif last is not None and not last.done:
            self._ctx.request(ResponseRequest("resumed", prompts.go_on(last.text)))
