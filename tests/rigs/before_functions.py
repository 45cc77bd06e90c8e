"""Functions that `before:` names in tests."""

from __future__ import annotations

import asyncio
from typing import Any


def known(call: dict[str, Any]) -> dict[str, Any]:
    return {"facts": {"caller": call["caller"]}}


async def known_soon(call: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(0)
    return known(call)


def breaks(call: dict[str, Any]) -> dict[str, Any]:
    raise KeyError(call["caller"])


def is_not_called(call: dict[str, Any]) -> dict[str, Any]:
    assert call["direction"] == "outbound"
    return {"refuse": "busy"}


def says_text(_call: dict[str, Any]) -> Any:
    return "hello"


def says_nothing(_call: dict[str, Any]) -> None:
    return None


async def hangs(_call: dict[str, Any]) -> None:
    await asyncio.Event().wait()
