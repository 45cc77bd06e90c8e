"""A caller is handed to people, over real processes and sockets, on both paths."""

from __future__ import annotations

from pathlib import Path

from rehearsal import as_expected

BOTH = ("media", "sip")


async def test_a_person_takes_the_call_with_a_key(tmp_path: Path) -> None:
    await as_expected("warm", BOTH, tmp_path)


async def test_nobody_takes_the_call_and_the_agent_helps_on(tmp_path: Path) -> None:
    await as_expected("refused", BOTH, tmp_path)


async def test_a_queue(tmp_path: Path) -> None:
    await as_expected("queue", BOTH, tmp_path)
