"""Fixtures of several packages: a real gateway, a real model's server, a stranger."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import settings

if TYPE_CHECKING:
    from browser import Chromium
    from postgres_end import PostgresEnd
    from running_gateway import GatewayRig
    from vendor import Vendor

    from gateway.simulator.openai.main import ModelServer

LEFT_OUT = pytest.StashKey[list[str]]()
RIGS = Path(__file__).parent / "rigs"
sys.path[:0] = [str(RIGS), str(RIGS.parent)]

# A machine that stands still for a second takes nothing from the patience of any end of a call.
from awake_clock import keep_awake_time  # noqa: E402 - before anything takes its clock

keep_awake_time()

# No test asserts how fast the machine is; hypothesis would, with 200 ms for each example.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")

# No test leaves this machine, and reading the system's certificates takes 30 ms for each client.
os.environ["SSL_CERT_FILE"] = str(RIGS / "nobody.pem")

# What is told of a call at any level is looked through for secrets.
logging.getLogger("gateway").setLevel(logging.DEBUG)

# Debian keeps the database's programs in a folder for each version.
if shutil.which("initdb") is None:
    newest_first = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, newest_first[:1])])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--forks", type=int, default=0, help="run tests in so many forked workers")
    parser.addoption("--call-forks", type=int, default=0, help="and whole calls in so many more")


def pytest_configure(config: pytest.Config) -> None:
    if count := config.option.forks:
        from forked_workers import ForkedWorkers
        from warm_python import warm_python

        warm_python()  # one for all workers, which inherit its address
        config.pluginmanager.register(ForkedWorkers(count, config.option.call_forks))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Python and make are enough for the tests; some ask for a program of the system's as well.

    Without it they are left out, and the last lines say so; in CI they run, and fail.
    """
    if os.environ.get("CI"):
        return
    left_out = [item for item in items if _missing(item)]
    items[:] = [item for item in items if not _missing(item)]
    config.hook.pytest_deselected(items=left_out)
    config.stash[LEFT_OUT] = sorted({name for item in left_out for name in _missing(item)})


def _missing(item: pytest.Item) -> list[str]:
    marks = item.iter_markers("needs")
    return [name for mark in marks for name in mark.args if shutil.which(name) is None]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    names = config.stash.get(LEFT_OUT, [])
    if names:
        terminalreporter.write_line(f"tests left out, not installed here: {', '.join(names)}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    """What collection makes stays, so no garbage collector looks through it, then or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


# A fixture imports what it starts when it starts it: a test that needs none of this, and the
# process that hands out the tests, would do little else.


@pytest.fixture(scope="session")
def agents_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from running_gateway import AGENTS

    file = tmp_path_factory.mktemp("agents") / "agents.yaml"
    file.write_text(AGENTS)
    return file


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresEnd]:
    """The real server, for all tests of this process."""
    from postgres_end import running_postgres

    with running_postgres() as end:
        yield end


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chromium]:
    """The browser, for all tests of this process, which then are marked `loop_scope="session"`."""
    from browser import running_chromium

    async with running_chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("initdb"))])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """GATEWAY_DATABASE of an empty database: unset, and of a real server."""
    if request.param == "sqlite":
        return None
    end: PostgresEnd = request.getfixturevalue("postgres")
    return end.new_database()


def _fast_model() -> AbstractAsyncContextManager[ModelServer]:
    from gateway.simulator.openai.main import running_model
    from gateway.simulator.openai.realtime.script import Script

    return running_model(Script(speed=500, think_ms=0))


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    """The simulated model, as fast as it can be."""
    async with _fast_model() as server:
        yield server


@pytest.fixture
async def rig(agents_file: Path, model: ModelServer) -> AsyncIterator[GatewayRig]:
    from running_gateway import running_gateway

    async with running_gateway(agents_file, model) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_model() -> AsyncIterator[ModelServer]:
    """One for all tests of a module, which then are marked `loop_scope="module"`."""
    async with _fast_model() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vendor() -> AsyncIterator[Vendor]:
    """OpenAI's REST and sidebands of SIP calls, for all tests of a module."""
    from vendor import running_vendor

    async with running_vendor() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_rig(agents_file: Path, shared_model: ModelServer) -> AsyncIterator[GatewayRig]:
    from running_gateway import running_gateway

    async with running_gateway(agents_file, shared_model) as running:
        yield running
