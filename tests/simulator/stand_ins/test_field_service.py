"""The field service's stand-in."""

from __future__ import annotations

from starlette.testclient import TestClient

from gateway.simulator.stand_ins.field_service import field_service


def test_machines_parts_and_tickets() -> None:
    client = TestClient(field_service())
    assert client.get("/machines/b-204").json()["model"] == "Halden boiler 24"
    assert client.get("/machines/B-999").status_code == 404
    assert client.get("/parts/ignition-board").json()["in_stock"] == 0
    assert client.post("/tickets", json={"fault": "cold"}).json()["ticket"] == "T901"
