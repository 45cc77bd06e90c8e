"""Questions to the operator about a call before its first word."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.bridge.calls.registry import CallRegistry
from gateway.call.commands import TransferCaller
from gateway.call.dialogue import end_plan
from gateway.errors import GatewayError
from gateway.ops.records.history import EarlierCalls
from gateway.tools.before_answer import BeforeAnswer
from gateway.tools.python import ToolContext

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ArrivingCall:
    """A call as its webhook describes it."""

    call_sid: str
    call_id: str
    """OpenAI's, over a trunk."""
    direction: str
    caller: str
    dialled: str
    sip_headers: Iterable[tuple[str, str]] = ()
    attestation: str = ""
    """The carrier's word on the caller's number, as it came."""

    @property
    def apart(self) -> str:
        """Return what tells it apart from other calls of the same caller.

        A number can be forged, and a telephone system may show one number for all its customers.
        Headers without `X-`, and those of Twilio, differ from call to call.
        """
        named = ((name.lower(), value) for name, value in self.sip_headers)
        own = (one for one in named if one[0].startswith("x-"))
        return repr((self.attestation, sorted(h for h in own if not h[0].startswith("x-twilio-"))))


class BeforeCalls:
    """Asks the hook of the agent that would answer."""

    def __init__(self, registry: CallRegistry, history: EarlierCalls | None = None) -> None:
        """`history` finds earlier calls, where records are kept."""
        self._registry, self._history = registry, history

    def ask(
        self,
        agent: Agent,
        call: ArrivingCall,
        within_s: float = limits.briefing.BEFORE_TIMEOUT_MAX_MS / 1000,
    ) -> asyncio.Task[BeforeAnswer] | None:
        """Begin to ask; None where the agent has no `before`."""
        hook = self._registry.agents.version_of(agent).toolbox.before(agent.name)
        if hook is None:
            return None
        context = ToolContext(
            call.call_sid,
            call.caller,
            call.dialled,
            agent.name,
            call.call_sid or call.call_id,
            call.call_id,
            call.direction,
        )

        async def asked() -> BeforeAnswer:
            question = partial(self._question, agent, call)
            return await hook.answer(question, context, within_s, call.apart)

        return asyncio.get_running_loop().create_task(asked(), name=f"before {context.key}")

    async def _question(self, agent: Agent, call: ArrivingCall) -> dict[str, Any]:
        most = limits.briefing.BEFORE_SIP_HEADER_MAX_CHARS
        headers = [(name[:most], value[:most]) for name, value in call.sip_headers]
        return {
            "call_sid": call.call_sid,
            "call_id": call.call_id,
            "direction": call.direction,
            "caller": call.caller,
            "dialled": call.dialled,
            "sip_headers": dict(headers[: limits.briefing.BEFORE_SIP_HEADERS_MAX]),
            "attestation": call.attestation,
            "agent": agent.name,
            "earlier_calls": await self._earlier(call.caller),
        }

    async def _earlier(self, caller: str) -> list[dict[str, Any]]:
        """Return the caller's earlier calls, newest first; none when they take too long."""
        if self._history is None or not caller:
            return []
        try:
            async with asyncio.timeout(limits.briefing.BEFORE_EARLIER_WAIT_S):
                found = await self._history.earlier_calls(caller)
        except (TimeoutError, GatewayError) as error:
            log.warning("earlier_calls_not_found", reason=type(error).__name__)
            return []
        return [
            {
                "began_at": one.began_at,
                "agent": one.agent,
                "direction": one.direction,
                "ending": one.ending,
                "seconds": one.seconds,
            }
            for one in found
        ]


def transfer_of(agent: Agent, to: str) -> TransferCaller:
    """Return the transfer that an answer asks for, whatever the opening hours."""
    party = agent.transfers.get(to)
    return TransferCaller(to) if party is None else end_plan.way_to(party)
