"""The agents file read again while calls run, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from gateway_calls import RECEPTION
from mcp_process import STDIO
from running_gateway import PATIENCE_S, GatewayRig, running_gateway
from structlog.testing import capture_logs

from gateway import limits
from gateway.agents.file.loader import load_agents
from gateway.bridge.agents_reload import AgentsReload, ReloadRefused
from gateway.bridge.calls.agents_in_use import AgentsInUse, AgentsVersion
from gateway.bridge.calls.tasks import Tasks
from gateway.call import events
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.ops.telemetry.metrics import Metrics
from gateway.simulator.openai.main import ModelServer, running_model
from gateway.simulator.openai.realtime.script import Script
from gateway.tools.toolbox import Toolbox
from gateway.tuning import DEFAULT_TUNING

TOKEN = "a-token-of-the-operators"
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
DESK = """
agents:
  desk:
    greeting: Hello.
    instructions: {instructions}
{more}
routes: [{{to: "*", agent: desk}}]
"""
MCP = f"    mcp: {{shelf: {{command: {json.dumps(STDIO)}, via: gateway}}}}"


def desk(instructions: str, more: str = "") -> str:
    return DESK.format(instructions=instructions, more=more)


@dataclass
class Rig:
    file: Path
    gateway: GatewayRig
    model: ModelServer

    async def reload(self, text: str) -> tuple[int, dict[str, object]]:
        self.file.write_text(text, "utf-8")
        answer = await self.gateway.client.post("/api/reload", headers=OPERATOR)
        return answer.status_code, answer.json()

    async def results(self, result: str) -> float:
        return await self.gateway.metric("agents_reloads_total", result=result)


@asynccontextmanager
async def rig(tmp_path: Path, text: str, kept_s: float = 60.0) -> AsyncIterator[Rig]:
    file = tmp_path / "agents.yaml"
    file.write_text(text, "utf-8")
    tuning = replace(DEFAULT_TUNING, old_agents_kept_s=kept_s)
    async with (
        running_model(Script()) as model,
        running_gateway(file, model, tuning, GATEWAY_ADMIN_TOKEN=TOKEN) as gateway,
    ):
        yield Rig(file, gateway, model)


def instructions_of(rig: Rig) -> list[str]:
    return [call.machine.agent.instructions for call in rig.gateway.gateway.registry.calls]


async def test_new_calls_take_the_new_file_and_running_ones_keep_theirs(tmp_path: Path) -> None:
    async with rig(tmp_path, desk("One.")) as here:
        carrier = here.gateway.carrier
        async with carrier.call(RECEPTION) as first:
            await here.gateway.note(events.ModelReady)
            status, body = await here.reload(desk("Two."))
            assert status == 200
            assert body["agents"] == ["desk"]
            async with carrier.call(RECEPTION) as second:
                await here.gateway.note(events.ModelReady, of=second.call_sid)
                assert instructions_of(here) == ["One.", "Two."]
            # What broke off comes back to the agent that it had.
            await first.socket.close()
            await here.gateway.note(events.CallEnded, of=first.call_sid)
            fields = carrier.call_fields(first.call_sid, status="in-progress")
            answer = await carrier.post("/twilio/after?leg=stream", fields)
            assert "<Stream" in answer.text
            assert "One." in instructions_of(here)


async def test_the_metric_says_which_version_is_in_use_and_since_when(tmp_path: Path) -> None:
    async with rig(tmp_path, desk("One."), kept_s=0.0) as here:
        names = [load_agents(here.file).version]
        async with here.gateway.carrier.call(RECEPTION):
            await here.gateway.note(events.ModelReady)
            _, body = await here.reload(desk("Two."))
            names.append(str(body["version"]))
            for name, calls in zip(names, (1, 0), strict=True):
                assert await here.gateway.metric("agents_file_calls", version=name) == calls
            since = "agents_file_since_timestamp_seconds"
            assert await here.gateway.metric(since, version=names[1]) > 0
            assert await here.gateway.metric(since, version=names[0]) == 0
        await here.gateway.note(events.CallEnded)
        assert await here.results("taken") == 1
        assert len({*names}) == 2


async def test_a_bad_file_is_refused_with_its_errors_and_the_old_one_stays(tmp_path: Path) -> None:
    async with rig(tmp_path, desk("One.")) as here:
        with capture_logs() as lines:
            status, body = await here.reload(desk("Two.", "    voise: marin\n    lead_ms: 1"))
        assert status == 422
        assert body["errors"] == [
            {
                "problem": "is unknown here (did you mean voice?)",
                "line": 6,
                "key": "agents.desk.voise",
            },
            {
                "problem": "must be greater than or equal to 200",
                "line": 7,
                "key": "agents.desk.lead_ms",
            },
        ]
        refused = [line for line in lines if line["event"] == "agents_file_refused"]
        assert len(refused) == 1
        assert len(refused[0]["problems"]) == 2
        assert await here.results("invalid") == 1
        async with here.gateway.carrier.call(RECEPTION):
            await here.gateway.note(events.ModelReady)
            assert instructions_of(here) == ["One."]


async def test_a_file_that_needs_what_is_not_set_is_refused(tmp_path: Path) -> None:
    async with rig(tmp_path, desk("One.")) as here:
        status, body = await here.reload(desk("Two.", "    path: sip"))
        assert status == 422
        assert "OPENAI_PROJECT_ID" in str(body["detail"])
        assert await here.results("settings") == 1


async def test_the_same_file_is_no_new_version(tmp_path: Path) -> None:
    async with rig(tmp_path, desk("One.")) as here:
        status, body = await here.reload(desk("One."))
        assert (status, body["version"]) == (200, load_agents(here.file).version)
        assert await here.results("unchanged") == 1


async def test_servers_are_connected_before_calls_and_closed_with_the_last(tmp_path: Path) -> None:
    async with rig(tmp_path, desk("One."), kept_s=0.0) as here:
        text = desk("Two.", MCP)
        assert (await here.reload(text))[0] == 200
        agents = here.gateway.gateway.registry.agents
        link = agents.current.toolbox.mcp.links[0]
        while not link.up:  # its process may take long to start
            await link._outcome.wait()
        async with here.gateway.carrier.call(RECEPTION):
            await here.gateway.note(events.ModelReady)
            assert (await here.reload(desk("Three.")))[0] == 200
            assert link.up
            assert agents.calls_of(agents.versions[1].name) == 1
            labels = dict.fromkeys([("server", "shelf")])
            assert ("gateway_mcp_up", frozenset(labels)) not in await here.gateway.metrics()
            old = agents.versions[1]
        # Its connection ends with its last call.
        await asyncio.wait(old._links, timeout=PATIENCE_S)
        assert old not in agents.versions
        assert all(one.done() for one in old._links)


async def test_versions_that_calls_use_are_bounded(tmp_path: Path) -> None:
    file = tmp_path / "agents.yaml"

    def version_of(text: str) -> AgentsVersion:
        file.write_text(text, "utf-8")
        book = load_agents(file)
        return AgentsVersion(book, Toolbox(book, {}))

    in_use = AgentsInUse(version_of(desk("None.")), lambda _: None)
    reload = AgentsReload(
        in_use,
        lambda: load_agents(file),
        lambda book: AgentsVersion(book, Toolbox(book, {})),
        Tasks(),
        Metrics(AddedLatency()),
        lambda: None,
        versions_max=2,
    )
    in_use.begin(in_use.current)
    file.write_text(desk("One."), "utf-8")
    await reload.reload()
    file.write_text(desk("Two."), "utf-8")
    with pytest.raises(ReloadRefused, match="2 versions") as refused:
        await reload.reload()
    assert refused.value.reason == "too_many_versions"


async def test_new_calls_take_a_file_once_its_servers_were_tried(tmp_path: Path) -> None:
    file, asked, may_go_on = tmp_path / "agents.yaml", asyncio.Event(), asyncio.Event()
    file.write_text(desk("One."), "utf-8")
    book = load_agents(file)
    in_use = AgentsInUse(AgentsVersion(book, Toolbox(book, {})), lambda _: None)

    async def tried(_within_s: float) -> None:
        asked.set()
        await may_go_on.wait()

    toolbox = cast("Toolbox", SimpleNamespace(mcp=SimpleNamespace(links=[], tried=tried)))
    reload = AgentsReload(
        in_use,
        lambda: load_agents(file),
        lambda book: AgentsVersion(book, toolbox),
        Tasks(),
        Metrics(AddedLatency()),
        lambda: None,
    )
    file.write_text(desk("Two."), "utf-8")
    reading = asyncio.create_task(reload.reload())
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait((reading, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    assert not reading.done()
    assert in_use.current.book is book
    may_go_on.set()
    assert await reading is in_use.current
    assert in_use.current.book is not book


def a_reload(file: Path, read_tokens: list[str]) -> tuple[AgentsReload, Metrics]:
    """A reload of this file, which is read once now."""
    metrics = Metrics(AddedLatency())
    book = load_agents(file)
    reload = AgentsReload(
        AgentsInUse(AgentsVersion(book, Toolbox(book, {})), lambda _: None),
        lambda: load_agents(file),
        lambda book: AgentsVersion(book, Toolbox(book, {})),
        Tasks(),
        metrics,
        lambda: read_tokens.append("read"),
    )
    return reload, metrics


async def test_every_result_has_a_series_before_the_first_reading(tmp_path: Path) -> None:
    """Or an alert could not see the first one."""
    file = tmp_path / "agents.yaml"
    file.write_text(desk("One."), "utf-8")
    _, metrics = a_reload(file, [])
    for result in ("taken", "unchanged", "invalid", "settings", "too_many_versions"):
        labels = {"result": result}
        assert metrics.registry.get_sample_value("gateway_agents_reloads_total", labels) == 0


async def test_a_signal_is_answered_in_the_log(tmp_path: Path) -> None:
    file, tokens = tmp_path / "agents.yaml", list[str]()
    file.write_text(desk("One."), "utf-8")
    reload, metrics = a_reload(file, tokens)
    file.write_text(desk("Two.", "    voise: marin"), "utf-8")
    with capture_logs() as lines:
        await reload.on_signal()
        file.write_text(desk("Two."), "utf-8")
        await reload.on_signal()
        await reload.on_signal()
    refused, taken, unchanged = (line for line in lines if line["event"].startswith("agents_file"))
    assert refused["event"] == "agents_file_refused"
    assert refused["problems"] == ["6:agents.desk.voise: is unknown here (did you mean voice?)"]
    assert (taken["event"], taken["agents"]) == ("agents_file_reloaded", ["desk"])
    assert unchanged["event"] == "agents_file_unchanged"
    assert taken["before"] == refused["version"] != taken["version"] == unchanged["version"]
    assert tokens == ["read"] * 3, "the tokens are read whatever becomes of the file"
    for result in ("invalid", "taken", "unchanged"):
        labels = {"result": result}
        assert metrics.registry.get_sample_value("gateway_agents_reloads_total", labels) == 1


def test_an_older_version_outlasts_a_function_that_outlives_its_call() -> None:
    assert limits.agents.OLD_VERSION_KEPT_S >= limits.tools.TOOL_TIMEOUT_MAX_S
