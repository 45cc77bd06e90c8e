"""First sound of each answer: when it was sent, when it was heard, and whose wait it ended."""

from __future__ import annotations

from gateway.call import events
from gateway.call.context import CallContext
from gateway.call.dialogue.turn_latency import TurnLatency
from gateway.call.line.downlink import Downlink


class FirstSound:
    """Measurement of the caller's waits by the mark behind the first sound of an answer."""

    def __init__(self, ctx: CallContext, downlink: Downlink) -> None:
        self._ctx, self._downlink = ctx, downlink
        self.latency = TurnLatency(ctx.tally.waits_s)
        self._heard = False
        """Whether the caller has heard the agent at all."""

    def answered(self) -> None:
        """Follow the sound of an item that begins, if the caller waits for it."""
        followed = self._downlink.first_sound is not None
        if self.latency.waiting or not (self._heard or followed):
            self.latency.answered(self._ctx.now)
            self._downlink.watch_first_sound()

    def measure(self) -> None:
        """Publish the wait that has ended, once the sound that is followed was heard."""
        first, ctx = self._downlink.first_sound, self._ctx
        if first is None or first.played_at is None or first.sent_at is None:
            return
        self._downlink.first_sound = None
        if not self._heard and ctx.arrived_at is not None:
            self._heard = True
            since_arrival_s = first.played_at - ctx.arrived_at
            ctx.put(events.FirstAudioSent(first.played_at - ctx.announced_at, since_arrival_s))
        measured = self.latency.heard(first.sent_at, first.played_at)
        if measured is not None:
            ctx.put(measured)
