"""An MCP server over standard input and output that answers with the very JSON it was given.

Its argument is a JSON object: `tools` is the list, `pages` several of them, `result` what each
call comes to.
"""

from __future__ import annotations

import json
import sys
from typing import Any

ANSWERS: dict[str, Any] = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    if method == "initialize":
        return {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "raw", "version": "1"},
        }
    if method == "tools/list":
        pages = ANSWERS.get("pages") or [ANSWERS.get("tools", [])]
        index = int(params.get("cursor") or 0)
        more = {"nextCursor": str(index + 1)} if index + 1 < len(pages) else {}
        return {"tools": pages[index]} | more
    if method == "tools/call":
        return dict(ANSWERS["result"])
    return {} if method == "ping" else None


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request:
            continue
        result = answer(request["method"], request.get("params") or {})
        outcome = (
            {"error": {"code": -32601, "message": "no such method"}}
            if result is None
            else {"result": result}
        )
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"]} | outcome) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
