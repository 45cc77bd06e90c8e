"""Functions as an operator would write them."""

from __future__ import annotations

import asyncio
import threading
import time

from gateway.errors import ToolError
from gateway.tools.python import ToolContext


def double(number: int, note: str = "") -> str:
    """Twice the number."""
    return f"{2 * number}{note}"


async def who(context: ToolContext) -> dict[str, str]:
    """Who is on the line."""
    return {"caller": context.caller, "agent": context.agent}


async def sleeper() -> str:
    """Never comes back."""
    await asyncio.Event().wait()
    return ""


def broken() -> str:
    """Has a bug."""
    raise KeyError("secret-looking detail")


def slow_in_a_thread() -> str:
    """Blocks, though not the loop."""
    time.sleep(0.05)
    return "done"


def undocumented(number: int) -> str:
    return str(number)


def starred(*numbers: int) -> str:
    """Takes anything."""
    return str(numbers)


DATA = 1


def half_a_character() -> str:
    """A file's name, as Python reads it."""
    return "menu-\udce9.pdf"


def complains() -> str:
    """Refuses, at length."""
    raise ToolError("x" * 20_000)


RELEASED = threading.Event()


def stuck() -> str:
    """Hangs, whatever its caller thinks of that."""
    RELEASED.wait()
    return "at last"
