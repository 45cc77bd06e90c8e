"""The clinic's stand-in."""

from __future__ import annotations

from starlette.testclient import TestClient

from gateway.simulator.stand_ins.clinic import clinic


def test_an_appointment_is_found_by_name_and_date_of_birth_and_an_intake_filed() -> None:
    client = TestClient(clinic())
    found = client.get("/appointments?last_name=Ellis&born=1984-03-12")
    assert found.json()["with"] == "Dr Osei"
    assert client.get("/appointments?last_name=Ellis&born=1984-03-13").status_code == 404
    assert client.post("/intakes", json={"reason": "a cough"}).json()["intake"] == "N101"
