"""The parser of the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway import __version__
from gateway.cli.commands import COMMANDS, load


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gateway {__version__}")
        raise typer.Exit


def app_for(arguments: list[str]) -> typer.Typer:
    """The command that is asked for, or all of them by name only. Raises SettingsError."""
    app = typer.Typer(
        name="gateway",
        help="gpt-realtime on the telephone.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_options)
    asked = arguments[0] if arguments else ""
    for name, (_, summary) in COMMANDS.items():
        if name == asked:
            found = load(name)
            if isinstance(found, typer.Typer):
                app.add_typer(found, name=name)
            else:
                app.command(name)(found)
        else:
            app.command(name, help=summary)(lambda: None)
    return app


def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Options of the command line itself; with a callback, one command alone has a name too."""
