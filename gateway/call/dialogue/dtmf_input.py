"""The caller's keys: gathered into entries, told to the model as text, and answered once.

A key interrupts the model as speech does. While an entry is being typed nothing is asked of the
model, and an answer that begins meanwhile is cut: it could not know yet what is being typed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.transfers import KeypadTransfer
from gateway.call import events
from gateway.call.dialogue import prompts
from gateway.call.dialogue.answering_machine import DetectedCall
from gateway.call.responses import UNASKED
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.timers import Timer
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_items as items

KEYS: Final = frozenset("0123456789*#ABCD")


class KeyBuffer:
    """The keys of one entry; times are those of whoever presses them."""

    def __init__(self, keypad: KeypadTransfer) -> None:
        self._keypad = keypad
        self.digits = ""
        self._last: tuple[str, float] | None = None

    def bounces(self, digit: str, at_s: float) -> bool:
        """Whether this is the key before once more: no finger is that quick."""
        last, self._last = self._last, (digit, at_s)
        return last is not None and last[0] == digit and at_s - last[1] < limits.call.KEY_BOUNCE_S

    def press(self, digit: str) -> str | None:
        """Why the entry is complete with it: `end` or `full`; None while it is not."""
        if digit == self._keypad.end and self.digits:
            return "end"
        self.digits += digit
        if digit == self._keypad.end:
            return "end"  # alone it is what he has to say
        return "full" if len(self.digits) >= self._keypad.max_digits else None

    def take(self) -> str:
        digits, self.digits = self.digits, ""
        return digits


class KeyedCall(DetectedCall):
    def __init__(
        self, agent: Agent, session: Mapping[str, Any], new_id: Callable[[], str], now: float
    ) -> None:
        super().__init__(agent, session, new_id, now)
        self._keys = KeyBuffer(agent.keypad or KeypadTransfer())
        self._last_key_at = now
        self._cancelled: str | None = None
        """The response that a key has stopped."""

    @property
    def _typing(self) -> bool:
        return bool(self._keys.digits)

    def _on_key(self, digit: str, at_s: float) -> None:
        """`at_s` is when it was pressed, on a clock that no delay of the network bends."""
        self._silence.caller_spoke()
        self._note(events.KeyPressed())
        if digit not in KEYS:
            return self._note(events.PeerFaultCounted("caller", "key"))
        if self.agent.keypad is None or self._keys.bounces(digit, at_s):
            return None
        self._break_in()
        if self.life is not CallPhase.TALKING:
            return None
        self._last_key_at = self._desk.now
        why = self._keys.press(digit)
        if why is not None:
            return self._enter(why)
        return self._await_next(self.agent.keypad)

    def _await_next(self, keypad: KeypadTransfer) -> None:
        pause_s = keypad.pause_s
        if self._caller_speaking:
            pause_s = min(pause_s, limits.call.KEYS_SPEECH_S)
        self._desk.wake(Timer.KEYS, pause_s)

    def _break_in(self) -> None:
        """He wants to be heard: as with speech, but that no server interrupts for us."""
        floor = self._model_has_floor() and self._desk.now >= self._greeting_protected_until
        active = self.responses.active_id
        if floor and active is not None and active != self._cancelled:
            self._cancelled = active
            self._cancel(active)
        elif floor and active is None and not self.agent.client_turns:
            self._hush()
        cut = self._cut() if floor else None
        if cut is not None:
            self.turns.abandon()
            self.barge_ins += 1
            self._note(events.BargedIn(*cut, 0.0))
        self._stay()

    def _hush(self) -> None:
        """What is still being played of an answer that is complete; `_cut` sees to it."""

    def _speech_began(self) -> None:
        """He has stopped typing, unless what the model heard is the key itself."""
        if self._typing and Timer.KEYS in self._desk.timers:
            hurry_at = self._desk.now + limits.call.KEYS_SPEECH_S
            self._desk.timers.set(Timer.KEYS, min(hurry_at, self._pause_over_at()))

    def _pause_over_at(self) -> float:
        return self._last_key_at + (self.agent.keypad or KeypadTransfer()).pause_s

    def _keys_due(self) -> None:
        if self._caller_speaking or self._desk.now >= self._pause_over_at():
            self._enter("pause")
        else:
            self._desk.timers.set(Timer.KEYS, self._pause_over_at())

    def _enter(self, why: str) -> None:
        """The model is told, and answers."""
        if self.link is not LinkState.READY:
            return self._desk.wake(Timer.KEYS, limits.call.KEYS_LOOK_S)
        self._desk.timers.clear(Timer.KEYS)
        digits, item_id = self._keys.take(), self._desk.new_id()
        said = prompts.typed(digits)
        secret = self.agent.keypad is not None and self.agent.keypad.secret
        kept, shown = (prompts.TYPED_UNSEEN, _HIDDEN) if secret else (said, _SHOWN + digits)
        item = items.user_text(said) | {"id": item_id}
        self._desk.to_model(to_model.item_create(item, self._desk.new_id()))
        self.memory.caller_said(item_id, kept)
        self._note(events.TranscriptLine("caller", shown, item_id))
        self._note(events.KeysEntered(why))
        self._turn_taken()
        return self._want(UNASKED)

    # --- While an entry is being typed ---

    def _ask(self) -> None:
        if not self._typing:
            super()._ask()

    def _working(self) -> bool:
        return self._typing or super()._working()

    def _on_timer(self, timer: Timer) -> None:
        if timer is Timer.KEYS:
            self._keys_due()
        else:
            super()._on_timer(timer)


_SHOWN: Final = "(keypad) "
_HIDDEN: Final = "(keypad) hidden"
