"""Options of `gateway serve`."""

from __future__ import annotations

from typer.testing import CliRunner

from gateway.cli.parser import app_for


def test_help_names_the_simulated_vendors() -> None:
    result = CliRunner().invoke(app_for(["serve"]), ["serve", "--help"])
    assert result.exit_code == 0
    assert "--simulated" in result.output
    assert "docs/reference/settings.md" in result.output
