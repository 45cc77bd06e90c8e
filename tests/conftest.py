"""Rigs that several rooms' tests stand on: a real gateway, a real model's server, a stranger."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "rigs"))

from house import AGENTS, House, running_house

from gateway.simulator.model import ModelServer, running_model
from gateway.simulator.script import Script


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
