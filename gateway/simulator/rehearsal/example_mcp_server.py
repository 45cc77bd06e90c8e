"""Example MCP server by the official package: a warehouse of tea.

`python -m gateway.simulator.rehearsal.example_mcp_server` speaks over standard input and output;
with `--port` it serves streamable HTTP at /mcp on loopback.
"""

from __future__ import annotations

import argparse
from typing import Final

from mcp.server.mcpserver import MCPServer

LEFT: Final = {"assam": 4, "oolong": 0}


def warehouse() -> MCPServer:
    """Return the server with its two tools."""
    server = MCPServer("warehouse", log_level="WARNING")

    @server.tool()
    def stock(tea: str) -> dict[str, int]:
        """Return how many tins of a tea are left."""
        return {tea: LEFT.get(tea.lower(), 0)}

    @server.tool()
    def reserve(tea: str, tins: int) -> str:
        """Put tins of a tea aside for the caller."""
        return f"{tins} tins of {tea} are put aside."

    return server


def main() -> None:
    parser = argparse.ArgumentParser(prog="example_mcp_server", description=__doc__)
    parser.add_argument("--port", type=int, help="streamable HTTP on loopback")
    port = parser.parse_args().port
    if port is None:
        warehouse().run("stdio")
    else:
        warehouse().run("streamable-http", host="127.0.0.1", port=port)


if __name__ == "__main__":
    main()
