"""A clinic's diary: an MCP server by the official package, in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator

PATIENCE_S = 60.0


@contextlib.asynccontextmanager
async def diary() -> AsyncIterator[str]:
    """Its address, once it listens: then it says its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            port = int(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _serve() -> None:
    """The imports are this process's own: they take a second."""
    import uvicorn  # noqa: PLC0415
    from mcp import MCPError  # noqa: PLC0415
    from mcp.server.mcpserver import MCPServer  # noqa: PLC0415
    from mcp.types import INVALID_PARAMS, ToolAnnotations  # noqa: PLC0415

    server = MCPServer("diary", log_level="WARNING")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def find_appointment(name: str) -> str:
        """When somebody's appointment is."""
        return f"{name}: Monday at nine"

    @server.tool()
    def cancel_appointment(name: str) -> str:
        """Strikes it out."""
        return f"{name} has no appointment any more"

    @server.tool()
    def print_appointment(name: str) -> str:
        """On a printer that is broken."""
        raise RuntimeError(f"no paper for {name}")

    @server.tool()
    def move_appointment(name: str, day: str) -> str:
        """To a day that there is."""
        raise MCPError(INVALID_PARAMS, f"there is no {day} for {name}")

    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    app = server.streamable_http_app()
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    _serve()
