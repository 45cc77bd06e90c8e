"""A gateway that serves has imported nothing that only other commands, or checks, need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx2
from command import free_port
from database_end import put_database
from running_gateway import NOWHERE

PROGRAM = """
import atexit, json, sys

def report():
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))

atexit.register(report)
sys.argv = ["gateway", "serve"]
from gateway.cli.main import run
run()
"""
# Clients of vendors, the simulator's packages, and what other ways to run a gateway need: a shared
# store (redis, cryptography), MCP servers (mcp), another command (rich, typer), a database that has
# to be migrated first (alembic) or is on a server (psycopg).
ABSENT = {
    *("openai", "aiohttp", "requests", "PIL", "matplotlib", "soxr", "espeakng_loader"),
    *("redis", "cryptography", "mcp", "rich", "pygments", "typer", "jsonschema"),
    *("alembic", "psycopg"),
}
PRESENT = {"gateway", "numpy", "uvicorn", "httpx2"}


def test_a_running_gateway_holds_only_what_it_uses(tmp_path: Path) -> None:
    port = free_port()
    put_database(tmp_path)
    environ = os.environ | {
        "GATEWAY_SIMULATED": "1",
        "OPENAI_BASE_URL": NOWHERE,
        "GATEWAY_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "GATEWAY_DATA_DIR": str(tmp_path),
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
        imported = set(json.loads(process.stdout.read()))
    assert imported >= PRESENT
    assert imported & ABSENT == set()
