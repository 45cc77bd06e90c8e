"""What we put into the caller's line beside the model's voice: keys, and something to wait by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.audio.tones import keys_mulaw
from gateway.audio.transcode import model_to_caller
from gateway.call import commands as do
from gateway.call.dialogue import prompts
from gateway.call.dialogue.turn_taking import Conversation
from gateway.call.line.downlink import Downlink
from gateway.call.line.hold_tone import HoldTone
from gateway.call.state_machines import CallPhase
from gateway.call.timers import Timer


@dataclass(frozen=True, slots=True)
class Tones:
    """Keys on their way to the caller."""

    call_id: str
    digits: str
    item_id: str
    end_ms: int
    """Where the last one ends, on the ledger's line."""


class SoundingCall(Conversation):
    def __init__(
        self, agent: Agent, session: Mapping[str, Any], new_id: Callable[[], str], now: float
    ) -> None:
        self.downlink = Downlink(model_to_caller(agent.audio), agent.lead_ms)
        self._hold = HoldTone()
        self._tones: Tones | None = None
        super().__init__(agent, session, new_id, now)

    def _send(self, messages: list[bytes]) -> None:
        for message in messages:
            self._desk.put(do.SendToCaller(message))

    # --- Keys that we press ---

    def _can_dial(self) -> bool:
        return self._tones is None

    def _dial(self, call_id: str, digits: str) -> None:
        now = self._desk.now
        self._send(self._hold.stop(now))
        item_id = f"tones_{call_id}"
        end_ms = self.downlink.play(item_id, keys_mulaw(digits), now)
        self._tones = Tones(call_id, digits, item_id, end_ms)
        self._await_tones(self._tones)

    def _dialling(self) -> bool:
        """Whether it is keys, and not the model, that the caller hears."""
        if self._tones is None:
            return False
        playing = self.downlink.ledger.playing(self._desk.now)
        return playing is not None and playing.item_id == self._tones.item_id

    def _await_tones(self, tones: Tones) -> None:
        left_ms = tones.end_ms - self.downlink.ledger.heard_ms(self._desk.now)
        if left_ms > 0:
            return self._desk.wake(Timer.TONES, left_ms / 1000 + limits.call.TONES_LOOK_S)
        return self._dialled(prompts.keys_sent(tones.digits), "ok")

    def _dialled(self, output: str, outcome: str) -> None:
        tones, self._tones = self._tones, None
        self._desk.timers.clear(Timer.TONES)
        if tones is not None:
            self._finish(tones.call_id, output, outcome, answer=outcome == "ok")
            self._hand_in()

    # --- Something to wait by ---

    def _can_hold(self) -> bool:
        return True

    def _keep_company(self) -> list[bytes]:
        """A soft sound while the caller waits for a function, until one of the two speaks."""
        now, hold = self._desk.now, self._hold
        if not hold.playing and not self._holding():
            return []
        free = self.life is CallPhase.TALKING and not (self._caller_speaking or self._speaking())
        if hold.playing and not (free and (self._working() or self._busy())):
            return hold.stop(now)
        quiet = free and not self._busy() and self.downlink.settled()
        if quiet and not hold.playing:
            hold.start()
        return hold.pump(now)

    # --- Time ---

    def _on_timer(self, timer: Timer) -> None:
        if timer is Timer.TONES and self._tones is not None:
            self._await_tones(self._tones)
        else:
            super()._on_timer(timer)
