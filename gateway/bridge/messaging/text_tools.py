"""Tools that text the caller: words, or a link to the page for their photos.

Texts go only to the number that the call is with: a model can be talked into any other one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

import structlog

from gateway import limits
from gateway.agents.config.outbound import E164
from gateway.agents.texts.written import written_texts
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.messaging.picture_links import PictureLinks
from gateway.errors import LinkError, ToolError
from gateway.ops.limits.text_limits import TextLimits
from gateway.tools.python import ToolContext
from gateway.tools.toolbox import ToolFunction
from gateway.transports.twilio_rest import TwilioRest

log = structlog.get_logger()
_REFUSALS: Final = {
    "twilio_21610": "The caller once asked us not to text them. They can text START to undo that.",
    "twilio_21211": "The caller's number cannot get texts.",
    "twilio_21614": "The caller's number is not a mobile one: it cannot get texts.",
    "twilio_21408": "No texts may be sent to the country of the caller's number.",
    "twilio_21606": "The number that they called cannot send texts.",
}

_OVER_LIMIT: Final = {
    "country": "No texts may be sent to the country of the caller's number.",
    "number": "No further text can be sent to the caller's number today.",
    "day": "No further text can be sent today.",
}


class TextTools:
    """Built-in tools that send texts; `find` returns the running call of a key."""

    def __init__(
        self,
        rest: TwilioRest,
        links: PictureLinks,
        text_limits: TextLimits,
        find: Callable[[str], LiveCall | None],
        on_text: Callable[[str], None] = lambda _outcome: None,
    ) -> None:
        """`on_text` gets `sent`, `refused`, or why it was not tried: country, number, day."""
        self._rest, self._links, self._limits, self._find = rest, links, text_limits, find
        self._on_text = on_text
        self._sent: WeakKeyDictionary[LiveCall, int] = WeakKeyDictionary()

    @property
    def functions(self) -> Mapping[str, ToolFunction]:
        return {"send_text": self.send_text, "request_photo": self.request_photo}

    async def send_text(self, arguments: Mapping[str, Any], context: ToolContext) -> str:
        await self._text(self._caller(context), str(arguments["text"]).strip())
        return "Sent to the caller's telephone."

    async def request_photo(self, _arguments: Mapping[str, Any], context: ToolContext) -> str:
        call = self._caller(context)
        words = written_texts(call.machine.language).link
        # On a line of its own: beside words from right to left, the ends of a link change sides.
        await self._text(call, f"{words}\n{await self._links.make(call)}")
        return (
            "The caller was texted a link. Tell them to open it and to send a photo there or to "
            "show their camera. You will see what they send; until then you have not seen anything."
        )

    def _caller(self, context: ToolContext) -> LiveCall:
        call = self._find(context.key)
        if call is None:
            raise ToolError("The call is over.")
        if not E164.fullmatch(call.facts.caller):
            raise ToolError("The caller's number is withheld or not known: no text can be sent.")
        if not E164.fullmatch(call.facts.dialled):
            raise ToolError("This line has no number that a text can be sent from.")
        if self._sent.get(call, 0) >= limits.messages.TEXTS_MAX:
            raise ToolError("No further text can be sent in this call.")
        return call

    async def _text(self, call: LiveCall, body: str) -> None:
        self._sent[call] = self._sent.get(call, 0) + 1
        over = await self._limits.refusal(call.facts.caller, call.facts.dialled)
        if over is not None:
            self._on_text(over)
            log.warning("text_limit_reached", call_sid=call.facts.key, limit=over)
            raise ToolError(_OVER_LIMIT[over])
        try:
            await self._rest.send_text(call.facts.dialled, call.facts.caller, body)
            self._on_text("sent")
        except LinkError as error:
            self._on_text("refused")
            log.warning("text_not_sent", call_sid=call.facts.key, reason=error.reason)
            refusal = _REFUSALS.get(error.reason, "The text could not be sent.")
            raise ToolError(refusal) from error
