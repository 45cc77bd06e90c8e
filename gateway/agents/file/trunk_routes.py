"""Checks of what no call over a SIP trunk can have: a recording, and digits that nobody hears.

Neither the gateway nor a `<Dial>` of the carrier has the sound of such a call, and there is no
document that could be replaced. How a number is routed at the carrier the file does not know,
unless a route says so (`trunk`); otherwise it is warned of here, and `gateway doctor` looks.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.agents.config.agent import Agent
from gateway.agents.config.secret_input import SECRET_TOOLS
from gateway.agents.file.document import AgentsDocument
from gateway.agents.routing import may_lead
from gateway.errors import FileError
from gateway.yaml_source import YamlSource


def missing_over_trunk(agent: Agent) -> list[str]:
    """Return what this agent asks for and would not have on a call over a trunk."""
    lost = ["recording"] if agent.recording is not None else []
    return [*lost, *(tool for tool in SECRET_TOOLS if tool in agent.tools)]


def trunk_problems(found: AgentsDocument, document: YamlSource) -> Iterator[FileError]:
    """Yield each route over a trunk by which an agent is reached that cannot work there."""
    for index, route in enumerate(found.routes):
        if not route.trunk:
            continue
        for agent in may_lead(found.agents, route.agent):
            lost = missing_over_trunk(agent)
            if lost:
                yield document.error(
                    ("routes", index, "trunk"),
                    f"{agent.name} has {' and '.join(lost)}, which no call over a trunk can have: "
                    "have the number ring at /twilio/voice and write `trunk: false`, or have it "
                    "answered by agents without",
                )


def trunk_warnings(found: AgentsDocument, document: YamlSource) -> Iterator[str]:
    """Yield what is lost should a number be on a trunk, where no route says how it is."""
    unsaid = [route.agent for route in found.routes if route.trunk is None]
    reached = {agent.name for name in unsaid for agent in may_lead(found.agents, name)}
    for name, agent in found.agents.items():
        if agent.path != "sip" or name not in reached:
            continue
        for tool in SECRET_TOOLS:
            if tool in agent.tools:
                yield document.warning(
                    ("agents", name, "tools"),
                    f"{tool} works with path: sip where Twilio dials OpenAI; on a call over a "
                    "trunk the model is told that nothing can be typed. Say `trunk: false` in the "
                    "route, and a call that comes over one all the same is sent back",
                )
        if agent.recording is not None:
            yield document.warning(
                ("agents", name, "recording"),
                "with path: sip the carrier records the calls that come by POST /twilio/voice; "
                "those that come over a SIP trunk are not recorded. Say `trunk: false` in the "
                "route, and a call that comes over one all the same is sent back",
            )
