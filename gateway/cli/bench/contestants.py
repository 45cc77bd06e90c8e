"""Who is measured, and how each of them is started."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

import yaml

from gateway.audio.transcode import AudioFormat
from gateway.cli.bench.process import Command
from gateway.simulator.caller.gateway_process import OURS
from gateway.simulator.twilio.webhooks import Account

Kind = Literal["gateway", "naive"]

WEBHOOK_SECRET: Final = "whsec_" + "YSBzZWNyZXQgb2YgdGhlIGJlbmNoJ3Mgb3du"
_SPARE_CALLS: Final = 10


def gateway(
    audio: AudioFormat, account: Account, port: int, model_url: str, max_calls: int, folder: Path
) -> Command:
    """`gateway serve`, with one agent who lets the model speak first."""
    agent = {"audio": audio, "instructions": "Answer.", "max_call_s": 3_000}
    agents = {"agents": {"bench": agent}, "routes": [{"to": "*", "agent": "bench"}]}
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"agents-{audio}.yaml"
    file.write_text(yaml.safe_dump(agents), "utf-8")
    url = f"http://127.0.0.1:{port}"
    environment = _foreign() | {
        "GATEWAY_SIMULATED": "1",
        "GATEWAY_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "GATEWAY_PUBLIC_URL": url,
        "GATEWAY_AGENTS": str(file),
        "GATEWAY_MAX_CALLS": str(max_calls + _SPARE_CALLS),
        "GATEWAY_DRAIN_SECONDS": "1",
        "GATEWAY_LOG_FORMAT": "json",
        "OPENAI_BASE_URL": model_url,
        "OPENAI_PROJECT_ID": "proj_bench",
        "OPENAI_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "TWILIO_ACCOUNT_SID": account.sid,
        "TWILIO_AUTH_TOKEN": account.token,
    }
    serve = ("-m", "gateway.cli.main", "serve")
    return Command(serve, environment, f"{url}/healthz", folder / f"gateway-{audio}.log")


def naive(audio: AudioFormat, port: int, model_url: str, folder: Path) -> Command:
    socket_url = f"ws{model_url.removeprefix('http')}/realtime"
    return Command(
        ("-m", "gateway.cli.bench.naive", str(port), socket_url, audio),
        _foreign(),
        f"http://127.0.0.1:{port}/healthz",
        folder / f"naive-{audio}.log",
    )


def _foreign() -> dict[str, str]:
    """This environment without anything that would point a gateway elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
