"""The command line's parser: all commands by name, one with its options."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from gateway import __version__
from gateway.cli.commands import COMMANDS
from gateway.cli.parser import app_for


def test_help_shows_every_command_with_its_summary() -> None:
    result = CliRunner().invoke(app_for(["--help"]), ["--help"])
    assert result.exit_code == 0
    for name, (_, summary) in COMMANDS.items():
        assert name in result.output
        assert summary[:20] in result.output


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(app_for(["--version"]), ["--version"])
    assert (result.exit_code, result.output) == (0, f"gateway {__version__}\n")


@pytest.mark.parametrize("arguments", [["fly"], ["serve", "--fly"]])
def test_what_is_unknown_is_a_usage_error(arguments: list[str]) -> None:
    assert CliRunner().invoke(app_for(arguments), arguments).exit_code == 2
