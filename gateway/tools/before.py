"""`before:` at work: an operator's answer about a call, asked for once and in time, or none.

Whatever happens, the call goes on: what failed is counted, and logged without words.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from time import monotonic
from typing import Any, Final, Protocol

import structlog

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.before import Before
from gateway.agents.config.signed_request import SignedRequest
from gateway.errors import ToolError
from gateway.tools.before_answer import NO_ANSWER, BeforeAnswer, answer_of
from gateway.tools.python import PythonFunction, ToolContext
from gateway.tools.signed_http import SignedHttp

log = structlog.get_logger()

Question = Mapping[str, Any]
"""A call as it is told to the operator: JSON."""
MakeQuestion = Callable[[], Awaitable[Question]]
"""Makes the question, when it is not answered from the cache; within the hook's time."""


class BeforeObserver(Protocol):
    """Receiver of what comes of each question."""

    def asked(self, agent: str, outcome: str, seconds: float) -> None:
        """`outcome`: `ok`, `cached`, `timeout`, `error`, `invalid` or `skipped`."""

    def left_out(self, agent: str, field: str) -> None:
        """A field of an answer could not be used."""


class _Ignored:
    def asked(self, agent: str, outcome: str, seconds: float) -> None: ...

    def left_out(self, agent: str, field: str) -> None: ...


IGNORE_BEFORE: Final[BeforeObserver] = _Ignored()


class _Way(Protocol):
    async def ask(self, question: Question, context: ToolContext) -> Any:
        """Return the answer as JSON values, None for nothing. Raises ToolError."""

    async def close(self) -> None: ...


