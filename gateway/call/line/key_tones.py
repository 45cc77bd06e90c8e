"""Keys that the agent presses, played into the caller's line."""

from __future__ import annotations

from dataclasses import dataclass

from gateway import limits
from gateway.audio.wire import MULAW_8K, WireFormat
from gateway.call.context import CallContext
from gateway.call.dialogue import prompts
from gateway.call.line.downlink import Downlink
from gateway.call.timers import Timer
from gateway.call.tools.open_work import OpenWork


@dataclass(frozen=True, slots=True)
class _Keys:
    """Keys on their way to the caller."""

    call_id: str
    digits: str
    item_id: str
    end_ms: int
    """Where the last key ends, on the ledger's line."""


class KeyTones:
    """The tones of one function call, until they were heard or cut off."""

    def __init__(
        self, ctx: CallContext, work: OpenWork, downlink: Downlink, wire: WireFormat = MULAW_8K
    ) -> None:
        self._ctx, self._work, self._downlink = ctx, work, downlink
        self._wire = wire
        self._keys: _Keys | None = None

    @property
    def pending(self) -> bool:
        return self._keys is not None

    @property
    def item_id(self) -> str | None:
        """The item on the ledger that is keys, and none of the model's."""
        return self._keys.item_id if self._keys is not None else None

    def play(self, call_id: str, digits: str) -> None:
        """Queue the tones; the function call is finished when they were heard."""
        item_id = f"tones_{call_id}"
        end_ms = self._downlink.play(item_id, self._wire.keys(digits), self._ctx.now)
        self._keys = _Keys(call_id, digits, item_id, end_ms)
        self.watch()

    def playing(self) -> bool:
        """Return whether it is keys, and not the model, that the caller hears."""
        if self._keys is None:
            return False
        playing = self._downlink.ledger.playing(self._ctx.now)
        return playing is not None and playing.item_id == self._keys.item_id

    def watch(self) -> None:
        """Finish the function call if all tones were heard; look again later if not."""
        if self._keys is None:
            return None
        left_ms = self._keys.end_ms - self._downlink.ledger.heard_ms(self._ctx.now)
        if left_ms > 0:
            return self._ctx.wake(Timer.TONES, left_ms / 1000 + limits.call.TONES_LOOK_S)
        return self._finish(prompts.keys_sent(self._keys.digits), "ok")

    def cut(self) -> None:
        """Finish the function call of tones that will not be played."""
        if self._keys is not None:
            self._finish(prompts.NOT_SENT, "cancelled")

    def _finish(self, output: str, outcome: str) -> None:
        keys, self._keys = self._keys, None
        self._ctx.timers.clear(Timer.TONES)
        if keys is not None:
            self._work.finish(keys.call_id, output, outcome, answer=outcome == "ok")
            self._work.hand_in()
