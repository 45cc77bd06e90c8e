"""`gateway doctor` before a gateway that runs, and accounts that are right or wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import httpx2
import pytest
import running_gateway as rig
from mcp_process import STDIO
from openai_account import OpenAIAccount
from twilio_numbers import Numbers
from typer.testing import CliRunner

from gateway.agents.config.agent import Agent
from gateway.cli.doctor import vendors
from gateway.cli.doctor.check import Finding, ok, run_all, unreachable
from gateway.cli.doctor.command import examine
from gateway.cli.parser import app_for
from gateway.simulator.twilio.rest_api import listening
from gateway.simulator.twilio.webhooks import Account

KEY, TOKEN = "sk-a-key-of-openai", rig.TOKEN
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
NUMBER = "+15550100"
AGENTS = f"""
agents: {{desk: {{instructions: Be kind.}}}}
routes:
  - {{to: "{NUMBER}", agent: desk}}
  - {{to: "*", agent: desk}}
"""


@dataclass
class Clinic:
    twilio: Numbers
    number: dict[str, Any]
    environ: dict[str, str]

    async def findings(self, **environ: str) -> dict[str, list[Finding]]:
        """By name; of settings only what is wrong."""
        local, far = await examine(self.environ | environ)
        found: dict[str, list[Finding]] = {}
        for one in [*local, *far]:
            for secret in (KEY, TOKEN, SECRET, "s3cret"):
                assert secret not in one.detail + one.fix
            assert bool(one.fix) == (one.status in ("fail", "warn")), one
            found.setdefault(one.name, []).append(one)
        return found

    async def one(self, name: str, **environ: str) -> Finding:
        return (await self.findings(**environ))[name][0]


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[Clinic]:
    """All is well in it."""
    agents = tmp_path / "agents.yaml"
    agents.write_text(AGENTS)
    listener = rig.free_listener()
    port = listener.getsockname()[1]
    public = f"http://127.0.0.1:{port}"
    numbers, openai = Numbers(Account(rig.ACCOUNT, TOKEN)), OpenAIAccount(KEY)
    number = numbers.add(
        NUMBER,
        voice_url=f"{public}/twilio/voice#rc=2",
        voice_fallback_url="https://handler.twilio.com/twiml/EH1",
        status_callback=f"{public}/twilio/status",
    )
    async with contextlib.AsyncExitStack() as stack:
        far = {
            "GATEWAY_SIMULATED": "1",
            "GATEWAY_PUBLIC_URL": public,
            "GATEWAY_PORT": str(port),
            "GATEWAY_HOST": "127.0.0.1",
            "GATEWAY_DATA_DIR": str(tmp_path / "data"),
            "TWILIO_BASE_URL": await stack.enter_async_context(listening(numbers.app(), 0)),
            "OPENAI_API_KEY": KEY,
            "OPENAI_WEBHOOK_SECRET": SECRET,
            "OPENAI_BASE_URL": await stack.enter_async_context(listening(openai.app(), 0)) + "/v1",
        }
        await stack.enter_async_context(rig.running_gateway(agents, listener=listener, **far))
        mine = {
            "TWILIO_ACCOUNT_SID": rig.ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "GATEWAY_AGENTS": str(agents),
        }
        yield Clinic(numbers, number, far | mine)


async def test_where_all_is_well_nothing_is_to_mend(clinic: Clinic) -> None:
    findings = await clinic.findings()
    wrong = [one for many in findings.values() for one in many if one.status in ("warn", "fail")]
    assert wrong == []
    told = {name: many[0].detail for name, many in findings.items()}
    assert told["public URL"] == "leads to the gateway that listens here"
    assert told["clock"] == "right to a few seconds"
    assert told["model gpt-realtime-2.1"] == "the key may use it"
    assert told["OPENAI_API_KEY"] == f"set, {len(KEY)} characters (environment)"
    assert told["GATEWAY_PORT"].endswith("(environment)")
    assert told["GATEWAY_MAX_CALLS"] == "100 (default)"
    assert {"media stream", "OpenAI's webhook", f"number {NUMBER}"} <= set(told)


@pytest.mark.parametrize(
    ("name", "environ", "status", "said"),
    [
        ("OpenAI key", {"OPENAI_API_KEY": "sk-wrong"}, "fail", "not accepted"),
        ("Twilio account", {"TWILIO_ACCOUNT_SID": "AC" + "2" * 32}, "fail", "refused (404)"),
        ("OpenAI", {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, "fail", "refused"),
        ("OpenAI", {"OPENAI_BASE_URL": "http://no.such.host.invalid/v1"}, "fail", "not known"),
        ("Twilio", {"TWILIO_BASE_URL": "http://127.0.0.1:9"}, "fail", "refused"),
        ("public URL", {"GATEWAY_PUBLIC_URL": "http://127.0.0.1:9"}, "fail", "refused"),
        ("media stream", {"GATEWAY_PUBLIC_URL": "http://127.0.0.1:9"}, "fail", "refused"),
        ("public URL", {"TWILIO_AUTH_TOKEN": "another"}, "fail", "its own signature is refused"),
        ("media stream", {"TWILIO_AUTH_TOKEN": "another"}, "fail", "its own signature is refused"),
        ("public URL", {"GATEWAY_PORT": "9"}, "warn", "none listens here"),
        ("OpenAI's webhook", {"OPENAI_WEBHOOK_SECRET": "whsec_" + "QUJD" * 8}, "fail", "refused"),
        ("webhook secret", {"OPENAI_WEBHOOK_SECRET": "whsec_not-base64"}, "fail", "base64"),
        ("settings", {"GATEWAY_PROT": "1"}, "fail", "did you mean GATEWAY_PORT"),
        ("agents", {"GATEWAY_AGENTS": "no-such-file"}, "fail", "no-such-file"),
        ("templates", {"GATEWAY_TWIML_DIR": "no-such-folder"}, "fail", "no-such-folder"),
        ("store", {"GATEWAY_STORE": "redis://:s3cret@h/0?db=x"}, "fail", "GATEWAY_STORE has"),
        ("data folder", {"GATEWAY_DATA_DIR": "/proc/none"}, "warn", "/proc/none"),
        ("Redis 127.0.0.1", {"GATEWAY_STORE": "redis://:s3cret@127.0.0.1:9/0"}, "fail", "refused"),
    ],
)
async def test_a_cross_says_what_is_wrong_and_how_to_mend_it(
    clinic: Clinic, name: str, environ: dict[str, str], status: str, said: str
) -> None:
    finding = await clinic.one(name, **environ)
    assert finding.status == status, finding
    assert said in finding.detail


@pytest.mark.parametrize("name", ["GATEWAY_ADMIN_TOKEN", "GATEWAY_STORE_KEY"])
@pytest.mark.parametrize(
    ("secret", "status"), [("fifteen-letters", "warn"), ("sixteen-letters!", "ok")]
)
async def test_a_secret_that_can_be_guessed_is_no_cross(
    clinic: Clinic, name: str, secret: str, status: str
) -> None:
    local, _ = await examine(clinic.environ | {name: secret})
    (finding,) = [one for one in local if one.name == name]
    assert finding.status == status
    assert f"{len(secret)} characters" in finding.detail
    assert secret not in finding.detail + finding.fix
    assert not [one for one in local if one.status == "fail"]


async def test_of_several_keys_each_is_looked_at(clinic: Clinic) -> None:
    keys = "a-key-of-some-length,old-one"
    assert (await clinic.one("GATEWAY_STORE_KEY", GATEWAY_STORE_KEY=keys)).status == "warn"


async def test_of_a_named_token_name_and_role_do_not_count(clinic: Clinic) -> None:
    tokens = "wall-screen-left:viewer:short,op:operator:{}"
    weak = tokens.format("w" * 32)
    assert (await clinic.one("GATEWAY_TOKENS", GATEWAY_TOKENS=weak)).status == "warn"
    good = weak.replace("short", "x:" + "y" * 30)
    assert (await clinic.one("GATEWAY_TOKENS", GATEWAY_TOKENS=good)).status == "ok"


async def test_a_wrong_token_is_not_hidden_by_a_wrong_account(clinic: Clinic) -> None:
    assert (await clinic.one("Twilio account", TWILIO_AUTH_TOKEN="another")).status == "fail"


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"voice_url": "https://demo.twilio.com/welcome"}, "fail", "demo.twilio.com"),
        ({"voice_url": ""}, "fail", "empty"),
        ({"voice_method": "GET"}, "warn", "GET"),
        ({"trunk_sid": "TK1"}, "warn", "trunk"),
        ({"voice_application_sid": "AP1"}, "fail", "application"),
        ({"phone_number": "+15559999"}, "fail", "not a number of this account"),
    ],
)
async def test_a_number_that_is_set_up_otherwise(
    clinic: Clinic, changes: dict[str, str], status: str, said: str
) -> None:
    clinic.number |= changes
    finding = await clinic.one(f"number {NUMBER}")
    assert finding.status == status
    assert said in finding.detail


OF_A_TRUNK = """
agents:
  day:
    path: sip
    instructions: Answer.
    hours: {zone: UTC, mon: "09:00-12:00"}
    out_of_hours: night
  night:
    path: sip
    instructions: Answer.
    recording: {consent: Recorded.}
    tools: [collect_digits]
    secret_digits:
      pin: {http: {url: "http://127.0.0.1:9/pin", secret: "${BANK_SECRET}", allow_private: true}}
