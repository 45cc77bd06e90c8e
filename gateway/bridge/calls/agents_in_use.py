"""Versions of the agents file: one for new calls, and older ones that running calls began with."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from time import monotonic, time

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.routing import AgentBook
from gateway.bridge.calls.session_configs import SessionConfigs
from gateway.bridge.calls.tasks import Tasks
from gateway.tools.toolbox import Toolbox


class AgentsVersion:
    """One reading of the agents file, and what was made of it: tools, their connections, sessions.

    A call keeps the version that it began with.
    """

    def __init__(
        self, book: AgentBook, toolbox: Toolbox, clock: Callable[[], float] = time
    ) -> None:
        """`clock` returns Unix time in seconds."""
        self.book, self.toolbox = book, toolbox
        self.sessions = SessionConfigs(book, toolbox)
        self.since_unix_s = clock()
        self._links: list[asyncio.Task[None]] = []

    @property
    def name(self) -> str:
        """Short hash of the file; a file that is taken a second time has its name again."""
        return self.book.version

    def connect(self, tasks: Tasks) -> None:
        """Start a task for each MCP server, which connects and stays connected."""
        self._links = [
            tasks.start(link.run(), f"mcp {link.label}") for link in self.toolbox.mcp.links
        ]

    async def connected(self) -> None:
        """Wait until each MCP server was tried once, at most a few seconds."""
        await self.toolbox.mcp.tried(limits.mcp.START_MAX_S)

    async def close(self) -> None:
        """Close the connections of its tools."""
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)
        await self.toolbox.close()


class AgentsInUse:
    """The version that new calls take, and older ones as long as a call may need them.

    An older one is closed `kept_s` seconds after its last call has ended: a call that broke off
    may come back, and a function may outlive its call. `on_unused` gets it then.
    """

    def __init__(
        self,
        first: AgentsVersion,
        on_unused: Callable[[AgentsVersion], None],
        *,
        kept_s: float = limits.agents.OLD_VERSION_KEPT_S,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`clock` is monotonic, in seconds."""
        self.current = first
        self._on_unused, self._kept_s, self._clock = on_unused, kept_s, clock
        self._older: list[AgentsVersion] = []
        """The newest first."""
        self._calls: Counter[AgentsVersion] = Counter()
        self._used_at: dict[AgentsVersion, float] = {}
        """When an older one was last in use."""
        self._ended: dict[str, tuple[AgentsVersion, float]] = {}
        """By CallSid: versions of calls that ended a short while ago, and when, oldest first."""

    @property
    def versions(self) -> list[AgentsVersion]:
        """Return every version in use, the newest first."""
        return [self.current, *self._older]

    def calls_of(self, name: str) -> int:
        """Return how many running calls began with a version of this name."""
        return sum(self._calls[one] for one in self.versions if one.name == name)

    def replace(self, version: AgentsVersion) -> None:
        """Have new calls take this version."""
        old, self.current = self.current, version
        self._older.insert(0, old)
        self._touch(old)

    # --- Calls ---

    def begin(self, version: AgentsVersion) -> None:
        """Keep a version for a call that begins."""
        self._calls[version] += 1

    def end(self, version: AgentsVersion, call_sid: str) -> None:
        """Release a version: a call that began with it has ended."""
        self._calls[version] -= 1
        if call_sid:
            self._ended.pop(call_sid, None)
            self._ended[call_sid] = version, self._clock()
        self._forget_ended()
        if version is not self.current:
            self._touch(version)

    def version_of(self, agent: Agent) -> AgentsVersion:
        """Return the version that an agent is of; of one that is made up, the current one."""
        for version in self.versions:
            if version.book.agents.get(agent.name) is agent:
                return version
        return self.current

    def agent(self, name: str, call_sid: str = "") -> Agent | None:
        """Return the agent of a call that was answered before, perhaps with an older version."""
        before = self._ended.get(call_sid)
        candidates = ([before[0]] if before else []) + self.versions
        return next(self._named(name, candidates), None)

    @staticmethod
    def _named(name: str, versions: list[AgentsVersion]) -> Iterator[Agent]:
        for version in versions:
            if name in version.book.agents:
                yield version.book.agents[name]

    # --- The end of a version ---

    def _touch(self, version: AgentsVersion) -> None:
        self._used_at[version] = self._clock()
        if not self._calls[version]:
            asyncio.get_running_loop().call_later(self._kept_s, self._close_unused)

    def _close_unused(self) -> None:
        # The timer of the loop may be early by its clock's resolution.
        before_s = self._clock() - self._kept_s + limits.sockets.TIMER_GRAIN_S
        for version in list(self._older):
            if not self._calls[version] and self._used_at[version] <= before_s:
                self._older.remove(version)
                del self._calls[version], self._used_at[version]
                self._ended = {
                    sid: (one, at) for sid, (one, at) in self._ended.items() if one is not version
                }
                self._on_unused(version)

    def _forget_ended(self) -> None:
        before_s = self._clock() - self._kept_s
        while self._ended:
            oldest = next(iter(self._ended))
            if self._ended[oldest][1] > before_s:
                break
            del self._ended[oldest]
