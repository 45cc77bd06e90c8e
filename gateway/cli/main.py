"""The command line. Exit codes: 0 well, 64 settings or usage, 69 unreachable, 70 our bug."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import Annotated, Final

import typer

from gateway import __version__
from gateway.errors import FileError, GatewayError, ServiceUnreachable, SettingsError

USAGE, UNREACHABLE, BUG = 64, 69, 70
_TYPER_USAGE = 2
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "serve": ("gateway.cli.serve", "Serve calls."),
    "simulate": ("gateway.cli.simulate", "Rehearse calls written as YAML, and judge them."),
    "provision": ("gateway.cli.provision.command", "Make Twilio and OpenAI as they should be."),
    "call": ("gateway.cli.call", "Have an agent call somebody, and tell how it goes."),
    "doctor": ("gateway.cli.doctor.command", "Check settings, agents, vendors and the way here."),
}
"""Each function stands in the module under its own name. Only the one that is asked for is
imported: a server has neither the simulator's packages nor the time."""
_EXTRAS: Final = {"matplotlib": "simulator", "espeakng_loader": "simulator"}


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
    for name, (module, summary) in COMMANDS.items():
        if name == asked:
            with _absent("rich") if name == "serve" else nullcontext(), _no_collection():
                command = _load(module, name)
            app.command(name)(command)
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


def _load(module: str, name: str) -> Callable[..., None]:
    try:
        return getattr(import_module(module), name)  # type: ignore[no-any-return] # see COMMANDS
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        raise SettingsError(
            f"gateway {name} needs more packages: pip install 'gateway[{extra}]'."
        ) from error


def run() -> None:
    """The entry point: every failure is one sentence, and a status that says whose it is."""
    sys.exit(_run())


def _run() -> int:
    try:
        app_for(sys.argv[1:])()
    except SystemExit as left:
        return USAGE if left.code == _TYPER_USAGE else int(left.code or 0)
    except (SettingsError, FileError) as error:
        return _say(str(error), USAGE)
    except ServiceUnreachable as error:
        return _say(str(error), UNREACHABLE)
    except GatewayError as error:
        return _say(str(error), BUG)
    except Exception:
        traceback.print_exc()
        return BUG
    return 0


def _say(sentence: str, status: int) -> int:
    print(f"gateway: {sentence}", file=sys.stderr)
    return status


if __name__ == "__main__":
    run()
