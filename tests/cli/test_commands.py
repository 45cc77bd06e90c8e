"""The table of commands: each is importable, and documented in one line."""

from __future__ import annotations

import gc

import pytest
import typer

from gateway.cli.commands import COMMANDS, load, load_server
from gateway.cli.serve import serve_calls


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_function_of_its_name(name: str) -> None:
    found = load(name)
    if isinstance(found, typer.Typer):
        assert found.info.name == name
    else:
        assert (found.__name__, found.__module__) == (name, COMMANDS[name][0])
    assert gc.isenabled(), "only imports run without garbage collection"


def test_the_server_is_loaded_without_the_parser() -> None:
    assert load_server() is serve_calls
    assert gc.isenabled()
