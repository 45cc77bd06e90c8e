"""The bank's stand-in."""

from __future__ import annotations

from starlette.testclient import TestClient

from gateway.simulator.stand_ins.bank import bank


def test_nobody_is_told_anything_without_the_code() -> None:
    client = TestClient(bank())
    wrong, right = ({"customer": "4711", "code": code} for code in ("999", "295"))
    for path in ("/accounts/lookup", "/loans/lookup"):
        assert client.post(path, json=wrong).status_code == 404
    assert client.post("/accounts/lookup", json=right).json()["balance"] == "1,240.50"
    assert client.post("/loans/lookup", json=right).json()["state"] == "approved"


def test_a_card_that_there_is_is_blocked() -> None:
    client = TestClient(bank())
    assert client.post("/cards/7783/block", json={}).json() == {"card": "7783", "blocked": True}
    assert client.post("/cards/none/block", json={}).status_code == 404
