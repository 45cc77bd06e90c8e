"""`gateway tokens` as an admin has it, against a running gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from command import running
from running_gateway import GatewayRig, running_gateway

ADMIN, VIEWER = "a-token-of-the-admins", "a-token-of-a-viewer-1"


@pytest.fixture
async def rig(agents_file: Path) -> AsyncIterator[GatewayRig]:
    more = {"GATEWAY_ADMIN_TOKEN": ADMIN, "GATEWAY_TOKENS": f"wall:viewer:{VIEWER}"}
    async with running_gateway(agents_file, **more) as running:
        yield running


async def run(folder: Path, *arguments: str, token: str = ADMIN) -> tuple[int, str]:
    environ = {"GATEWAY_ADMIN_TOKEN": token, "COLUMNS": "200"}
    async with running(["tokens", *arguments], environ, folder / "said") as command:
        return await command.status(), command.said


async def status_of(rig: GatewayRig, token: str) -> int:
    bearer = {"Authorization": f"Bearer {token}"}
    return (await rig.client.get("/api/operator", headers=bearer)).status_code


async def test_a_token_is_made_listed_and_revoked(rig: GatewayRig, tmp_path: Path) -> None:
    status, said = await run(tmp_path, "create", "amal", "--role", "operator", "--url", rig.url)
    assert status == 0, said
    (token,) = [line for line in said.splitlines() if line.startswith("gwt_")]
    assert await status_of(rig, token) == 200
    status, said = await run(tmp_path, "list", "--url", rig.url)
    assert status == 0
    names = [line.split()[:3] for line in said.splitlines()]
    assert ["admin", "admin", "environment"] in names
    assert ["amal", "operator", "made"] in names
    assert token not in said
    status, said = await run(tmp_path, "create", "amal", "--url", rig.url)
    assert (status, "another name" in said) == (69, True)
    status, said = await run(tmp_path, "revoke", "amal", "--url", rig.url)
    assert (status, said.strip()) == (0, "amal is revoked")
    assert await status_of(rig, token) == 401
    status, _ = await run(tmp_path, "revoke", "amal", "--url", rig.url)
    assert status == 64


async def test_who_is_no_admin_makes_none(rig: GatewayRig, tmp_path: Path) -> None:
    status, said = await run(tmp_path, "create", "me", "--url", rig.url, token=VIEWER)
    assert (status, "role admin" in said) == (64, True)
    bearer = {"Authorization": f"Bearer {ADMIN}"}
    entries = (await rig.client.get("/api/audit", headers=bearer)).json()["entries"]
    assert ("wall", "make_token", 403) in [(e["who"], e["action"], e["status"]) for e in entries]
