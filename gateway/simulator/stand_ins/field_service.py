"""Records of the field service: machines, tickets, spare parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.applications import Starlette

from gateway.simulator.stand_ins.service import serve, service

PORT: Final = 8104
MACHINES: Final = {
    "B-204": {"model": "Halden boiler 24", "installed": "2021", "contract": "full"},
    "P-077": {"model": "Rill pump 3", "installed": "2018", "contract": "none"},
}
PARTS: Final = {"pressure-valve": 3, "ignition-board": 0}


def field_service() -> Starlette:
    """Return the application."""
    tickets: list[Mapping[str, Any]] = []

    def machine(path: Mapping[str, str], _: Mapping[str, Any]) -> dict[str, Any] | None:
        found = MACHINES.get(path["serial"].upper())
        return None if found is None else dict(found)

    def part(path: Mapping[str, str], _: Mapping[str, Any]) -> dict[str, Any] | None:
        name = path["part"].lower()
        return {"part": name, "in_stock": PARTS[name]} if name in PARTS else None

    def ticket(_: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
        tickets.append(given)
        return {"ticket": f"T{900 + len(tickets)}", "visit": "2026-12-01, 8 to 12"}

    return service(
        {
            "GET /machines/{serial}": machine,
            "GET /parts/{part}": part,
            "POST /tickets": ticket,
        }
    )


if __name__ == "__main__":
    serve(field_service(), PORT)
