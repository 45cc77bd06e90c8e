"""Digits that a caller types for the operator's function are in nothing else."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import yaml
from left_behind import files_of, last_metrics, receiver, redis_watched
from redis_end import running_redis
from rehearsal import as_expected, on

PIN = "73914652"
TOO_SHORT = "739146"
SECRET = "whsec_c2VjcmV0IG9mIHRoZSByZWhlYXJzYWwsIG5vdCBhIHJlYWwgb25l"
PARTS = (b"73914", b"39146", b"91465", b"14652")
"""Of the PIN; each of them alone is too much, and none comes about by chance."""
FRACTION = re.compile(rb"\.\d{3,}")
"""Of a time: a debug log has thousands of digits in these."""


def scenario(folder: Path, events_url: str, redis_url: str) -> Path:
    agent = {
        "greeting": "Northwind Bank.",
        "instructions": "Answer the telephone of a bank.",
        "record": "transcript",
        "recording": {"consent": "Recorded.", "format": "wav"},
        "result": {"type": "object", "properties": {"reason": {"type": "string"}}},
        "tools": ["end_call", "collect_digits"],
        "secret_digits": {
            "pin": {
                "digits": len(PIN),
                "ask": "Please type your PIN now.",
                "key_wait_s": 2,
                "http": {
                    "url": "${services}/pin",
                    "secret": "${BANK_SECRET}",
                    "allow_private": True,
                },
            }
        },
    }
    asks = [
        {"say": "Please type your PIN now."},
        {"call": {"name": "collect_digits", "arguments": {"what": "pin"}}},
    ]
    ends = [{"say": "Goodbye."}, {"call": {"name": "end_call"}}]
    hear: dict[str, Any] = {"hear": {"until_silence_ms": 900, "at_least_ms": 1500}}
    whole = {
        "name": "typed",
        "agents": {"agents": {"bank": agent}, "routes": [{"to": "*", "agent": "bank"}]},
        "services": {"/pin": {"json": {"ok": True, "say": "correct", "token": "tok_heron"}}},
        "model": {
            "hears": ["What is my balance?", "Goodbye."],
            "turns": [asks, ends],
            "after_tool": [{"say": "I was told: ${output}"}],
            "out_of_band": [{"say": '{"reason": {"value": null, "evidence": []}}'}],
        },
        "environment": {
            "BANK_SECRET": SECRET,
            "GATEWAY_LOG_LEVEL": "debug",
            "GATEWAY_EVENTS_URL": events_url,
            "GATEWAY_EVENTS_SECRET": SECRET,
            "GATEWAY_STORE": redis_url,
            "GATEWAY_STORE_KEY": "",
        },
        "steps": [
            hear,
            {"say": "What is my balance?"},
            {"hear": {"until_silence_ms": 1200, "at_least_ms": 2000}},
            {"press": f"{TOO_SHORT}#"},
            {"hear": {"until_silence_ms": 700}},
            {"press": PIN},
            {"hear": {"until_silence_ms": 900, "at_least_ms": 3000}},
            {"say": "Goodbye!"},
            {"hear": {"until_silence_ms": 700}},
            {"expect_hang_up": {"timeout_s": 15}},
        ],
        "expect": {
            "ending": "gateway",
            "asked": {"/pin": 1},
            "said": [".*Typed, and accepted.*tok_heron.*"],
            "metrics": {
                'gateway_secret_inputs_total{agent="bank",kind="digits",outcome="done"}': 1
            },
        },
    }
    folder.mkdir()
    file = folder / "typed.yaml"
    file.write_text(yaml.safe_dump(whole, allow_unicode=True))
    return file


async def left_by_a_call(folder: Path, path: str) -> dict[str, bytes]:
    """Return everything that a call left, by where it was found."""
    bodies: list[bytes] = []
    out = folder / path
    async with receiver(bodies) as url, running_redis() as redis:
        metrics = asyncio.create_task(last_metrics(out / "gateway.log"))
        async with redis_watched(redis.port) as stored:
            await as_expected(str(scenario(folder, url, redis.url)), path, folder)
        found = {f"event {number}": body for number, body in enumerate(bodies)}
        found["redis"] = b"\n".join(stored)
        found["metrics"] = await asyncio.wait_for(metrics, 10)
    return found | files_of(out)


@on("media", "sip")
async def test_digits_that_are_typed_are_nowhere(path: str, tmp_path: Path) -> None:
    found = await left_by_a_call(tmp_path / "typed", path)
    seen = {
        name: [part for part in PARTS if part in FRACTION.sub(b".", data)]
        for name, data in found.items()
        if not name.endswith(".wav")  # chance puts any four bytes into a minute of sound
    }
    assert {name: parts for name, parts in seen.items() if parts} == {}
    # What was looked into is not empty, and tells of this call.
    assert b"secret_inputs_total" in found["metrics"]
    assert any(name.endswith(".wav") for name in found), "nothing was recorded"
    assert b"balance" in found["redis"], "the store was not looked into"
    assert any("sqlite3" in name for name in found)
    assert b"collect_digits" in b"".join(found.values())
