"""The commands, and what is imported for the one that is asked for."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from gateway.errors import SettingsError

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "serve": ("gateway.cli.serve_command", "Serve calls."),
    "simulate": ("gateway.cli.simulate", "Rehearse calls written as YAML, and judge them."),
    "provision": ("gateway.cli.provision.command", "Make Twilio and OpenAI as they should be."),
    "call": ("gateway.cli.call", "Have an agent call somebody, and tell how it goes."),
    "agents": ("gateway.cli.agents.command", "Check the agents file, and see who answers."),
    "records": ("gateway.cli.records", "Show, export, forget and deliver what is kept of calls."),
    "tokens": ("gateway.cli.tokens", "Make, list and revoke tokens of operators."),
    "doctor": ("gateway.cli.doctor.command", "Check settings, agents, vendors and the way here."),
}
"""Each function, or group of commands, stands in the module under its own name. Only the one that
is asked for is imported: a server has neither the simulator's packages nor the time."""
_OF_EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {"simulate": ("matplotlib", "espeakng_loader")}
"""Packages of the extra `simulator` that a command imports when it comes to them: that they are
missing is said before the first call, not after it."""


@contextmanager
def _absent(package: str) -> Iterator[None]:
    """Let imports inside find no such package, unless it was imported before.

    `structlog` imports `rich`, which no log of ours uses, wherever it is installed.
    """
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment] # importlib documents it: not found
    try:
        yield
    finally:
        del sys.modules[package]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Imports make many objects and drop few: looking for those takes a tenth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def load(name: str) -> Callable[..., None]:
    """Return the function of a command. Raises SettingsError when its packages are missing."""
    with _no_collection():
        return _function(COMMANDS[name][0], name)


def load_server() -> Callable[..., None]:
    """Return what serves calls, without the parser of its options."""
    with _absent("rich"), _no_collection():
        return _function("gateway.cli.serve", "serve_calls")


def _function(module: str, name: str) -> Callable[..., None]:
    if not all(map(find_spec, _OF_EXTRAS.get(name, ()))):
        raise SettingsError(
            f"gateway {name} needs more packages: pip install 'gateway[simulator]'."
        )
    return getattr(import_module(module), name)  # type: ignore[no-any-return] # see COMMANDS
