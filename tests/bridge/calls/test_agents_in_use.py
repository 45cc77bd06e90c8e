"""Which version of the agents file a call has, and until when an older one is kept."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from skipped_time import now_s, skipping

from gateway.agents.config.agent import Agent
from gateway.agents.routing import AgentBook, Route
from gateway.bridge.calls.agents_in_use import AgentsInUse, AgentsVersion
from gateway.bridge.calls.tasks import Tasks
from gateway.tools.toolbox import Toolbox


def version(name: str, *agents: str) -> AgentsVersion:
    known = {agent: Agent.model_validate({"name": agent, "instructions": name}) for agent in agents}
    book = AgentBook(known, (Route(to="*", agent=agents[0]),), version=name)
    return AgentsVersion(book, Toolbox(book, {}), lambda: 1_000.0)


class Versions:
    """Versions in use, and those that were closed."""

    def __init__(self, first: AgentsVersion, kept_s: float = 0.0) -> None:
        self.closed: asyncio.Queue[AgentsVersion] = asyncio.Queue()
        self.in_use = AgentsInUse(first, self.closed.put_nowait, kept_s=kept_s)


OLD, NEW = "old", "new"


async def test_a_call_keeps_the_version_of_its_agent() -> None:
    old, new = version(OLD, "desk"), version(NEW, "desk")
    in_use = Versions(old, kept_s=60.0).in_use
    in_use.replace(new)
    assert in_use.version_of(old.book.agents["desk"]) is old
    assert in_use.version_of(new.book.agents["desk"]) is new
    changed = new.book.agents["desk"].model_copy(update={"language": "fr"})
    assert in_use.version_of(changed) is new


async def test_a_version_without_calls_is_closed() -> None:
    old, new = version(OLD, "desk"), version(NEW, "desk")
    versions = Versions(old)
    versions.in_use.replace(new)
    assert await versions.closed.get() is old
    assert versions.in_use.versions == [new]


async def test_an_older_version_is_there_until_its_last_call_has_ended() -> None:
    old, new = version(OLD, "desk"), version(NEW, "desk")
    versions = Versions(old)
    in_use = versions.in_use
    in_use.begin(old)
    in_use.begin(old)
    in_use.replace(new)
    in_use.end(old, "CA1")
    in_use.begin(new)
    await asyncio.sleep(0)
    assert versions.closed.empty()
    assert (in_use.calls_of(OLD), in_use.calls_of(NEW)) == (1, 1)
    in_use.end(old, "CA2")
    assert await versions.closed.get() is old
    assert (in_use.calls_of(OLD), in_use.calls_of(NEW)) == (0, 1)


async def test_a_call_that_comes_back_has_the_agent_that_it_had() -> None:
    old, new = version(OLD, "desk"), version(NEW, "desk")
    in_use = Versions(old, kept_s=60.0).in_use
    in_use.begin(old)
    in_use.replace(new)
    in_use.end(old, "CA1")
    assert in_use.agent("desk", "CA1") is old.book.agents["desk"]
    assert in_use.agent("desk", "CA2") is new.book.agents["desk"]


async def test_an_agent_that_the_new_file_has_not_is_found_for_calls_under_way() -> None:
    old, new = version(OLD, "desk", "night"), version(NEW, "desk")
    in_use = Versions(old, kept_s=60.0).in_use
    in_use.replace(new)
    assert in_use.agent("night") is old.book.agents["night"]
    assert in_use.agent("nobody") is None


async def test_of_those_that_had_an_agent_the_newest_counts() -> None:
    oldest, old, new = (
        version(OLD, "desk", "night"),
        version(OLD, "desk", "night"),
        version(NEW, "desk"),
    )
    in_use = Versions(oldest, kept_s=60.0).in_use
    in_use.replace(old)
    in_use.replace(new)
    assert in_use.agent("night") is old.book.agents["night"]


async def test_a_call_that_ended_long_ago_has_the_agent_of_today() -> None:
    """Though another call still runs with the version that it had."""
    old, new = version(OLD, "desk"), version(NEW, "desk")
    in_use = Versions(old, kept_s=0.0).in_use
    in_use.begin(old)
    in_use.begin(old)
    in_use.end(old, "CA1")
    in_use.replace(new)
    assert in_use.agent("desk", "CA1") is new.book.agents["desk"]


def test_an_older_version_is_kept_for_a_while_after_its_last_call() -> None:
    """A caller whose call broke off comes back to it."""

    async def calls() -> list[float]:
        old, closed_s = version(OLD, "desk"), list[float]()
        in_use = AgentsInUse(old, lambda _: closed_s.append(now_s()), kept_s=600.0, clock=now_s)
        in_use.begin(old)
        in_use.replace(version(NEW, "desk"))
        await asyncio.sleep(1_000.0)
        in_use.end(old, "CA1")
        await asyncio.sleep(300.0)
        in_use.begin(old)
        await asyncio.sleep(100.0)
        in_use.end(old, "CA1")
        await asyncio.sleep(599.0)
        assert in_use.agent("desk", "CA1") is old.book.agents["desk"]
        await asyncio.sleep(9_000.0)
        assert in_use.agent("desk", "CA1") is in_use.current.book.agents["desk"]
        return closed_s

    assert skipping(calls()) == [2_000.0]


def test_one_that_is_in_use_stays_when_a_newer_one_goes() -> None:
    async def calls() -> None:
        oldest, old, new = version(OLD, "desk"), version(OLD, "desk"), version(NEW, "desk")
        closed: list[AgentsVersion] = []
        in_use = AgentsInUse(oldest, closed.append, kept_s=600.0, clock=now_s)
        in_use.begin(oldest)
        in_use.replace(old)
        in_use.replace(new)
        await asyncio.sleep(9_000.0)
        assert closed == [old]
        assert in_use.versions == [new, oldest]

    skipping(calls())


def test_a_call_that_ended_twice_is_known_from_its_last_end_on() -> None:
    async def calls() -> list[bool]:
        old, new = version(OLD, "desk"), version(NEW, "desk")
        in_use = AgentsInUse(old, lambda _: None, kept_s=600.0, clock=now_s)
        for _ in range(5):
            in_use.begin(old)
        for call_sid, pause_s in (("CA1", 100.0), ("CA2", 400.0), ("CA1", 250.0), ("CA3", 0.0)):
            in_use.end(old, call_sid)
            await asyncio.sleep(pause_s)
        in_use.replace(new)
        mine = old.book.agents["desk"]
        return [in_use.agent("desk", one) is mine for one in ("CA1", "CA2", "CA3")]

    assert skipping(calls()) == [True, False, True]


async def test_the_same_file_taken_twice_counts_as_one() -> None:
    first, second, again = version(OLD, "desk"), version(NEW, "desk"), version(OLD, "desk")
    in_use = Versions(first, kept_s=60.0).in_use
    in_use.begin(first)
    in_use.replace(second)
    in_use.replace(again)
    in_use.begin(again)
    assert in_use.calls_of(OLD) == 2


class McpLink:
    """The connection to an MCP server: it is tried when the test lets it, and then stays."""

    label = "shop"

    def __init__(self) -> None:
        self.may_be_tried, self.was_tried, self.ended = asyncio.Event(), asyncio.Event(), False

    async def run(self) -> None:
        try:
            await self.may_be_tried.wait()
            self.was_tried.set()
            await asyncio.Event().wait()
        finally:
            self.ended = True


class ToolboxDouble:
    def __init__(self) -> None:
        self.link, self.closed = McpLink(), False
        self.mcp = SimpleNamespace(links=[self.link], tried=self._tried)

    async def _tried(self, within_s: float) -> None:
        await asyncio.wait_for(self.link.was_tried.wait(), within_s)

    async def close(self) -> None:
        self.closed = True


async def test_a_version_is_connected_when_its_servers_were_tried_and_closed_with_them() -> None:
    toolbox = ToolboxDouble()
    one = AgentsVersion(version(OLD, "desk").book, cast("Any", toolbox))
    one.connect(Tasks())
    waiting = asyncio.create_task(one.connected())
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    toolbox.link.may_be_tried.set()
    await waiting
    assert (toolbox.link.ended, toolbox.closed) == (False, False)
    await one.close()
    assert (toolbox.link.ended, toolbox.closed) == (True, True)
