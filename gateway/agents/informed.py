"""The agent of one call: its texts with the call's facts in them."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.agents.config.agent import Agent
from gateway.agents.config.placeholders import filled


def informed(agent: Agent, facts: Mapping[str, str], greeting: str = "") -> Agent:
    """Return a copy of an agent whose greeting, instructions and message have these facts.

    `greeting` is said in place of the agent's own.
    """
    outbound = agent.outbound
    if outbound is not None and outbound.message is not None:
        message = filled(outbound.message, facts)
        outbound = outbound.model_copy(update={"message": message})
    texts = {
        "instructions": filled(agent.instructions, facts),
        "greeting": greeting or (agent.greeting and filled(agent.greeting, facts)),
        "outbound": outbound,
    }
    return agent.model_copy(update=texts)
