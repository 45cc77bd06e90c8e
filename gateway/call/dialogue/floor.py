"""Who speaks: told when it changes."""

from __future__ import annotations

from gateway.call import events
from gateway.call.context import CallContext


class FloorWatch:
    def __init__(self, desk: CallContext) -> None:
        self._desk = desk
        self._caller = False
        self.model = False
        """Whether it spoke, as was told last."""
        self._at: float | None = None

    def since(self, at: float | None) -> None:
        """When the change of the caller's that is being told of really was, if that is known."""
        self._at = at

    def look(self, *, caller: bool, model: bool) -> None:
        """Called whenever either may have changed."""
        at, self._at = self._at, None
        ago_s = max(0.0, self._desk.now - at) if at is not None else 0.0
        if caller != self._caller:
            self._desk.put(
                events.CallerSpeechStarted(ago_s) if caller else events.CallerSpeechEnded(ago_s)
            )
        if model != self.model:
            self._desk.put(events.ModelSpeechStarted() if model else events.ModelSpeechEnded())
        self._caller, self.model = caller, model
