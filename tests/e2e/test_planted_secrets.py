"""Secrets that a caller reads out are in nothing that a call leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from left_behind import files_of, receiver, redis_watched
from redis_end import running_redis
from rehearsal import as_expected, on

PLANTED = (
    "four one one one",
    "one one one one",
    "4111 1111",
    "4111111111111111",
    "cinq cinq cinq cinq",
    "jo.smith@example.com",
    "71 123 456",
)
"""What stands in the words below, one by one."""
HEARS = [
    "My card is four one one one.",
    "Then one one one one, euh, non pardon, cinq cinq cinq cinq.",
    "It was 4111 1111 1111 1111, write to jo.smith@example.com or call +216 71 123 456.",
]
MESSAGE = {
    "message": "The card 4111111111111111 of jo.smith@example.com, +216 71 123 456.",
    "name": "Jo",
    "callback": "+216 71 123 456",
}
ANSWER = (
    '{"card": {"value": "4111111111111111", "evidence": '
    '[{"item_id": "", "quote": "4111 1111 1111 1111"}]}}'
)


def scenario(folder: Path, events_url: str, redis_url: str, redact: list[str]) -> Path:
    agent = {
        "greeting": "Hello.",
        "instructions": "Take messages.",
        "record": "transcript",
        "redact": redact,
        "tools": ["take_message"],
        "result": {"type": "object", "properties": {"card": {"type": "string"}}},
    }
    turns: list[list[dict[str, Any]]] = [
        [{"say": "I have four one one one, go on."}],
        [{"say": "Then cinq cinq cinq cinq."}],
        [{"call": {"name": "take_message", "arguments": MESSAGE}}],
    ]
    steps: list[dict[str, Any]] = [{"hear": {"until_silence_ms": 400}}]
    for number in range(len(HEARS)):
        steps += [{"say": f"This is sentence number {number}."}]
        steps += [{"hear": {"until_silence_ms": 400}}]
    whole = {
        "name": "planted",
        "agents": {"agents": {"desk": agent}, "routes": [{"to": "*", "agent": "desk"}]},
        "model": {"hears": HEARS, "turns": turns, "out_of_band": [{"say": ANSWER}]},
        "environment": {
            "GATEWAY_LOG_LEVEL": "debug",
            "GATEWAY_ADMIN_TOKEN": "a-token-of-the-operators",
            "GATEWAY_EVENTS_URL": events_url,
            "GATEWAY_EVENTS_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "GATEWAY_STORE": redis_url,
            "GATEWAY_STORE_KEY": "",
        },
        "steps": [*steps, {"hang_up": True}],
        "expect": {"result": {"card": "[card]" if redact else "4111111111111111"}},
    }
    file = folder / "planted.yaml"
    folder.mkdir()
    file.write_text(yaml.safe_dump(whole, allow_unicode=True))
    return file


async def left_by_a_call(folder: Path, path: str, redact: list[str]) -> dict[str, bytes]:
    """Return everything that a call left, by where it was found."""
    bodies: list[bytes] = []
    async with receiver(bodies) as url, running_redis() as redis:
        file = scenario(folder, url, redis.url, redact)
        async with redis_watched(redis.port) as stored:
            await as_expected(str(file), path, folder)
        found = {f"event {number}": body for number, body in enumerate(bodies)}
        found["redis"] = b"\n".join(stored)
    found |= files_of(folder / path)
    # The gateway may have stopped before the last ones were sent: then they are in the outbox.
    kept = b"".join([*bodies, *(data for name, data in found.items() if "sqlite3" in name)])
    assert b"call.result" in kept
    assert b"message.taken" in kept
    return found


def places_of_secrets(found: dict[str, bytes]) -> dict[str, list[str]]:
    """Return which planted words stand where; each place is looked at as text, whatever it is."""
    seen = {name: [one for one in PLANTED if one.encode() in data] for name, data in found.items()}
    return {name: words for name, words in seen.items() if words}


@on("sip", "media")
async def test_what_is_redacted_is_nowhere(path: str, tmp_path: Path) -> None:
    switches = ["cards", "digits", "emails", "phones"]
    found = await left_by_a_call(tmp_path / "redacted", path, switches)
    assert places_of_secrets(found) == {}


async def test_what_is_not_redacted_is_found(tmp_path: Path) -> None:
    """Whoever looks for secrets looks in the right places."""
    found = await left_by_a_call(tmp_path / "open", "media", [])
    unredacted = places_of_secrets(found)
    assert any(name.startswith("data/") for name in unredacted), "the database was not looked into"
    assert "redis" in unredacted, "the store was not looked into"
    events = [name for name in found if name.startswith("event")]
    assert not events or any(name in unredacted for name in events), "no event was looked into"
    assert "gateway.log" not in unredacted, "words are not logged, redacted or not"
