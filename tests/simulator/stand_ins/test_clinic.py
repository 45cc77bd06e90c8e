"""The clinic's stand-in."""

from __future__ import annotations

from starlette.testclient import TestClient

from gateway.simulator.stand_ins.clinic import clinic


def test_an_appointment_is_found_by_name_and_date_of_birth_and_an_intake_filed() -> None:
    client = TestClient(clinic())
    ellis = {"last_name": "Ellis", "born": "1984-03-12"}
    found = client.post("/appointments/lookup", json=ellis)
    assert found.json()["with"] == "Dr Osei"
    other = client.post("/appointments/lookup", json=ellis | {"born": "1984-03-13"})
    assert other.status_code == 404
    assert client.post("/intakes", json={"reason": "a cough"}).json()["intake"] == "N101"
