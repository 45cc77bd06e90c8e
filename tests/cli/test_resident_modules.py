"""A gateway that serves has imported nothing that only other commands, or checks, need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx2
from database_end import put_database
from running_gateway import NOWHERE

from gateway.simulator.caller.gateway_process import free_port

PROGRAM = """
import atexit, json, sys

def report():
    print(json.dumps(sorted(sys.modules)))

atexit.register(report)
sys.argv = ["gateway", "serve"]
from gateway.cli.main import run
run()
"""
# Clients of vendors, the simulator's packages, and what other ways to run a gateway need: a shared
# store (redis, cryptography), MCP servers (mcp), another command (rich, typer), a database that has
# to be migrated first (alembic) or is on a server (psycopg), recordings (obstore, soundfile),
# functions and results with a schema (jsonschema_rs).
ABSENT = {
    *("openai", "aiohttp", "requests", "PIL", "matplotlib", "soxr", "espeakng_loader"),
    *("redis", "cryptography", "mcp", "rich", "pygments", "typer", "jsonschema"),
    *("alembic", "psycopg", "sqlalchemy.dialects.postgresql"),
    *("obstore", "soundfile", "jsonschema_rs"),
}
PRESENT = {"gateway", "numpy", "uvicorn", "httpx2"}


RECORDING = """
agents:
  front:
    instructions: Answer.
    recording: {consent: This call is recorded.}
routes: [{to: "*", agent: front}]
"""


def test_a_running_gateway_holds_only_what_it_uses(tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    imported = modules_of_a_gateway(tmp_path)
    assert imported >= PRESENT
    assert imported & ABSENT == set()


def test_what_a_call_will_need_is_imported_before_it_comes(tmp_path: Path) -> None:
    """The client of object stores would hold the event loop up for five milliseconds."""
    agents = tmp_path / "agents.yaml"
    agents.write_text(RECORDING, "utf-8")
    assert "obstore.store" in modules_of_a_gateway(tmp_path, {"GATEWAY_AGENTS": str(agents)})


def modules_of_a_gateway(data_dir: Path, settings: Mapping[str, str] = {}) -> set[str]:
    """Return the modules of a gateway that has answered its probes and been stopped."""
    port = free_port()
    put_database(data_dir)
    environ = os.environ | {
        "GATEWAY_SIMULATED": "1",
        "OPENAI_BASE_URL": NOWHERE,
        "GATEWAY_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "GATEWAY_DATA_DIR": str(data_dir),
        **settings,
    }
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                if "ready_for_calls" in line:
                    break
            else:
                raise AssertionError("".join(said))
            for path in ("readyz", "metrics"):
                answer = httpx2.get(f"http://127.0.0.1:{port}/{path}", trust_env=False)
                assert answer.status_code == 200, path
        finally:
            process.terminate()
        return set(json.loads(process.stdout.read()))