class BeforeHook:
    """`before:` of one agent: cached by caller, bounded, given up in time."""

    def __init__(
        self,
        agent: Agent,
        agents: Mapping[str, Agent],
        before: Before,
        way: _Way,
        observer: BeforeObserver,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._agent, self._agents, self._before = agent, agents, before
        self._way, self._observer, self._clock = way, observer, clock
        self._cached: OrderedDict[str, tuple[float, BeforeAnswer]] = OrderedDict()
        self._under_way = 0
        self._failures = 0
        self._paused_until = 0.0

    async def answer(
        self,
        question: MakeQuestion,
        context: ToolContext,
        within_s: float = limits.briefing.BEFORE_TIMEOUT_MAX_MS / 1000,
        apart: str = "",
    ) -> BeforeAnswer:
        """Return the answer about a call; never raises but for cancellation.

        `apart` is what else tells two calls of one caller apart.
        """
        began, key = self._clock(), self._key(context, apart)
        cached = self._from_cache(key)
        if cached is not None:
            return self._told("cached", began, cached)
        if self._under_way >= limits.briefing.BEFORE_AT_ONCE_MAX or began < self._paused_until:
            return self._told("skipped", began)
        self._under_way += 1
        try:
            answer, outcome, reason = await self._asked(question, context, within_s)
        finally:
            self._under_way -= 1
        if outcome == "ok":
            self._failures = 0
            self._keep(key, answer)
        else:
            self._failed(outcome, reason, context)
        return self._told(outcome, began, answer)

    async def close(self) -> None:
        await self._way.close()

    async def _asked(
        self, question: MakeQuestion, context: ToolContext, within_s: float
    ) -> tuple[BeforeAnswer, str, str]:
        """Return the answer, its outcome, and why it failed: never a word of the operator's."""
        try:
            async with asyncio.timeout(min(self._before.timeout_ms / 1000, within_s)):
                given = await self._way.ask(await question(), context)
            return self._used(given, context)
        except TimeoutError:
            return NO_ANSWER, "timeout", "timeout"
        except ToolError as error:
            return NO_ANSWER, "error", error.reason
        except Exception as error:
            # The operator's own code: they need the traceback, and the call goes on.
            log.exception("before_broke", agent=self._agent.name, call_sid=context.call_sid)
            return NO_ANSWER, "error", type(error).__name__

    def _used(self, given: Any, context: ToolContext) -> tuple[BeforeAnswer, str, str]:
        """Return what of an answer can be used, its outcome, and why it failed."""
        if given is None:
            return NO_ANSWER, "ok", ""
        if not isinstance(given, Mapping):
            return NO_ANSWER, "invalid", "no_object"
        answer, invalid = answer_of(given, self._agents, self._agent)
        for field in invalid:
            self._observer.left_out(self._agent.name, field)
        if invalid:
            log.warning(
                "before_fields_left_out",
                agent=self._agent.name,
                call_sid=context.call_sid,
                fields=invalid,
            )
        return answer, "ok", ""

    def _told(self, outcome: str, began: float, answer: BeforeAnswer = NO_ANSWER) -> BeforeAnswer:
        self._observer.asked(self._agent.name, outcome, self._clock() - began)
        return answer

    def _failed(self, outcome: str, reason: str, context: ToolContext) -> None:
        self._failures += 1
        if self._failures >= limits.briefing.BEFORE_FAILURES_MAX:
            # The next one that is asked, and fails, begins the next pause.
            self._paused_until = self._clock() + limits.briefing.BEFORE_PAUSE_S
        log.warning(
            "before_failed",
            agent=self._agent.name,
            call_sid=context.call_sid,
            outcome=outcome,
            reason=reason,
        )

    # --- Answers of a short while ago ---

    def _key(self, context: ToolContext, apart: str) -> str:
        """Return a name of the caller that does not tell their number; "" for nobody known."""
        if not context.caller or not self._before.cache_s:
            return ""
        who = f"{context.caller} {context.dialled} {context.direction} {apart}"
        return sha256(who.encode("utf-8", "replace")).hexdigest()

    def _from_cache(self, key: str) -> BeforeAnswer | None:
        until, answer = self._cached.get(key, (0.0, NO_ANSWER))
        return answer if key and self._clock() < until else None

    def _keep(self, key: str, answer: BeforeAnswer) -> None:
        if key:
            self._cached.pop(key, None)
            self._cached[key] = self._clock() + self._before.cache_s, answer
        while len(self._cached) > limits.briefing.BEFORE_CACHED_MAX:
            self._cached.popitem(last=False)


class BeforeHttp:
    """A signed POST request. Raises SettingsError for a secret that is not set, or unusable."""

    def __init__(self, agent: str, request: SignedRequest, environ: Mapping[str, str]) -> None:
        self._http = SignedHttp(
            f"agents.{agent}.before.http",
            request,
            environ,
            limits.briefing.BEFORE_ANSWER_MAX_BYTES,
        )

    async def ask(self, question: Question, context: ToolContext) -> Any:
        """Return the answer as JSON; None for an empty one. Raises ToolError."""
        text = await self._http.ask(question, context)
        return _json(text) if text.strip() else None

    async def close(self) -> None:
        await self._http.close()


class BeforePython:
    """A Python function, `async` or in a thread of its own. Raises SettingsError."""

    def __init__(self, place: str) -> None:
        self._function = PythonFunction(place)

    async def ask(self, question: Question, _context: ToolContext) -> Any:
        return await self._function.call(dict(question))

    async def close(self) -> None:
        """Nothing is open."""


def before_hook(
    agent: Agent,
    agents: Mapping[str, Agent],
    environ: Mapping[str, str],
    observer: BeforeObserver,
) -> BeforeHook | None:
    """Return what is asked about calls of an agent, or None. Raises SettingsError."""
    before = agent.before
    if before is None:
        return None
    way: _Way
    if before.http is not None:
        way = BeforeHttp(agent.name, before.http, environ)
    else:
        way = BeforePython(before.python or "")
    return BeforeHook(agent, agents, before, way, observer)


_NOT_JSON: Final = "The service answered with something that is not JSON."


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ToolError(_NOT_JSON, "not_json") from None
