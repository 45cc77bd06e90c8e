"""Roles over a real port, and the log of what operators did."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from gateway_calls import QUIET
from running_gateway import GatewayRig, running_gateway

from gateway.call import events
from gateway.simulator.openai.main import ModelServer

TOKENS = {
    "admin": "a-token-of-the-admins",
    "op": "an-operators-own-token",
    "eye": "a-viewers-token-1",
}


@pytest.fixture
async def office(agents_file: Path, model: ModelServer) -> AsyncIterator[GatewayRig]:
    more = {
        "GATEWAY_ADMIN_TOKEN": TOKENS["admin"],
        "GATEWAY_TOKENS": f"op:operator:{TOKENS['op']},eye:viewer:{TOKENS['eye']}",
    }
    async with running_gateway(agents_file, model, **more) as rig:
        yield rig


async def ask(rig: GatewayRig, who: str, method: str, path: str, **more: Any) -> httpx2.Response:
    token = TOKENS.get(who, who)
    return await rig.client.request(
        method, path, headers={"Authorization": f"Bearer {token}"}, **more
    )


async def test_who_may_what_and_who_did_what(office: GatewayRig) -> None:
    async with office.carrier.call(QUIET) as stream, stream.breathing():
        await office.note(events.ModelReady)
        await office.note(events.CallerConnected)
        path = f"/api/calls/{stream.call_sid}"
        said = {"json": {"text": "We close."}}
        assert (await ask(office, "eye", "POST", f"{path}/say", **said)).status_code == 403
        assert (await ask(office, "op", "POST", f"{path}/say", **said)).status_code == 202
        await office.note(events.TranscriptLine)
        assert (await ask(office, "eye", "GET", path)).json()["transcript"] == []
        assert (await ask(office, "op", "GET", path)).json()["transcript"] != []
        assert (await ask(office, "eye", "GET", f"{path}/recording")).status_code == 403
        assert (await ask(office, "op", "DELETE", path)).status_code == 403
        assert (await ask(office, "op", "GET", "/api/audit")).status_code == 403
        assert (await ask(office, "op", "GET", "/api/tokens")).status_code == 403
    entries = (await ask(office, "admin", "GET", "/api/audit")).json()["entries"]
    did = {(one["who"], one["action"], one["status"]) for one in entries}
    assert {
        ("eye", "say", 403),
        ("op", "say", 202),
        ("eye", "call", 200),
        ("eye", "recording", 403),
        ("op", "delete_call", 403),
        ("op", "audit", 403),
    } <= did
    assert "We close" not in str(entries)
    assert {one["call"] for one in entries if one["action"] == "say"} == {stream.call_sid}


async def test_whoever_watches_calls_as_they_happen_is_in_the_audit_log(
    office: GatewayRig,
) -> None:
    """They see what is said in every call, and look at no single one."""
    headers = {"Authorization": f"Bearer {TOKENS['op']}"}
    async with office.client.stream("GET", "/api/events", headers=headers) as stream:
        assert stream.status_code == 200
        entries = (await ask(office, "admin", "GET", "/api/audit")).json()["entries"]
    assert ("op", "events", "", 200) in {
        (one["who"], one["action"], one["call"], one["status"]) for one in entries
    }


async def test_tokens_are_made_and_revoked(office: GatewayRig) -> None:
    wanted = {"name": "amal", "role": "viewer"}
    made = await ask(office, "admin", "POST", "/api/tokens", json=wanted)
    assert made.status_code == 201
    token = made.json()["token"]
    again = await ask(office, "admin", "POST", "/api/tokens", json=wanted)
    assert again.status_code == 409
    assert (await ask(office, token, "GET", "/api/calls")).status_code == 200
    listed = (await ask(office, "admin", "GET", "/api/tokens")).json()["tokens"]
    assert [(one["name"], one["role"]) for one in listed] == [
        ("admin", "admin"),
        ("op", "operator"),
        ("eye", "viewer"),
        ("amal", "viewer"),
    ]
    assert token not in str(listed)
    assert (await ask(office, "admin", "DELETE", "/api/tokens/amal")).status_code == 200
    assert (await ask(office, token, "GET", "/api/calls")).status_code == 401
    assert (await ask(office, "admin", "DELETE", "/api/tokens/eye")).status_code == 404


async def test_tokens_of_a_file_are_read_again(agents_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("# the counter\nold:operator:an-old-token-of-the-counter\n")
    more = {"GATEWAY_TOKENS": f"file://{file}"}
    async with running_gateway(agents_file, **more) as rig:
        assert (await ask(rig, "an-old-token-of-the-counter", "POST", "/api/reload")).is_success
        file.write_text("new:operator:the-new-token-of-the-counter\n")
        assert (await ask(rig, "an-old-token-of-the-counter", "POST", "/api/reload")).is_success
        answer = await ask(rig, "an-old-token-of-the-counter", "GET", "/api/operator")
        assert answer.status_code == 401
        answer = await ask(rig, "the-new-token-of-the-counter", "GET", "/api/operator")
        assert answer.json() == {"name": "new", "role": "operator"}
        file.write_text("new:king:the-newer-token-of-the-counter\n")
        refused = await ask(rig, "the-new-token-of-the-counter", "POST", "/api/reload")
        assert refused.status_code == 422
        assert "GATEWAY_TOKENS must be NAME:ROLE:TOKEN" in refused.json()["detail"]
        assert (await ask(rig, "the-new-token-of-the-counter", "GET", "/api/operator")).is_success
