"""An MCP server with every kind of tool, by the official package, to be run as a process.

`--port N` serves streamable HTTP at /mcp, without it standard input and output are spoken over.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("far end", log_level="ERROR")


@server.tool()
def stock(tea: str) -> dict[str, Any]:
    """How much of a tea is left."""
    return {"tea": tea, "left": 4}


@server.tool()
def say(text: str, times: int = 1) -> str:
    """The same text again."""
    return text * times


@server.tool()
def refuses() -> str:
    """Fails in a way that it knows."""
    raise ToolError("the shelf is locked")


@server.tool()
def breaks() -> str:
    """Has a bug."""
    raise KeyError("s3cret")


@server.tool()
async def sleeps() -> str:
    """Never comes back."""
    await asyncio.Event().wait()
    return ""


@server.tool()
def picture() -> Image:
    """What the tea looks like."""
    return Image(data=b"\x89PNG\r\n\x1a\n", format="png")


@server.tool(name="odd.name")
def odd() -> str:
    """Its name is none for a function."""
    return "odd"


@server.tool()
def sees(context: Context) -> str:
    """Which headers, and which environment, the gateway gave."""
    headers = dict(context.headers or {})
    authorization, team = headers.get("authorization"), headers.get("x-team")
    return f"{authorization} {team} {os.environ.get('SHELF')} {os.getpid()}"


@server.tool()
def dies() -> str:
    """Takes its process with it."""
    sys.stderr.write(f"the shelf {os.environ.get('SHELF')} has fallen\n")
    sys.stderr.flush()
    os._exit(3)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--port"]:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
    else:
        server.run("stdio")
