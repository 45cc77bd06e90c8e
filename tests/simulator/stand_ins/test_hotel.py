"""The hotel's stand-in."""

from __future__ import annotations

from httpx2 import Response
from starlette.testclient import TestClient

from gateway.simulator.stand_ins.hotel import hotel


def test_it_says_whether_a_name_fits_and_never_who_stays_there() -> None:
    client = TestClient(hotel())

    def answer(room: str, last_name: str) -> Response:
        return client.post(f"/rooms/{room}/guest", json={"last_name": last_name})

    assert answer("214", "laurent").json() == {"is_the_guest": True}
    assert answer("214", "Novak").json() == {"is_the_guest": False}
    assert answer("999", "Novak").status_code == 404


def test_tables_orders_and_wake_up_calls() -> None:
    client = TestClient(hotel())
    assert client.get("/tables?at=19:00").json()["others"] == ["20:00", "21:00"]
    order = {"dish": "mint tea", "number": 2}
    assert client.post("/rooms/214/orders", json=order).json()["price"] == 5
    assert client.post("/rooms/214/orders", json={"dish": "pizza"}).status_code == 404
    wake_up = {"at": "2026-12-01 07:00"}
    assert client.post("/rooms/214/wake-up", json=wake_up).json()["set"] is True
