"""Reading of agents file and tokens again while calls run: on SIGHUP, by `POST /api/reload`.

New calls take the new file as soon as its MCP servers were tried. Running ones keep theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from gateway import limits
from gateway.agents.routing import AgentBook
from gateway.bridge.calls.agents_in_use import AgentsInUse, AgentsVersion
from gateway.bridge.calls.tasks import Tasks
from gateway.errors import FileError, SettingsError
from gateway.ops.telemetry.metrics import Metrics

log = structlog.get_logger()
_T = TypeVar("_T")
_RESULTS: Final = ("taken", "unchanged", "invalid", "settings", "too_many_versions")


@dataclass(frozen=True, slots=True)
class ReloadProblem:
    """One thing that is wrong with a file that was not taken."""

    problem: str
    line: int | None = None
    key: str | None = None


class ReloadRefused(Exception):
    """The file was not taken, and the one before stays in use; `problems` say why."""

    def __init__(
        self, reason: str, sentence: str, problems: tuple[ReloadProblem, ...] = ()
    ) -> None:
        """`reason` is a label of the metric."""
        self.reason, self.problems = reason, problems
        super().__init__(sentence)


class AgentsReload:
    """Replaces the version of the agents file that new calls take, one reading at a time.

    `read` reads and checks the file, `make` makes a version of it. Both may take long and run in a
    thread. They raise FileError and SettingsError. `read_tokens` reads the operators' tokens again,
    whatever becomes of the file.
    """

    def __init__(
        self,
        in_use: AgentsInUse,
        read: Callable[[], AgentBook],
        make: Callable[[AgentBook], AgentsVersion],
        tasks: Tasks,
        metrics: Metrics,
        read_tokens: Callable[[], None],
        *,
        versions_max: int = limits.agents.VERSIONS_MAX,
    ) -> None:
        self._in_use, self._read, self._make = in_use, read, make
        self._tasks, self._metrics, self._versions_max = tasks, metrics, versions_max
        self._read_tokens = read_tokens
        self._one_at_a_time = asyncio.Lock()
        self._servers: frozenset[str] = frozenset()
        """Labels of MCP servers that have a series."""
        for result in _RESULTS:
            metrics.agents_reloads.labels(result)
        self._show(in_use.current)

    async def reload(self) -> AgentsVersion:
        """Return the version that new calls take now. Raises ReloadRefused."""
        async with self._one_at_a_time:
            try:
                return await self._reload()
            except ReloadRefused as refused:
                self._metrics.agents_reloads.labels(refused.reason).inc()
                log.error(
                    "agents_file_refused",
                    reason=refused.reason,
                    problems=[_line(problem) for problem in refused.problems] or [str(refused)],
                    version=self._in_use.current.name,
                )
                raise

    async def on_signal(self) -> None:
        """Reload, with the log as the only answer."""
        try:
            await self.reload()
        except ReloadRefused:
            return

    async def _reload(self) -> AgentsVersion:
        before = self._in_use.current
        await self._asked_for(self._read_tokens)
        book = await self._asked_for(self._read)
        if book.version == before.name:
            self._metrics.agents_reloads.labels("unchanged").inc()
            log.info("agents_file_unchanged", version=book.version)
            return before
        if len(self._in_use.versions) >= self._versions_max:
            raise ReloadRefused(
                "too_many_versions",
                f"Calls still use {len(self._in_use.versions)} versions of the agents file, which "
                "is as many as can be kept: wait until some have ended, or restart the process.",
            )
        version = await self._asked_for(lambda: self._make(book))
        version.connect(self._tasks)
        await version.connected()
        self._in_use.replace(version)
        self._metrics.expect(book.agents.values())
        self._metrics.agents_since.remove(before.name)
        self._show(version)
        self._metrics.agents_reloads.labels("taken").inc()
        for warning in book.warnings:
            log.warning("agents_file_warning", warning=warning)
        log.info(
            "agents_file_reloaded",
            version=book.version,
            before=before.name,
            agents=sorted(book.agents),
            older_calls=self._in_use.calls_of(before.name),
        )
        return version

    async def _asked_for(self, work: Callable[[], _T]) -> _T:
        """Return what a function makes in a thread, so that no frame waits for it."""
        try:
            return await asyncio.to_thread(work)
        except FileError as error:
            problems = (error, *error.others)
            raise ReloadRefused(
                "invalid",
                "The agents file cannot be used; the one before stays in use.",
                tuple(ReloadProblem(one.problem, one.line, one.key) for one in problems),
            ) from error
        except SettingsError as error:
            raise ReloadRefused("settings", str(error), (ReloadProblem(str(error)),)) from error

    def _show(self, version: AgentsVersion) -> None:
        name = version.name
        self._metrics.agents_since.labels(name).set(version.since_unix_s)
        self._metrics.agents_calls.labels(name).set_function(lambda: self._in_use.calls_of(name))
        servers = {link.label: link.up for link in version.toolbox.mcp.links}
        for label, up in servers.items():
            self._metrics.mcp_up.labels(label).set(up)
        for label in self._servers - servers.keys():
            self._metrics.mcp_up.remove(label)
        self._servers = frozenset(servers)


def _line(problem: ReloadProblem) -> str:
    place = ":".join(str(part) for part in (problem.line, problem.key) if part is not None)
    return f"{place}: {problem.problem}" if place else problem.problem
