"""The hold tone: bypasses the playback ledger and carries no marks.

Nobody truncates or measures it. It begins only when the last mark of the model's is back, so that
the `clear` that ends it takes nothing else away.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from gateway.audio.wire import MULAW_8K, WireFormat
from gateway.call.context import CallContext
from gateway.call.line.downlink import Downlink
from gateway.call.state_machines import CallPhase
from gateway.call.tools.open_work import OpenWork
from gateway.limits.tools import HOLD_GROUP_MS, HOLD_LEAD_MS
from gateway.protocols.media_stream import ToTwilio

_GROUP_S, _LEAD_S = HOLD_GROUP_MS / 1000, HOLD_LEAD_MS / 1000
_FLOAT_ERROR_S = 1e-6


class HoldTone:
    """A soft pattern that is played, with a short lead, while the caller waits."""

    def __init__(
        self,
        ctx: CallContext,
        work: OpenWork,
        downlink: Downlink,
        model_speaks: Callable[[], bool],
        wire: WireFormat = MULAW_8K,
    ) -> None:
        """`model_speaks` returns whether the caller hears the model, or is about to."""
        self._ctx, self._work, self._downlink = ctx, work, downlink
        self._model_speaks = model_speaks
        self._pattern = wire.hold_tone()
        self._group_bytes = HOLD_GROUP_MS * wire.bytes_per_ms
        self._twilio: ToTwilio | None = None
        self._at: int
        """Position in the pattern, in bytes; set at the start."""
        self._lasts_until = -inf
        self.playing = False

    def open(self, twilio: ToTwilio) -> None:
        self._twilio = twilio

    def release(self) -> None:
        """The call is over: let go of its line."""
        self._model_speaks = _nobody_speaks

    def due_messages(self) -> list[bytes]:
        """Return what is due while the caller waits for work, and neither side speaks."""
        ctx, work = self._ctx, self._work
        if not self.playing and not work.hold_tone_due:
            return []
        model_speaks = self._model_speaks()
        free = ctx.phase is CallPhase.TALKING and not (ctx.caller.speaking or model_speaks)
        busy = model_speaks or (ctx.awaited and not ctx.responses.long_pause)
        if self.playing and not (free and (work.working or busy)):
            return self.stop(ctx.now)
        if free and not busy and self._downlink.settled() and not self.playing:
            self.start()
        return self.pump(ctx.now)

    def start(self) -> None:
        """Start at the beginning of the pattern, where it is silent."""
        self.playing, self._at, self._lasts_until = True, 0, self._ctx.now

    def pump(self, now: float) -> list[bytes]:
        """Return what may go out now: a short lead over the clock, and no more."""
        if self._twilio is None or not self.playing:
            return []
        self._lasts_until = max(self._lasts_until, now)
        messages = []
        while self._lasts_until + _GROUP_S <= now + _LEAD_S + _FLOAT_ERROR_S:
            messages.append(self._twilio.media(self._next_group()))
            self._lasts_until += _GROUP_S
        return messages

    def _next_group(self) -> bytes:
        group = self._pattern[self._at : self._at + self._group_bytes]
        self._at = (self._at + self._group_bytes) % len(self._pattern)
        return group

    def due(self) -> float | None:
        """Return when to pump again."""
        return self._lasts_until - _LEAD_S + _GROUP_S if self.playing else None

    def stop(self, now: float) -> list[bytes]:
        """Stop at once; return the `clear` that takes away what was sent ahead."""
        self.playing = False
        if self._twilio is None or self._lasts_until <= now:
            return []
        return [self._twilio.clear()]


def _nobody_speaks() -> bool:
    return False
