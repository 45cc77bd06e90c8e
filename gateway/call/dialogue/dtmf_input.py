"""The caller's keys: gathered into entries, passed to the model as text, and answered once.

A key interrupts the model as speech does. While an entry is being typed nothing is asked of the
model, and an answer that begins meanwhile is cut: it could not know yet what is being typed.
"""

from __future__ import annotations

from typing import Any, Final

from gateway import limits
from gateway.agents.config.transfers import KeypadTransfer
from gateway.call import events
from gateway.call.context import CallContext
from gateway.call.dialogue import prompts
from gateway.call.dialogue.floor import Floor
from gateway.call.dialogue.goodbye import Goodbye
from gateway.call.dialogue.greeting import Greeting
from gateway.call.line.caller_line import CallerLine
from gateway.call.part import CallPart
from gateway.call.responses import UNASKED
from gateway.call.state_machines import CallPhase, LinkState
from gateway.call.timers import Timer
from gateway.call.tools.function_calls import FunctionCalls
from gateway.protocols import realtime_items as items

KEYS: Final = frozenset("0123456789*#ABCD")
_SHOWN: Final = "(keypad) "
_HIDDEN: Final = "(keypad) hidden"


class KeyBuffer:
    """The keys of one entry; times are those of the caller's end."""

    def __init__(self, keypad: KeypadTransfer) -> None:
        self._keypad = keypad
        self.digits = ""
        self._last: tuple[str, float] | None = None

    def bounces(self, digit: str, at_s: float) -> bool:
        """Return whether this is the key before once more: no finger is that quick."""
        last, self._last = self._last, (digit, at_s)
        return last is not None and last[0] == digit and at_s - last[1] < limits.call.KEY_BOUNCE_S

    def press(self, digit: str) -> str | None:
        """Return why the entry is complete with this key: `end` or `full`; None while it is not."""
        if digit == self._keypad.end and self.digits:
            return "end"
        self.digits += digit
        if digit == self._keypad.end:
            return "end"  # alone, the key itself is the entry
        return "full" if len(self.digits) >= self._keypad.max_digits else None

    def take(self) -> str:
        digits, self.digits = self.digits, ""
        return digits


class DtmfInput(CallPart):
    """Keys that the caller presses."""

    def __init__(
        self,
        ctx: CallContext,
        line: CallerLine,
        floor: Floor,
        greeting: Greeting,
        goodbye: Goodbye,
        functions: FunctionCalls,
    ) -> None:
        self._ctx, self._line, self._floor = ctx, line, floor
        self._greeting, self._goodbye, self._functions = greeting, goodbye, functions
        self._keys = KeyBuffer(ctx.agent.keypad or KeypadTransfer())
        self._last_key_at = ctx.now
        self._cancelled: str | None = None
        """The response that a key has stopped."""
        self.handlers = {line.key_event: self._on_key_event}
        self.timers = {Timer.KEYS: self._pause_over}

    def _on_key_event(self, event: Any) -> None:
        if self._line.owns(event):
            self._on_key(*self._line.key_of(event))

    def _on_key(self, digit: str, at_s: float) -> None:
        """`at_s`: when it was pressed, on a clock that no delay of the network bends."""
        ctx, keypad = self._ctx, self._ctx.agent.keypad
        ctx.caller_spoke()
        ctx.put(events.KeyPressed())
        if self._goodbye.awaits_secret:
            return None  # typed too early: the carrier asks for all of it, and nobody keeps this
        if digit not in KEYS:
            return ctx.put(events.PeerFaultCounted("caller", "key"))
        if keypad is None or self._keys.bounces(digit, at_s):
            return None
        self._break_in()
        if ctx.phase is not CallPhase.TALKING:
            return None
        self._last_key_at = ctx.now
        why = self._keys.press(digit)
        ctx.caller.typing = bool(self._keys.digits)
        if why is not None:
            return self._enter(why)
        pause_s = keypad.pause_s
        if ctx.caller.speaking:
            pause_s = min(pause_s, limits.call.KEYS_SPEECH_S)
        return ctx.wake(Timer.KEYS, pause_s)

    def _break_in(self) -> None:
        """Interrupt the model as speech does, but that no server interrupts for us."""
        ctx, line = self._ctx, self._line
        floor = self._floor.model_has_floor() and not self._greeting.protected
        active = ctx.responses.active_id
        if floor and active is not None and active != self._cancelled:
            self._cancelled = active
            line.cancel_response(active)
        elif floor and active is None and not ctx.agent.client_turns:
            line.stop_playback()
        cut = line.cut() if floor else None
        if cut is not None:
            line.latency.abandon()
            ctx.tally.barge_ins += 1
            ctx.put(events.BargedIn(*cut, 0.0))
        self._goodbye.caller_adds()

    def agent_changed(self) -> None:
        self._keys = KeyBuffer(self._ctx.agent.keypad or KeypadTransfer())

    def speech_began(self) -> None:
        """Hurry: the caller has stopped typing, unless what the model heard is the key itself."""
        if self._ctx.caller.typing and Timer.KEYS in self._ctx.timers:
            hurry_at = self._ctx.now + limits.call.KEYS_SPEECH_S
            self._ctx.timers.set(Timer.KEYS, min(hurry_at, self._pause_over_at()))

    def _pause_over_at(self) -> float:
        return self._last_key_at + (self._ctx.agent.keypad or KeypadTransfer()).pause_s

    def _pause_over(self) -> None:
        if self._ctx.caller.speaking or self._ctx.now >= self._pause_over_at():
            self._enter("pause")
        else:
            self._ctx.timers.set(Timer.KEYS, self._pause_over_at())

    def _enter(self, why: str) -> None:
        """Pass the entry to the model, which answers."""
        ctx = self._ctx
        if ctx.link is not LinkState.READY:
            return ctx.wake(Timer.KEYS, limits.call.KEYS_LOOK_S)
        ctx.timers.clear(Timer.KEYS)
        digits, item_id = self._keys.take(), ctx.new_id()
        ctx.caller.typing = False
        said = prompts.typed(digits)
        secret = ctx.agent.keypad is not None and ctx.agent.keypad.secret
        kept, shown = (prompts.TYPED_UNSEEN, _HIDDEN) if secret else (said, _SHOWN + digits)
        ctx.create_item(items.user_text(said) | {"id": item_id})
        ctx.history.caller_said(item_id, kept)
        ctx.put(events.TranscriptLine("caller", shown, item_id))
        ctx.put(events.KeysEntered(why))
        self._functions.turn_taken()
        return ctx.request(UNASKED)
