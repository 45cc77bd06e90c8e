"""Records of the clinic: appointments, and intakes that are filed before a visit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.applications import Starlette

from gateway.simulator.stand_ins.service import serve, service

PORT: Final = 8102
APPOINTMENTS: Final = {
    ("ellis", "1984-03-12"): {"at": "2026-12-01 09:20", "with": "Dr Osei", "intake": "missing"},
    ("mansour", "1990-11-02"): {"at": "2026-12-02 14:00", "with": "Dr Lind", "intake": "filed"},
}


def clinic() -> Starlette:
    """Return the application."""
    filed: list[Mapping[str, Any]] = []

    def appointment(_: Mapping[str, str], asked: Mapping[str, Any]) -> dict[str, Any] | None:
        key = str(asked.get("last_name", "")).lower(), str(asked.get("born", ""))
        return APPOINTMENTS.get(key)

    def intake(_: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
        filed.append(given)
        return {"intake": f"N{100 + len(filed)}", "filed": True}

    return service({"POST /appointments/lookup": appointment, "POST /intakes": intake})


if __name__ == "__main__":
    serve(clinic(), PORT)