routes:
  - {to: "NUMBER", agent: day}
"""


async def test_what_no_call_over_a_trunk_can_have_is_said_before_the_first_one(
    clinic: Clinic, tmp_path: Path
) -> None:
    agents = tmp_path / "trunk.yaml"
    agents.write_text(OF_A_TRUNK.replace("NUMBER", NUMBER))

    async def crosses() -> list[str]:
        found = await clinic.findings(
            GATEWAY_AGENTS=str(agents), OPENAI_PROJECT_ID="proj_1", BANK_SECRET=SECRET
        )
        return [one.detail for one in found[f"number {NUMBER}"] if one.status == "fail"]

    assert await crosses() == []
    clinic.number |= {"trunk_sid": "TK1"}
    assert await crosses() == [
        "is on a SIP trunk: night has no recording and no collect_digits there"
    ]
    agents.write_text(agents.read_text().replace("agent: day", "agent: day, trunk: false"))
    assert (await crosses())[0] == (
        "is on a SIP trunk, and its route says `trunk: false`: calls fail"
    )
    clinic.number |= {"trunk_sid": ""}
    assert await crosses() == []


async def test_a_model_that_the_key_may_not_use(clinic: Clinic, tmp_path: Path) -> None:
    agents = tmp_path / "others.yaml"
    agents.write_text(AGENTS.replace("instructions", "model: gpt-realtime-9, instructions"))
    finding = await clinic.one("model gpt-realtime-9", GATEWAY_AGENTS=str(agents))
    assert finding.status == "fail"


@pytest.mark.parametrize(
    ("shutdown_date", "status"),
    [
        (None, None),
        ("2027-12-01", None),
        ("2027-01-20", "warn"),
        ("2026-11-29", "fail"),
        ("2026-05-07", "fail"),
        ("soon", None),
    ],
)
def test_a_models_end_is_seen(shutdown_date: str | None, status: str | None) -> None:
    answer = httpx2.Response(200, json={"id": "m", "shutdown_date": shutdown_date})
    found = vendors.shutdown("model m", answer, date(2026, 11, 29))
    assert (found.status if found else None) == status


def test_every_model_that_a_session_names_is_looked_up() -> None:
    agent = Agent(
        name="front",
        instructions="Answer.",
        model="gpt-realtime-2.1",
        transcription={"model": "whisper-1"},
        session={"audio": {"input": {"transcription": {"model": "gpt-transcribe"}}}},
    )
    assert list(vendors.models_of(agent)) == ["gpt-realtime-2.1", "whisper-1", "gpt-transcribe"]
    silent = Agent(name="front", instructions="Answer.", transcription=None)
    assert list(vendors.models_of(silent)) == [silent.model]


async def test_a_model_of_transcripts_that_is_not_there_is_a_warning(clinic: Clinic) -> None:
    assert (await clinic.one("model gpt-transcribe")).status in ("ok", "warn")


@pytest.mark.parametrize(("off_s", "status"), [(0, "ok"), (-4, "ok"), (20, "warn"), (-90, "fail")])
def test_a_clock_that_is_wrong_is_seen(off_s: float, status: str) -> None:
    answer = httpx2.Response(200, headers={"Date": formatdate(time() - off_s, usegmt=True)})
    assert vendors.skew(answer).status == status


async def redis_answering(*lines: bytes) -> Callable[..., Any]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in lines:
            await reader.read(1000)
            writer.write(line)
        await reader.read()
        writer.close()

    return serve


@pytest.mark.parametrize(
    ("password", "lines", "status"),
    [
        ("", [b"+PONG\r\n"], "ok"),
        (":s3cret@", [b"+OK\r\n", b"+PONG\r\n"], "ok"),
        (":s3cret@", [b"-WRONGPASS invalid\r\n"], "fail"),
        ("", [b"-NOAUTH Authentication required.\r\n"], "fail"),
    ],
)
async def test_redis_is_asked_in_its_own_protocol(
    clinic: Clinic, password: str, lines: list[bytes], status: str
) -> None:
    server = await asyncio.start_server(await redis_answering(*lines), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    finding = await clinic.one(
        "Redis 127.0.0.1", GATEWAY_STORE=f"redis://{password}127.0.0.1:{port}/0"
    )
    assert finding.status == status
    server.close()


async def test_a_check_that_hangs_is_given_up() -> None:
    async def hangs() -> list[Finding]:
        await asyncio.Event().wait()
        return []

    async def works() -> list[Finding]:
        return [ok("other")]

    found = await run_all([("slow", hangs), ("other", works)], max_s=0.01)
    assert [(one.name, one.status) for one in found] == [("slow", "fail"), ("other", "ok")]


def test_a_certificate_that_is_wrong_is_named() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "certificate has expired"
    outer = httpx2.ConnectError("...")
    outer.__cause__ = error
    assert "expired" in unreachable("OpenAI", outer).detail


async def test_agents_may_bring_checks_of_their_own(clinic: Clinic) -> None:
    async def check(*_: object) -> list[Finding]:
        return [ok("MCP calendar")]

    _, far = await examine(clinic.environ, [("MCP", check)])
    assert [one.status for one in far if one.name == "MCP calendar"] == ["ok"]


@pytest.mark.parametrize(
    ("environ", "code"),
    [
        ({}, 0),
        ({"GATEWAY_AGENTS": "no-such-file"}, 64),
        ({"OPENAI_API_KEY": "sk-wrong"}, 69),
    ],
)
async def test_the_exit_status_says_whose_it_is(
    clinic: Clinic, environ: dict[str, str], code: int
) -> None:
    def run(*options: str) -> Any:
        runner = CliRunner(env={"GATEWAY_ADMIN_TOKEN": None, **clinic.environ, **environ})
        return runner.invoke(app_for(["doctor"]), ["doctor", *options])

    result = await asyncio.to_thread(run, "--json")
    assert result.exit_code == code, result.output
    findings = json.loads(result.output)
    assert {"name", "status", "detail", "fix"} == set(findings[0])
    told = await asyncio.to_thread(run)
    assert told.exit_code == code
    assert ("All is well." in told.output) == (code == 0)
    assert ("✗" in told.output) == (code != 0)


async def test_mcp_servers_that_we_reach_are_asked(clinic: Clinic, tmp_path: Path) -> None:
    gone = "{via: gateway, url: http://127.0.0.1:1/}"
    there = json.dumps({"via": "gateway", "command": STDIO, "allowed_tools": ["stock", "tea"]})
    agents = tmp_path / "mcp.yaml"
    agents.write_text(
        AGENTS.replace("Be kind.", f"Be kind., mcp: {{gone: {gone}, shelf: {there}}}")
    )
    found = await clinic.findings(GATEWAY_AGENTS=str(agents))
    (gone_found,), (shelf,) = found["MCP gone"], found["MCP shelf"]
    assert (gone_found.status, gone_found.detail) == (
        "fail",
        "cannot be had (ConnectionRefusedError)",
    )
    assert (shelf.status, shelf.detail) == ("warn", "does not offer tea")


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ("", "fail", "127.0.0.1 is in a private network"),
        (", allow_private: true", "ok", "127.0.0.1"),
    ],
)
async def test_an_address_at_which_a_call_would_fail_is_a_cross(
    clinic: Clinic, tmp_path: Path, more: str, status: str, said: str
) -> None:
    port = clinic.environ["GATEWAY_PORT"]
    function = (
        "{description: d, parameters: {type: object, required: [id], "
        "properties: {id: {type: string}}}, "
        f"http: {{url: 'http://127.0.0.1:{port}/{{id}}'{more}}}}}"
    )
    agents = tmp_path / "functions.yaml"
    agents.write_text(
        AGENTS.replace("Be kind.", f"Be kind., tools: [one], functions: {{one: {function}}}")
    )
    found = await clinic.one("function one", GATEWAY_AGENTS=str(agents))
    assert (found.status, found.detail) == (status, said)


async def test_a_secret_of_an_mcp_server_that_is_not_set(clinic: Clinic, tmp_path: Path) -> None:
    server = "{via: gateway, url: http://127.0.0.1:1/, authorization: '${SHELF_TOKEN}'}"
    agents = tmp_path / "mcp.yaml"
    agents.write_text(AGENTS.replace("Be kind.", f"Be kind., mcp: {{shelf: {server}}}"))
    found = await clinic.findings(GATEWAY_AGENTS=str(agents))
    assert [one.status for one in found["agents"]] == ["fail"]
    assert "SHELF_TOKEN" in found["agents"][0].detail
    assert "MCP" not in found


OF_FUNCTIONS = "Be kind., tools: [one], functions: {one: {%s}}"
STOCK = "description: d, parameters: {type: object}, http: {url: 'https://shop.example.com/', %s}"
ASKED = """Be kind., mcp: {diary: {via: openai, url: 'https://diary.example.com/mcp',
    allowed_tools: [a], approval: operator}}"""


@pytest.mark.parametrize(
    ("agent", "environ", "name", "said"),
    [
        (OF_FUNCTIONS % STOCK % "headers: {K: '${SHOP_TOKEN}'}", {}, "agents", "needs SHOP_TOKEN"),
        (OF_FUNCTIONS % "python: 'nowhere.at.all:place'", {}, "agents", "cannot be imported"),
        (ASKED, {}, "agents", "GATEWAY_ADMIN_TOKEN"),
        ("Be kind., path: sip", {"OPENAI_WEBHOOK_SECRET": ""}, "agents", "path: sip"),
        ("Be kind., model: gpt-realtime-9, spend_usd: 1", {}, "price list", "gpt-realtime-9"),
        ("Be kind.", {"GATEWAY_PRICES": "no-such-file"}, "price list", "no-such-file"),
    ],
)
async def test_what_the_server_would_not_start_for_is_a_cross(
    clinic: Clinic, tmp_path: Path, agent: str, environ: dict[str, str], name: str, said: str
) -> None:
    agents = tmp_path / "wanting.yaml"
    agents.write_text(AGENTS.replace("Be kind.", agent))
    settings = {"GATEWAY_SIMULATED": "0"} if "path: sip" in agent else {}
    if settings:
        settings |= {"GATEWAY_PUBLIC_URL": "https://gw.example.com"}
    found = await clinic.findings(GATEWAY_AGENTS=str(agents), **environ | settings)
    assert [(one.status, said in one.detail) for one in found[name]] == [("fail", True)]
    assert (name == "agents") == ("ok" not in {one.status for one in found["agents"]})
