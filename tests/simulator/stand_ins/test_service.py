"""A stand-in's web service: a table of handlers."""

from __future__ import annotations

from starlette.testclient import TestClient

from gateway.simulator.stand_ins.service import service


def test_a_handler_gets_path_and_arguments_and_none_is_not_found() -> None:
    app = service(
        {
            "GET /a/{b}": lambda path, asked: {"b": path["b"], **asked},
            "POST /a/{b}": lambda _path, given: dict(given) or None,
        }
    )
    client = TestClient(app)
    assert client.get("/a/1?c=2").json() == {"b": "1", "c": "2"}
    assert client.post("/a/1", json={"c": 2}).json() == {"c": 2}
    assert client.post("/a/1", json={}).status_code == 404
