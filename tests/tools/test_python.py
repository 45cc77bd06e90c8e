"""Python functions of the operator's: what they may be, and what they may do."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import SettingsError
from gateway.tools.python import PythonFunction, PythonTool, ToolContext, load_function

CALL = ToolContext("CA1", "+21671000001", "+15550100", "desk", call_id="rtc_1", facts={"tier": "1"})

MODULE = '''
import asyncio
import functools
import sys


def hidden(function):
    """A decorator that does not say what it wraps."""

    def wrapped(*given):
        return function(*given)

    return wrapped


@hidden
async def behind_a_decorator(call):
    await asyncio.sleep(0)
    return {"caller": call}


class Callable:
    async def __call__(self, call):
        await asyncio.sleep(0)
        return {"caller": call}


an_object = Callable()


async def leaves(call):
    sys.exit(3)


async def cancels_itself(call):
    raise asyncio.CancelledError


def exhausted(call):
    return next(one for one in [] if one == call)


async def waits(call):
    await asyncio.Event().wait()


def no_such_type(number: "Nowhere") -> str:
    """Has a type that is not there."""


def no_json(number: "Callable") -> str:
    """Has a type that JSON does not have."""
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of functions, importable by the name that is returned."""
    name = f"functions_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize("name", ["behind_a_decorator", "an_object"])
async def test_an_async_one_is_awaited_however_it_is_written(module: str, name: str) -> None:
    assert await PythonFunction(f"{module}:{name}").call("+1") == {"caller": "+1"}


@pytest.mark.parametrize("name", ["leaves", "cancels_itself", "exhausted"])
async def test_nothing_that_it_raises_ends_the_process_or_the_task(module: str, name: str) -> None:
    with pytest.raises(RuntimeError, match="the function"):
        await PythonFunction(f"{module}:{name}").call("+1")


async def test_one_that_is_given_up_is_cancelled(module: str) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await PythonFunction(f"{module}:waits").call("+1")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def before(", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(1)", "SystemExit"),
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
        ("other = 1", "AttributeError"),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, problem: str
) -> None:
    (tmp_path / "broken_functions.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_functions", raising=False)
    with pytest.raises(SettingsError, match="broken_functions:before cannot be imported") as found:
        load_function("broken_functions:before")
    assert problem in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("name", ["no_such_type", "no_json"])
def test_a_type_that_cannot_be_described_is_one_sentence(module: str, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} cannot be described to the model") as found:
        PythonTool(f"{module}:{name}")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("call.sid", "CA1"),
        ("call.id", "rtc_1"),
        ("call.caller", "+21671000001"),
        ("call.dialled", "+15550100"),
        ("call.agent", "desk"),
        ("call.direction", ""),
        ("call.facts.tier", "1"),
        ("call.facts.none", ""),
    ],
)
def test_values_of_the_call(name: str, value: Any) -> None:
    assert CALL.value(name) == value
