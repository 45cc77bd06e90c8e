"""Records of the hotel: rooms and their guests, tables, room service, wake-up calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.applications import Starlette

from gateway.simulator.stand_ins.service import serve, service

PORT: Final = 8105
ROOMS: Final = {"214": "Laurent", "305": "Haddad", "411": "Novak"}
TABLES: Final = {"19:00": 0, "20:00": 2, "21:00": 5}
MENU: Final = {"club sandwich": 14, "mint tea": 5, "lentil soup": 9}


def hotel() -> Starlette:
    """Return the application."""

    def guest(path: Mapping[str, str], asked: Mapping[str, Any]) -> dict[str, Any] | None:
        known = ROOMS.get(path["room"])
        name = str(asked.get("last_name", ""))
        return None if known is None else {"is_the_guest": known.lower() == name.lower()}

    def tables(_: Mapping[str, str], asked: Mapping[str, Any]) -> dict[str, Any]:
        at = str(asked.get("at", ""))
        return {"at": at, "free": TABLES.get(at, 0), "others": [t for t, n in TABLES.items() if n]}

    def order(path: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any] | None:
        dish = str(given.get("dish", "")).lower()
        if path["room"] not in ROOMS or dish not in MENU:
            return None
        return {"dish": dish, "price": MENU[dish], "minutes": 25}

    def wake(path: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any] | None:
        return {"at": given.get("at"), "set": True} if path["room"] in ROOMS else None

    return service(
        {
            "POST /rooms/{room}/guest": guest,
            "GET /tables": tables,
            "POST /rooms/{room}/orders": order,
            "POST /rooms/{room}/wake-up": wake,
        }
    )


if __name__ == "__main__":
    serve(hotel(), PORT)
