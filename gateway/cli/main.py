"""The command line. Exit codes: 0 well, 64 settings or usage, 69 unreachable, 70 our bug."""

from __future__ import annotations

import sys
import traceback

import typer

from gateway.cli.bench.command import bench
from gateway.cli.doctor.command import doctor
from gateway.cli.provision.command import provision
from gateway.cli.serve import serve
from gateway.cli.simulate import simulate
from gateway.errors import FileError, GatewayError, ServiceUnreachable, SettingsError

USAGE, UNREACHABLE, BUG = 64, 69, 70
_TYPER_USAGE = 2

app = typer.Typer(
    name="gateway",
    help="gpt-realtime on the telephone.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(serve)
app.command()(simulate)
app.command()(provision)
app.command()(doctor)
app.command()(bench)


def run() -> None:
    """The entry point: every failure is one sentence, and a status that says whose it is."""
    sys.exit(_run())


def _run() -> int:
    try:
        app()
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
