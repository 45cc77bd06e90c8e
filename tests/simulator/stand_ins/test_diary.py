"""The diary's stand-in, by its MCP tools."""

from __future__ import annotations

import json
from typing import Any

from gateway.simulator.stand_ins.diary import diary


async def test_a_free_time_is_booked_once() -> None:
    server = diary()

    async def use(tool: str, **arguments: Any) -> Any:
        result: Any = await server.call_tool(tool, arguments)
        content = result[0] if isinstance(result, tuple) else getattr(result, "content", result)
        return json.loads(content[0].text)

    free = (await use("find_slots", city="Tunis"))["free"]
    assert free[0] == "2026-12-01 09:00"
    booked = await use("book", city="tunis", at=free[0], name="Amel")
    assert booked["booking"] == "4711"
    assert free[0] not in (await use("find_slots", city="tunis"))["free"]
    assert "error" in await use("book", city="riyadh", at=free[0], name="Amel")
    assert await use("cancel", booking="4711") == {"cancelled": "4711"}
