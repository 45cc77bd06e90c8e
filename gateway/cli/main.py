"""The command line. Exit codes: 0 well, 64 settings or usage, 69 unreachable, 70 our bug."""

from __future__ import annotations

import sys
import traceback
from typing import Final

from gateway.cli.commands import load_server
from gateway.errors import FileError, GatewayError, ServiceUnreachable, SettingsError

USAGE, UNREACHABLE, BUG = 64, 69, 70
_PARSER_USAGE = 2
_SERVER: Final = (["serve"], ["serve", "--simulated"])


def run() -> None:
    """The entry point: every failure is one sentence, and a status that says whose it is."""
    sys.exit(_run())


def _run() -> int:
    try:
        _execute(sys.argv[1:])
    except SystemExit as left:
        return USAGE if left.code == _PARSER_USAGE else int(left.code or 0)
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


def _execute(arguments: list[str]) -> None:
    if arguments in _SERVER:
        # A server would keep the parser, and what it imports, for as long as it runs.
        load_server()(simulated=len(arguments) > 1)
    else:
        from gateway.cli.parser import app_for  # noqa: PLC0415

        app_for(arguments)()


def _say(sentence: str, status: int) -> int:
    print(f"gateway: {sentence}", file=sys.stderr)
    return status


if __name__ == "__main__":
    run()
