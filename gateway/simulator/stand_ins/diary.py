"""Diary of the Arabic contact centre, as an MCP server: free slots, bookings.

`python -m gateway.simulator.stand_ins.diary` serves streamable HTTP at http://127.0.0.1:8101/mcp.
"""

from __future__ import annotations

import argparse
from typing import Final

from mcp.server.mcpserver import MCPServer

PORT: Final = 8101
SLOTS: Final = {
    "tunis": ["2026-12-01 09:00", "2026-12-01 14:30", "2026-12-02 10:00"],
    "sousse": ["2026-12-03 11:00"],
    "dubai": ["2026-12-01 16:00", "2026-12-02 09:30"],
    "riyadh": [],
}


def diary() -> MCPServer:
    """Return the server with its three tools."""
    server = MCPServer("diary", log_level="WARNING")
    booked: dict[str, str] = {}

    @server.tool()
    def find_slots(city: str) -> dict[str, list[str]]:
        """Return free visits of a technician in a city (tunis, sousse, dubai, riyadh).

        Times are those of the city, as YYYY-MM-DD HH:MM.
        """
        taken = set(booked.values())
        free = SLOTS.get(city.strip().lower(), [])
        return {"free": [at for at in free if f"{city.lower()} {at}" not in taken]}

    @server.tool()
    def book(city: str, at: str, name: str) -> dict[str, str]:
        """Book a visit at one of the free times, and return its booking number."""
        if at not in SLOTS.get(city.strip().lower(), []):
            return {"error": "this time is not free"}
        number = str(4711 + len(booked))
        booked[number] = f"{city.lower()} {at}"
        return {"booking": number, "at": at, "name": name}

    @server.tool()
    def cancel(booking: str) -> dict[str, str]:
        """Cancel a booking by its number."""
        return {"cancelled": booking} if booked.pop(booking, None) else {"error": "not found"}

    return server


def main() -> None:
    parser = argparse.ArgumentParser(prog="diary", description=__doc__)
    parser.add_argument("--port", type=int, default=PORT)
    port = parser.parse_args().port
    diary().run("streamable-http", host="127.0.0.1", port=port)


if __name__ == "__main__":
    main()
