"""Rigs that several rooms' tests stand on: a real gateway, a real model's server, a stranger."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

RIGS = Path(__file__).parent / "rigs"
sys.path.insert(0, str(RIGS))

# No test leaves this machine, and reading the system's certificates takes 30 ms for each client.
os.environ["SSL_CERT_FILE"] = str(RIGS / "nobody.pem")

from house import AGENTS, House, running_house  # noqa: E402 - found by the line above

from gateway.simulator.model import ModelServer, running_model  # noqa: E402
from gateway.simulator.script import Script  # noqa: E402


@pytest.fixture(scope="session")
def agents_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("agents") / "agents.yaml"
    file.write_text(AGENTS)
    return file


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    """The simulated model, as fast as it can be."""
    async with running_model(Script(speed=500, think_ms=0)) as server:
        yield server


@pytest.fixture
async def house(agents_file: Path, model: ModelServer) -> AsyncIterator[House]:
    async with running_house(agents_file, model) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_model() -> AsyncIterator[ModelServer]:
    """One for all tests of a module, which then are marked `loop_scope="module"`."""
    async with running_model(Script(speed=500, think_ms=0)) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_house(agents_file: Path, shared_model: ModelServer) -> AsyncIterator[House]:
    async with running_house(agents_file, shared_model) as running:
        yield running
