"""`gateway provision` against simulated accounts: a plan, then exactly that, then nothing more."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from openai_account import OpenAIAccount
from twilio_numbers import Numbers
from typer.testing import CliRunner

from gateway.cli.parser import app_for
from gateway.errors import ServiceUnreachable, SettingsError
from gateway.simulator.twilio.rest_api import listening
from gateway.simulator.twilio.webhooks import Account

ACCOUNT = Account("AC" + "1" * 32, "a-token-of-twilio")
KEY = "sk-a-key-of-openai"
PUBLIC = "https://gw.example.com"
NUMBER, OTHER = "+15550100", "+15550101"
OVERRIDES = "#ct=2000&rt=4000&rc=2&rp=all"


@dataclass
class Far:
    """Both accounts, and the command before them."""

    twilio: Numbers
    openai: OpenAIAccount
    environ: dict[str, str] = field(default_factory=dict)

    async def run(self, *arguments: str, **environ: str) -> Result:
        def invoke() -> Result:
            runner = CliRunner(env=dict.fromkeys(_OURS) | self.environ | environ)
            return runner.invoke(
                app_for(["provision"]), ["provision", *arguments], catch_exceptions=True
            )

        result = await asyncio.to_thread(invoke)
        for secret in (ACCOUNT.token, KEY, *self.openai.secrets.values()):
            assert secret not in result.output
        return result

    async def well(self, *arguments: str) -> str:
        result = await self.run(*arguments)
        assert result.exit_code == 0, (result.output, result.exception)
        return str(result.output)

    @property
    def untouched(self) -> bool:
        return not (self.twilio.requests or self.openai.changes)


_OURS = ("OPENAI_WEBHOOK_SECRET", "GATEWAY_SIMULATED", "GATEWAY_AGENTS", "GATEWAY_ADMIN_TOKEN")


@pytest.fixture
async def far() -> AsyncIterator[Far]:
    there = Far(Numbers(ACCOUNT), OpenAIAccount(KEY))
    async with contextlib.AsyncExitStack() as stack:
        twilio = await stack.enter_async_context(listening(there.twilio.app(), 0))
        openai = await stack.enter_async_context(listening(there.openai.app(), 0))
        there.environ = {
            "TWILIO_ACCOUNT_SID": ACCOUNT.sid,
            "TWILIO_AUTH_TOKEN": ACCOUNT.token,
            "TWILIO_BASE_URL": twilio,
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"{openai}/v1",
            "OPENAI_PROJECT_ID": "proj_test",
            "GATEWAY_PUBLIC_URL": PUBLIC,
        }
        yield there


async def test_a_plan_changes_nothing(far: Far) -> None:
    far.twilio.add(NUMBER, voice_url="https://demo.twilio.com/welcome")
    shown = await far.well("--number", NUMBER)
    assert f"~ number {NUMBER}" in shown
    assert "- voice_url: https://demo.twilio.com/welcome" in shown
    assert f"+ voice_url: {PUBLIC}/twilio/voice{OVERRIDES}" in shown
    assert "nothing was done" in shown
    assert far.untouched


async def test_applied_it_is_as_it_should_be_and_stays_so(far: Far) -> None:
    number = far.twilio.add(NUMBER, voice_method="GET", sms_url="https://example.com/sms")
    await far.well("--number", NUMBER, "--apply")
    assert number["voice_url"] == f"{PUBLIC}/twilio/voice{OVERRIDES}"
    assert (number["voice_method"], number["status_callback_method"]) == ("POST", "POST")
    assert number["status_callback"] == f"{PUBLIC}/twilio/status"
    assert number["sms_url"] == "https://example.com/sms", "not asked for"
    done = len(far.twilio.requests)
    assert "Everything is as it should be" in await far.well("--number", NUMBER, "--apply")
    assert len(far.twilio.requests) == done == 1


async def test_fallback_and_messages_when_they_are_asked_for(far: Far) -> None:
    number = far.twilio.add(NUMBER)
    shown = await far.well("--number", NUMBER)
    assert "has no fallback" in shown
    bin_url = "https://handler.twilio.com/twiml/EH1"
    options = ("--fallback-url", bin_url, "--messages", "--overrides", "")
    shown = await far.well("--number", NUMBER, *options, "--apply")
    assert "has no fallback" not in shown
    assert number["voice_url"] == f"{PUBLIC}/twilio/voice"
    assert number["voice_fallback_url"] == bin_url
    assert number["sms_url"] == f"{PUBLIC}/twilio/messages"


@pytest.mark.parametrize("what", ["trunk_sid", "voice_application_sid"])
async def test_a_number_is_taken_off_what_switches_its_voice_url_off(far: Far, what: str) -> None:
    number = far.twilio.add(NUMBER, **{what: "XX1"})
    assert "taken off XX1" in await far.well("--number", NUMBER, "--apply")
    assert number[what] is None


async def test_the_routes_say_which_numbers(far: Far, tmp_path: Path) -> None:
    agents = tmp_path / "agents.yaml"
    agents.write_text(
        "agents: {desk: {instructions: Be kind.}}\nroutes:\n"
        f'  - {{to: "{NUMBER}", agent: desk}}\n  - {{to: "+1555*", agent: desk}}\n'
        f'  - {{to: "{OTHER}", agent: desk}}\n'
    )
    for one in (NUMBER, OTHER, "+15550199"):
        far.twilio.add(one)
    far.environ["GATEWAY_AGENTS"] = str(agents)
    shown = await far.well()
    assert [f"~ number {one}" in shown for one in (NUMBER, OTHER, "+15550199")] == [
        True,
        True,
        False,
    ]


async def test_a_trunk_with_a_pool_of_numbers(far: Far) -> None:
    first, second = far.twilio.add(NUMBER, voice_url="https://a.example/"), far.twilio.add(OTHER)
    options = ("--number", NUMBER, "--number", OTHER, "--trunk", "gateway")
    shown = await far.well(*options)
    assert "+ trunk gateway" in shown
    assert "switches its voice URL off (https://a.example/)" in shown
    assert far.untouched
    await far.well(*options, "--apply")
    (trunk,) = far.twilio.trunks.values()
    assert (trunk["secure"], trunk["transfer_mode"]) == (True, "enable-all")
    assert trunk["disaster_recovery_url"] == f"{PUBLIC}/twilio/voice{OVERRIDES}"
    (origination,) = far.twilio.originations[trunk["sid"]].values()
    assert origination["sip_url"] == "sip:proj_test@sip.api.openai.com;transport=tls"
    assert first["trunk_sid"] == second["trunk_sid"] == trunk["sid"]
    done = len(far.twilio.requests)
    assert "Everything is as it should be" in await far.well(*options, "--apply")
    assert len(far.twilio.requests) == done == 4


async def test_a_trunk_that_is_wrong_is_put_right(far: Far) -> None:
    number = far.twilio.add(NUMBER)
    options = ("--number", NUMBER, "--trunk", "gateway")
    await far.well(*options, "--apply")
    (trunk,) = far.twilio.trunks.values()
    trunk["secure"] = False
    await far.well(*options, "--apply")
    assert trunk["secure"] is True
    assert number["trunk_sid"] == trunk["sid"]
    assert len(far.twilio.trunks) == 1


async def test_a_webhook_is_made_and_its_secret_kept(far: Far, tmp_path: Path) -> None:
    far.twilio.add(NUMBER)
    file = tmp_path / "secret.env"
    options = ("--number", NUMBER, "--webhook", "--secret-file", str(file))
    await far.well(*options)
    assert far.untouched
    assert not file.exists()
    await far.well(*options, "--apply")
    ((endpoint_id, endpoint),) = far.openai.endpoints.items()
    assert endpoint["url"] == f"{PUBLIC}/openai/webhook"
    assert endpoint["event_types"] == ["realtime.call.incoming"]
    assert file.read_text() == f"OPENAI_WEBHOOK_SECRET={far.openai.secrets[endpoint_id]}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    await far.well(*options, "--apply")
    assert far.openai.changes == ["create"]


@pytest.mark.parametrize("where", [None, "there", "no/folder/secret"])
async def test_no_secret_is_made_that_could_not_be_kept(
    far: Far, tmp_path: Path, where: str | None
) -> None:
    far.twilio.add(NUMBER)
    (tmp_path / "there").write_text("another's")
    options = ["--number", NUMBER, "--webhook", "--apply"]
    if where:
        options += ["--secret-file", str(tmp_path / where)]
    result = await far.run(*options)
    assert isinstance(result.exception, SettingsError)
    assert far.untouched
    assert (tmp_path / "there").read_text() == "another's"


async def test_a_secret_is_rotated_while_the_old_one_lives_on(far: Far, tmp_path: Path) -> None:
    far.twilio.add(NUMBER)
    endpoint = far.openai.add(f"{PUBLIC}/openai/webhook", "response.completed")
    before, file = far.openai.secrets[endpoint["id"]], tmp_path / "secret"
    options = ("--number", NUMBER, "--rotate-secret", "--secret-file", str(file), "--apply")
    await far.well(*options)
    assert far.openai.changes == ["update", "rotate keeping=True"]
    assert endpoint["event_types"] == ["realtime.call.incoming", "response.completed"]
    assert before not in file.read_text()
    assert far.openai.secrets[endpoint["id"]] in file.read_text()


@pytest.mark.parametrize(
    ("options", "environ", "error"),
    [
        (["--number", "5550100"], {}, SettingsError),
        (["--number", "+15559999"], {}, SettingsError),
        ([], {}, SettingsError),
        (["--webhook", "--messages"], {}, SettingsError),
        (["--number", NUMBER, "--trunk", "t"], {"OPENAI_PROJECT_ID": ""}, SettingsError),
        (["--number", NUMBER], {"TWILIO_AUTH_TOKEN": "wrong"}, ServiceUnreachable),
        (["--number", NUMBER], {"TWILIO_BASE_URL": "http://127.0.0.1:9"}, ServiceUnreachable),
        (["--number", NUMBER, "--webhook"], {"OPENAI_API_KEY": "sk-wrong"}, ServiceUnreachable),
        (["--number", NUMBER], {"TWILIO_AUTH_TOKEN": ""}, SettingsError),
    ],
)
async def test_what_cannot_be_is_one_sentence(
    far: Far, options: list[str], environ: dict[str, Any], error: type[Exception]
) -> None:
    far.twilio.add(NUMBER)
    result = await far.run(*options, "--apply", **environ)
    assert isinstance(result.exception, error), result.exception
    assert len(str(result.exception).splitlines()) == 1
    assert far.untouched


async def test_the_plan_is_shown_without_an_account(far: Far) -> None:
    nothing = dict.fromkeys(far.environ, "") | {"GATEWAY_PUBLIC_URL": PUBLIC}
    result = await far.run("--number", NUMBER, "--webhook", "--offline", **nothing)
    assert result.exit_code == 0, (result.output, result.exception)
    assert f"+ number {NUMBER}" in result.output
    assert f"+ voice_url: {PUBLIC}/twilio/voice{OVERRIDES}" in result.output
    assert f"{PUBLIC}/openai/webhook" in result.output
    assert "nothing was done" in result.output
    assert far.untouched
    trunk = await far.run("--number", NUMBER, "--trunk", "t", "--offline")
    assert "+ origination sip:proj_test@" in trunk.output
    assert f"+ {NUMBER} on trunk t" in trunk.output
    refused = await far.run("--number", NUMBER, "--offline", "--apply")
    assert isinstance(refused.exception, SettingsError)


async def test_who_cannot_be_reached_is_named_with_the_cause(far: Far) -> None:
    twilio = await far.run("--number", NUMBER, TWILIO_BASE_URL="http://127.0.0.1:9")
    assert str(twilio.exception).startswith("Twilio at 127.0.0.1:9: the connection is refused.")
    openai = await far.run("--webhook", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert str(openai.exception).startswith("OpenAI at 127.0.0.1:9: the connection is refused.")


async def test_where_no_route_names_a_number_nobody_says_that_all_is_well(far: Far) -> None:
    """As in the shipped example, whose only route is "*"."""
    result = await far.run()
    assert str(result.exception).startswith("No route names a number: give --number +15550100")
    assert "as it should be" not in result.output


async def test_openai_alone_needs_no_number(far: Far, tmp_path: Path) -> None:
    await far.well("--webhook", "--secret-file", str(tmp_path / "secret"), "--apply")
    assert far.openai.changes == ["create"]
