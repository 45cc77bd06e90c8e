"""Exit statuses, and the one sentence that comes with each."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command import broken, running
from running_gateway import NOWHERE

from gateway import __version__
from gateway.simulator.caller.gateway_process import free_port

SIMULATED = {"GATEWAY_SIMULATED": "1", "OPENAI_BASE_URL": NOWHERE, "GATEWAY_HOST": "127.0.0.1"}


async def outcome(
    tmp_path: Path, *arguments: str, patches: dict[str, Any] | None = None, **environ: str
) -> tuple[int, str]:
    """Exit status, and what was said."""
    async with running(arguments, environ, tmp_path / "log", patches) as command:
        return await command.status(), command.said


def assert_one_sentence(said: str) -> None:
    """For a person, who is told what to do; nothing else is printed."""
    (line,) = said.splitlines()
    assert line.startswith("gateway: ")
    assert "Traceback" not in line


async def test_settings_that_are_missing(tmp_path: Path) -> None:
    status, said = await outcome(tmp_path, "serve")
    assert status == 64
    assert_one_sentence(said)
    assert "OPENAI_API_KEY, TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and GATEWAY_PUBLIC_URL" in said


async def test_a_setting_that_is_misspelt(tmp_path: Path) -> None:
    status, said = await outcome(tmp_path, "serve", **SIMULATED, GATEWAY_MAXCALLS="3")
    assert status == 64
    assert_one_sentence(said)
    assert "did you mean GATEWAY_MAX_CALLS?" in said


async def test_a_secret_that_is_wrong_is_not_printed(tmp_path: Path) -> None:
    secret = "hush hush"
    status, said = await outcome(tmp_path, "serve", **SIMULATED, OPENAI_API_KEY=secret)
    assert status == 64
    assert_one_sentence(said)
    assert secret not in said


async def test_an_option_of_redis_that_is_wrong(tmp_path: Path) -> None:
    address = "redis://:s3cret@cache:6379/0?socket_timeout=abc"
    status, said = await outcome(tmp_path, "serve", **SIMULATED, GATEWAY_STORE=address)
    assert status == 64
    assert_one_sentence(said)
    assert said.startswith("gateway: GATEWAY_STORE ")
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (None, "agents.yaml: "),
        ("agents: {", "agents.yaml:1: "),
        (
            "agents:\n  a:\n    instructions: x\n    voise: marin\nroutes: [{to: '*', agent: a}]\n",
            "agents.yaml:4: ",
        ),
    ],
    ids=["missing", "not YAML", "misspelt key"],
)
async def test_an_agents_file_that_is_wrong(
    tmp_path: Path, content: str | None, place: str
) -> None:
    agents = tmp_path / "agents.yaml"
    if content is not None:
        agents.write_text(content)
    status, said = await outcome(tmp_path, "serve", **SIMULATED, GATEWAY_AGENTS=str(agents))
    assert status == 64
    assert_one_sentence(said)
    assert place in said


@pytest.mark.parametrize("name", ["GATEWAY_AGENTS", "GATEWAY_TWIML_DIR", "GATEWAY_PRICES"])
async def test_a_file_that_is_not_there_is_told_with_its_setting(tmp_path: Path, name: str) -> None:
    status, said = await outcome(tmp_path, "serve", **SIMULATED, **{name: "/nope"})
    assert status == 64
    assert_one_sentence(said)
    assert said.startswith("gateway: /nope: cannot be read: No such file")
    assert name in said


async def test_templates_that_are_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "twiml"
    folder.mkdir()
    status, said = await outcome(tmp_path, "serve", **SIMULATED, GATEWAY_TWIML_DIR=str(folder))
    assert status == 64
    assert_one_sentence(said)
    assert "connect.xml" in said


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, said = await outcome(tmp_path, "serve", **SIMULATED, GATEWAY_PORT=port)
    assert status == 64
    sentence = said.splitlines()[-1]
    assert_one_sentence(sentence)
    assert "GATEWAY_PORT" in sentence
    assert port in sentence
    assert "Traceback" not in said
    assert "ready_for_calls" not in said


async def test_an_option_that_there_is_not(tmp_path: Path) -> None:
    status, said = await outcome(tmp_path, "serve", "--fast")
    assert status == 64
    assert "--fast" in said


async def test_a_command_that_there_is_not(tmp_path: Path) -> None:
    status, said = await outcome(tmp_path, "dance")
    assert status == 64
    assert "dance" in said


@pytest.mark.parametrize(("command", "status"), [("serve", 0), ("doctor", 0), ("simulate", 64)])
def test_a_server_needs_nothing_of_the_simulator_s(command: str, status: int) -> None:
    """In the image its packages are missing: who asks for them is told which they are."""
    program = (
        "import sys; sys.modules.update(matplotlib=None, espeakng_loader=None);"
        "from gateway.cli.main import run; run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, command, "--help"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    if status:
        assert_one_sentence(done.stderr)
        assert "gateway[simulator]" in done.stderr


async def test_help_is_no_failure(tmp_path: Path) -> None:
    status, said = await outcome(tmp_path, "--help")
    assert status == 0
    assert "serve" in said
    assert "simulate" in said


async def test_a_gateway_that_is_not_there(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    options = ("--scenario", "hangup", "--url", NOWHERE, "--rest-port", "0", "--out", out)
    status, said = await outcome(tmp_path, "simulate", *options)
    assert status == 69, said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("options", "said_of"),
    [
        (("--url", "not-a-url"), "--url not-a-url is not an address"),
        (("--public-url", "gw.example.com"), "--public-url gw.example.com is not an address"),
        (("--out", "/proc/nope"), "--out /proc/nope cannot be written"),
        (("--spawn", "--out", "/proc/nope"), "--out /proc/nope cannot be written"),
        (("--scenario", "nowhere"), "nowhere: there is no such file"),
    ],
)
async def test_what_a_rehearsal_cannot_begin_with(
    tmp_path: Path, options: tuple[str, ...], said_of: str
) -> None:
    status, said = await outcome(tmp_path, "simulate", "--rest-port", "0", *options)
    assert status == 64, said
    assert_one_sentence(said)
    assert said_of in said


GOOD = "agents: {mine: {instructions: x, greeting: Hi., %s}}\nroutes: [{to: '*', agent: mine}]\n"


async def test_a_rehearsal_is_of_the_agents_of_the_environment(tmp_path: Path) -> None:
    """Not, silently, of the shipped one."""
    wrong = tmp_path / "mine.yaml"
    wrong.write_text(GOOD % "voise: marin")
    out = ("--spawn", "-s", "hangup", "--out", str(tmp_path / "out"))
    status, said = await outcome(tmp_path, "simulate", *out, GATEWAY_AGENTS=str(wrong))
    assert (status, f"{wrong}:1: agents.mine.voise: is unknown here" in said) == (64, True), said
    assert_one_sentence(said)
    status, said = await outcome(tmp_path, "simulate", *out, GATEWAY_AGENTS="/no/such.yaml")
    assert (status, "/no/such.yaml" in said) == (64, True), said


async def test_agents_that_stand_in_a_scenario_are_wrong_there(tmp_path: Path) -> None:
    file = tmp_path / "call.yaml"
    file.write_text(
        "name: x\nsteps: [hear]\nagents:\n  agents:\n    mine:\n      instructions: x\n"
        "      tools:\n      - end_call\n      - fly\n  routes: [{to: '*', agent: mine}]\n"
    )
    out = ("--spawn", "-s", str(file), "--out", str(tmp_path / "out"))
    status, said = await outcome(tmp_path, "simulate", *out)
    assert status == 64, said
    assert_one_sentence(said)
    assert f"{file}:9: agents.agents.mine.tools.2: " in said


async def test_a_rehearsed_gateway_that_does_not_start_says_so_in_its_own_words(
    tmp_path: Path,
) -> None:
    agents = tmp_path / "mine.yaml"
    http = "{url: 'https://shop.example.com/', headers: {K: '${SHOP_TOKEN}'}}"
    function = f"{{description: d, parameters: {{type: object}}, http: {http}}}"
    agents.write_text(GOOD % f"tools: [stock], functions: {{stock: {function}}}")
    out = ("--spawn", "-s", "hangup", "--out", str(tmp_path / "out"))
    environ = {"GATEWAY_AGENTS": str(agents), "GATEWAY_MAX_CALLS": "3"}
    status, said = await outcome(tmp_path, "simulate", *out, **environ)
    assert status == 64, said
    unused, sentence = said.splitlines()
    assert unused == "not used by the spawned gateway: GATEWAY_MAX_CALLS"
    assert sentence == "gateway: function stock needs SHOP_TOKEN, which is not set: set it."


async def test_a_simulated_model_that_cannot_listen_and_a_bug_that_is_not_its_fault(
    tmp_path: Path,
) -> None:
    """Beside each other, since each of them waits for a model that starts."""
    port, serves = (
        "gateway.cli.serve:SIMULATED_MODEL_PORT",
        "gateway.cli.drain_server:GatewayServer.serve",
    )
    (tmp_path / "bug").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        no_model, bug = await asyncio.gather(
            outcome(tmp_path, "serve", "--simulated", patches={port: number}),
            outcome(
                tmp_path / "bug",
                "serve",
                "--simulated",
                patches={port: free_port(), serves: broken},
            ),
        )
    status, said = no_model
    assert status == 69, said
    assert_one_sentence(said.splitlines()[-1])
    assert str(number) in said.splitlines()[-1]
    status, said = bug
    assert status == 70, said
    assert "KeyError: 'a bug of ours'" in said


async def test_a_bug_of_ours(tmp_path: Path) -> None:
    """70, and the traceback that whoever mends it will want."""
    patches = {"gateway.cli.serve:build": broken}
    status, said = await outcome(tmp_path, "serve", patches=patches, **SIMULATED)
    assert status == 70
    assert "Traceback" in said
    assert "KeyError: 'a bug of ours'" in said


async def test_a_bug_at_the_start_of_the_application(tmp_path: Path) -> None:
    patches = {"gateway.app:watch_loop": broken}
    port = str(free_port())
    status, said = await outcome(tmp_path, "serve", patches=patches, **SIMULATED, GATEWAY_PORT=port)
    assert status == 70, said
    assert said.splitlines()[-1].startswith("gateway: ")
    assert "KeyError: 'a bug of ours'" in said


async def test_the_version(tmp_path: Path) -> None:
    assert await outcome(tmp_path, "--version") == (0, f"gateway {__version__}\n")
