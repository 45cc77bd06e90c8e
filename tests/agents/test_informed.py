"""An agent of one call."""

from __future__ import annotations

from gateway.agents.config.agent import Agent
from gateway.agents.informed import informed


def test_an_agent_is_informed_of_one_call() -> None:
    outbound = {"from": "+14155550100", "machine": "leave_message", "message": "{facts.name|You}!"}
    agent = Agent.model_validate(
        {
            "name": "a",
            "greeting": "Hi {facts.name|}.",
            "instructions": "Serve {facts.name|them}.",
            "outbound": outbound,
        }
    )
    told = informed(agent, {"name": "Amel"})
    assert told.greeting == "Hi Amel."
    assert told.instructions == "Serve Amel."
    assert told.outbound is not None
    assert told.outbound.message == "Amel!"
    assert agent.greeting == "Hi {facts.name|}."
    assert told.name == agent.name
