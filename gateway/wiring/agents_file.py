"""Versions of the agents file with their tools, and the reading of it while calls run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import time

from gateway.agents.routing import AgentBook
from gateway.bridge.agents_reload import AgentsReload
from gateway.bridge.calls.agents_in_use import AgentsInUse, AgentsVersion
from gateway.bridge.messaging.text_tools import TextTools
from gateway.ops.limits.text_limits import TextLimits
from gateway.ops.startup_checks import checked_agents, require_prices
from gateway.ops.telemetry.metrics import Metrics
from gateway.tools.toolbox import Toolbox
from gateway.wiring.capacity import Capacity
from gateway.wiring.messaging import Messaging
from gateway.wiring.resources import Resources


@dataclass(frozen=True, slots=True)
class BeforeMetrics:
    """Metrics of `before`: each question, and each field that could not be used."""

    metrics: Metrics

    def asked(self, agent: str, outcome: str, seconds: float) -> None:
        self.metrics.before.labels(agent, outcome).observe(seconds)

    def left_out(self, agent: str, field: str) -> None:
        self.metrics.before_left_out.labels(agent, field).inc()


@dataclass(frozen=True, slots=True)
class AgentsFile:
    in_use: AgentsInUse
    reload: AgentsReload


def agents_file(
    r: Resources,
    bounds: Capacity,
    texts: Messaging,
    environ: Mapping[str, str],
    read_tokens: Callable[[], None],
) -> AgentsFile:
    """Return the version of the file that calls take, and what replaces it.

    Raises SettingsError.
    """
    background = TextTools(
        r.rest,
        texts.links,
        TextLimits(r.store, texts.caller_index, r.settings.text_countries, time),
        r.table.call,
        lambda outcome: r.metrics.texts.labels(outcome).inc(),
    ).functions

    patience = r.tuning.mcp_patience

    def on_mcp_left_out(label: str, count: int) -> None:
        r.metrics.mcp_left_out.labels(label).inc(count)

    def version_of(book: AgentBook) -> AgentsVersion:
        def on_mcp_status(label: str, up: bool) -> None:
            # Connections of an older version say nothing about those that new calls use.
            if in_use.current.book is book:
                r.metrics.mcp_up.labels(label).set(up)

        tools = Toolbox(
            book,
            environ,
            background,
            on_mcp_status,
            on_mcp_left_out,
            patience,
            BeforeMetrics(r.metrics),
        )
        return AgentsVersion(book, tools, r.tuning.wall_clock)

    def read() -> AgentBook:
        book = checked_agents(r.settings)
        require_prices(book, r.settings, bounds.prices)
        return book

    def close(version: AgentsVersion) -> None:
        if all(other.name != version.name for other in in_use.versions):
            r.metrics.agents_calls.remove(version.name)
        r.tasks.start(version.close(), f"close agents {version.name}", last=True)

    in_use = AgentsInUse(version_of(r.book), close, kept_s=r.tuning.old_agents_kept_s)
    return AgentsFile(
        in_use, AgentsReload(in_use, read, version_of, r.tasks, r.metrics, read_tokens)
    )
