"""`POST /api/reload`, as an operator sees it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from running_gateway import running_gateway

TOKEN = "a-token-of-the-operators"
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
FILE = """
agents: {{desk: {{voice: {voice}, instructions: Answer.}}}}
routes: [{{to: "*", agent: desk}}]
"""


async def test_the_answer_says_which_version_is_in_use(tmp_path: Path) -> None:
    file = tmp_path / "agents.yaml"
    file.write_text(FILE.format(voice="marin"), "utf-8")
    async with running_gateway(file, GATEWAY_ADMIN_TOKEN=TOKEN) as rig:
        file.write_text(FILE.format(voice="somebody"), "utf-8")
        body = (await rig.client.post("/api/reload", headers=OPERATOR)).json()
        assert body["agents"] == ["desk"]
        assert len(body["warnings"]) == 1
        assert datetime.fromisoformat(body["since"]).tzinfo is not None
        assert body["version"] == rig.gateway.registry.agents.current.name


async def test_a_file_that_is_gone_is_a_problem_without_a_place(tmp_path: Path) -> None:
    file = tmp_path / "agents.yaml"
    file.write_text(FILE.format(voice="marin"), "utf-8")
    async with running_gateway(file, GATEWAY_ADMIN_TOKEN=TOKEN) as rig:
        file.unlink()
        answer = await rig.client.post("/api/reload", headers=OPERATOR)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.status_code == 422
        assert [set(error) for error in answer.json()["errors"]] == [{"problem"}]


async def test_nobody_else_may_have_it_read(tmp_path: Path) -> None:
    file = tmp_path / "agents.yaml"
    file.write_text(FILE.format(voice="marin"), "utf-8")
    async with running_gateway(file, GATEWAY_ADMIN_TOKEN=TOKEN) as rig:
        assert (await rig.client.post("/api/reload")).status_code == 401
