"""The floor: whether the caller, the model or nobody speaks."""

from __future__ import annotations

from gateway.call import events
from gateway.call.context import CallContext
from gateway.call.line.caller_line import CallerLine
from gateway.call.part import CallPart


class Floor(CallPart):
    """Keep who has the floor, and publish whenever that changes."""

    def __init__(self, ctx: CallContext, line: CallerLine) -> None:
        self._ctx, self._line = ctx, line
        self._caller_speaks = False
        self.model_speaks = False
        """Whether the caller heard the model when the floor was last looked at."""
        self._changed_at: float | None = None

    def busy(self) -> bool:
        """Whether a response is on its way, wanted, or being heard."""
        return self._ctx.awaited or self._line.speaking()

    def model_has_floor(self) -> bool:
        return self._ctx.responses.busy or self._line.speaking()

    def changed_at(self, at: float | None) -> None:
        """Set when the caller's speech really began or ended, if the line knows it."""
        self._changed_at = at

    def settle(self) -> None:
        at, self._changed_at = self._changed_at, None
        caller, model = self._ctx.caller.speaking, self._line.speaking()
        if caller != self._caller_speaks:
            ago_s = max(0.0, self._ctx.now - at) if at is not None else 0.0
            self._ctx.put(
                events.CallerSpeechStarted(ago_s) if caller else events.CallerSpeechEnded(ago_s)
            )
        if model != self.model_speaks:
            self._ctx.put(events.ModelSpeechStarted() if model else events.ModelSpeechEnded())
        self._caller_speaks, self.model_speaks = caller, model
