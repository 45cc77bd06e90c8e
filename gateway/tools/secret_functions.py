"""Operator's functions for secret input: they get what was typed, the model only their answer.

What was typed is in the body of one signed request, and nowhere else: not in an address, a log
line, an error or an answer, which is refused if it repeats it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog

from gateway import limits
from gateway.agents.config.secret_input import SecretKind, SecretRequest
from gateway.agents.routing import AgentBook
from gateway.call.privacy.spoken_digits import digit_groups
from gateway.errors import ToolError
from gateway.tools.python import ToolContext
from gateway.tools.signed_http import SignedHttp

log = structlog.get_logger()
_WORDS_BETWEEN: Final = 2
"""Distance of two number words that are read out together, "and" between them at most."""
_BETWEEN_DIGITS: Final = re.compile(r"(?<=\d)[\s,.:;/_–-]+(?=\d)")


class _Answer(msgspec.Struct):
    ok: bool
    say: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True)
class SecretAnswer:
    """Answer as the conversation learns it."""

    outcome: str
    """`done`, `refused` or `error`."""
    say: str = ""
    token: str = ""


NOTHING_KNOWN: Final = SecretAnswer("error")


class SecretFunctions:
    """Functions of every agent, by kind and name. Raises SettingsError for a secret not set."""

    def __init__(self, book: AgentBook, environ: Mapping[str, str]) -> None:
        self._functions: dict[tuple[str, SecretKind, str], _Function] = {}
        for agent in book.agents.values():
            kinds: tuple[tuple[SecretKind, Mapping[str, Any]], ...] = (
                ("digits", agent.secret_digits),
                ("payment", agent.payments),
            )
            for kind, inputs in kinds:
                for name, one in inputs.items():
                    whose = f"agents.{agent.name}.{kind}.{name}"
                    self._functions[agent.name, kind, name] = _Function(whose, one.http, environ)

    async def ask(
        self, kind: SecretKind, name: str, typed: Mapping[str, str], context: ToolContext
    ) -> SecretAnswer:
        """Pass on what was typed; never raises but for cancellation, and never repeats it."""
        function = self._functions.get((context.agent, kind, name))
        if function is None:  # the agents file has changed meanwhile
            return NOTHING_KNOWN
        try:
            async with asyncio.timeout(function.timeout_s):
                answer = await function.ask({"kind": kind, "name": name, **typed}, context)
        except TimeoutError:
            return _failed(context, name, "timeout")
        except ToolError as error:
            return _failed(context, name, error.reason)
        if _repeats(answer, typed.get("digits", "")):
            return _failed(context, name, "repeats_digits")
        outcome = "done" if answer.ok else "refused"
        return SecretAnswer(outcome, _bounded(answer.say), _bounded(answer.token))

    async def close(self) -> None:
        for function in self._functions.values():
            await function.close()


class _Function:
    def __init__(self, whose: str, request: SecretRequest, environ: Mapping[str, str]) -> None:
        self.timeout_s = request.timeout_s
        most_bytes = limits.tools.SECRET_ANSWER_MAX_BYTES
        self._http = SignedHttp(whose, request, environ, most_bytes)

    async def ask(self, fields: Mapping[str, str], context: ToolContext) -> _Answer:
        """Send one request. Raises ToolError."""
        text = await self._http.ask(fields, context)
        try:
            return msgspec.json.decode(text, type=_Answer)
        except (msgspec.DecodeError, UnicodeEncodeError):
            raise ToolError("The service answered with something else.", "not_an_answer") from None

    async def close(self) -> None:
        await self._http.close()


def _failed(context: ToolContext, name: str, reason: str) -> SecretAnswer:
    log.warning(
        "secret_function_failed",
        call_sid=context.call_sid,
        agent=context.agent,
        function=name,
        reason=reason,
    )
    return NOTHING_KNOWN


def _repeats(answer: _Answer, digits: str) -> bool:
    """Return whether an answer has the digits in it, spaced or as words."""
    if len(digits) < limits.tools.SECRET_ECHO_MIN_DIGITS:
        return False
    texts = (_bounded(answer.say), _bounded(answer.token))
    return any(
        digits in text or digits in _BETWEEN_DIGITS.sub("", text) or digits in _said(text)
        for text in texts
    )


def _said(text: str) -> str:
    """Return the digits of a text that has them as words, with a blank where others intervene."""
    said, last_word = "", 0
    for group in digit_groups(text)[0]:
        said += (" " if group.first_word - last_word > _WORDS_BETWEEN else "") + group.digits
        last_word = group.last_word
    return said


def _bounded(text: str) -> str:
    """Return a text as it can be sent: half characters, which JSON has and UTF-8 has not, end."""
    cut = text.strip()[: limits.tools.SECRET_ANSWER_MAX_CHARS]
    return cut.encode("utf-8", "replace").decode()
