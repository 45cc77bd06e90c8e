"""The far end of MCP as a process of its own, on a port that stays when it is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.simulator.caller.gateway_process import free_port

FAR_END = str(Path(__file__).with_name("mcp_far_end.py"))
RAW_END = str(Path(__file__).with_name("mcp_raw_end.py"))
# The environment that a server of tools gets does not say where compiled files are.
_COMPILED = ["-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix else []
STDIO = [sys.executable, *_COMPILED, FAR_END]


def raw_end(**answers: Any) -> list[str]:
    """Return the command of a server that answers with exactly this."""
    return [sys.executable, RAW_END, json.dumps(answers)]


class McpProcess:
    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def start(self) -> None:
        """It listens a while later; whoever needs it tries until it does."""
        self._process = subprocess.Popen(
            [*STDIO, "--port", str(self.port)], stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def mcp_process() -> Iterator[McpProcess]:
    process = McpProcess()
    process.start()
    try:
        yield process
    finally:
        process.kill()
