"""Secret input: the caller types at the carrier, past model, stream and this process.

The call leaves its stream as for a transfer, and comes back as one that nobody took: on another
stream, with its history, to which the operator's answer was added as the function's output.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gateway import limits
from gateway.agents.config.secret_input import COLLECTS_DIGITS, TAKES_PAYMENT, SecretKind
from gateway.call import commands as do
from gateway.call import events
from gateway.call.context import CallContext
from gateway.call.dialogue import prompts
from gateway.call.dialogue.end_plan import EndPlan
from gateway.call.dialogue.goodbye import Goodbye
from gateway.call.endings import Ending
from gateway.call.part import CallPart
from gateway.call.snapshot import CallSnapshot
from gateway.call.tools.open_work import OpenWork

_KINDS: Final[dict[str, SecretKind]] = {COLLECTS_DIGITS: "digits", TAKES_PAYMENT: "payment"}


class _Arguments(msgspec.Struct):
    what: str = ""


class SecretInput(CallPart):
    """How often the caller was sent to type, and what came of the last time."""

    def __init__(self, ctx: CallContext, work: OpenWork, goodbye: Goodbye) -> None:
        self._ctx, self._work, self._goodbye = ctx, work, goodbye
        self._count = 0
        self._ended: tuple[str, str, str] | None = None
        """Kind, name and outcome that nobody was notified of yet."""

    def begin(self, name: str, response_id: str, call_id: str, arguments: str) -> bool:
        """Send the caller to type, if the function is one of these; False for any other."""
        kind = _KINDS.get(name)
        if kind is None:
            return False
        what = _decoded(arguments).what
        if self._ctx.agent.secret_input(kind, what) is None:
            self._work.running.put(response_id, call_id, prompts.NOTHING_TO_TYPE)
        elif self._count >= limits.tools.SECRET_INPUTS_MAX:
            self._work.running.put(response_id, call_id, prompts.TYPED_ENOUGH)
        else:
            self._count += 1
            to = do.CollectSecret(kind, what)
            self._goodbye.start(EndPlan(Ending.SECRET_INPUT, call_id, to))
        return True

    def settle(self) -> None:
        if self._ended is not None and self._ctx.arrived_at is not None:
            ended, self._ended = self._ended, None
            self._ctx.put(events.SecretInputEnded(*ended))

    def snapshot(self, state: CallSnapshot) -> None:
        """Write what the next process needs to go on counting."""
        state.secret_inputs, state.secret_ended = self._count, self._ended

    def resume(self, state: CallSnapshot) -> None:
        self._count, self._ended = state.secret_inputs, state.secret_ended


def _decoded(arguments: str) -> _Arguments:
    """Return the arguments, empty where they cannot be read: models invent them."""
    try:
        return msgspec.json.decode(arguments, type=_Arguments)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return _Arguments()
