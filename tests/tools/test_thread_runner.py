"""Functions that block: what they raise comes back, whatever it is, and their thread is free."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from gateway.errors import ToolError
from gateway.tools.thread_runner import ThreadRunner


async def test_what_it_returns_comes_from_another_thread() -> None:
    here = threading.current_thread()
    assert await ThreadRunner().run(threading.current_thread) is not here


async def test_what_it_raises_comes_back() -> None:
    with pytest.raises(KeyError):
        await ThreadRunner().run(lambda: {}["nobody"])


@pytest.mark.parametrize("work", [lambda: next(iter(())), sys.exit])
async def test_what_a_task_cannot_raise_comes_back_as_an_error(work: Any) -> None:
    one = ThreadRunner(most=1)
    for _ in range(3):  # and the thread is free again
        with pytest.raises(RuntimeError):
            await one.run(work)


async def test_too_many_at_once_are_refused() -> None:
    one, go_on = ThreadRunner(most=0), threading.Event()
    with pytest.raises(ToolError, match="still busy"):
        await one.run(go_on.wait)
