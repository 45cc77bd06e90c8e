"""The two gateways that are measured, and how each of them is started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import yaml

from bench.process import Command
from gateway.audio.transcode import AudioFormat
from gateway.simulator.caller.gateway_process import OURS
from gateway.simulator.twilio.webhooks import Account

Kind = Literal["gateway", "naive"]

WEBHOOK_SECRET: Final = "whsec_" + "YSBzZWNyZXQgb2YgdGhlIGJlbmNoJ3Mgb3du"
NUMBERS: Final[Mapping[AudioFormat, str]] = {"pcm24k": "+15550100", "pcmu": "+15550101"}
"""Dialled for a call in each format: one process serves both."""
_SPARE_CALLS: Final = 10
_NEVER_S: Final = 600
"""Longer than any measurement: no call ends, and no silent caller is asked."""


def gateway(account: Account, port: int, model_url: str, max_calls: int, folder: Path) -> Command:
    """Return the command `gateway serve`, with an agent for each format."""
    agents = {
        "agents": {
            audio: {
                "audio": audio,
                "instructions": "Answer.",
                "max_call_s": _NEVER_S,
                "idle": {"nudge_after_s": _NEVER_S - 1, "end_after_s": _NEVER_S},
            }
            for audio in NUMBERS
        },
        "routes": [{"to": number, "agent": audio} for audio, number in NUMBERS.items()],
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "agents.yaml"
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
    return Command(serve, environment, f"{url}/healthz", folder / "gateway.log")


def naive(port: int, model_url: str, folder: Path) -> Command:
    """Return the command of the naive gateway, which serves both formats too."""
    socket_url = f"ws{model_url.removeprefix('http')}/realtime"
    return Command(
        ("-m", "bench.naive_gateway", str(port), socket_url),
        _foreign(),
        f"http://127.0.0.1:{port}/healthz",
        folder / "naive.log",
    )


def _foreign() -> dict[str, str]:
    """Return this environment without anything that would point a gateway elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
