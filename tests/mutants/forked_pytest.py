"""Runs of pytest in processes forked from one that has imported what all of them need.

Importing pytest with its plugins takes seconds, and each mutant takes at least two runs. Nothing of
the product is imported before the fork, and nothing that takes the clock which `conftest.py`
replaces.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PRELOADED = (
    *("pytest", "_pytest.pytester_assertions", "hypothesis", "schemathesis"),
    *("pytest_asyncio.plugin", "pytest_cov.plugin", "xdist.plugin"),
    *("numpy", "pydantic", "msgspec", "yaml", "cryptography.fernet", "PIL.Image"),
)
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(list(PRELOADED))


def exit_code(
    arguments: Sequence[str], tree: Path, environ: Mapping[str, str], limit_s: float
) -> int | None:
    """Return the exit code of pytest in a tree, or None after the time limit.

    Nothing of the process is left, whatever it has started.
    """
    process = _server.Process(target=_run, args=(list(arguments), str(tree), dict(environ)))
    process.start()
    try:
        process.join(limit_s)
        return process.exitcode
    finally:
        with contextlib.suppress(ProcessLookupError):
            if process.pid is not None:
                os.killpg(process.pid, signal.SIGKILL)
        process.join()
        process.close()


def _run(arguments: list[str], tree: str, environ: dict[str, str]) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for channel in range(3):
        os.dup2(nothing, channel)
    os.chdir(tree)
    os.environ.update(environ)
    sys.path[:0] = environ["PYTHONPATH"].split(os.pathsep)
    sys.dont_write_bytecode = True
    sys.argv = ["pytest", *arguments]

    import pytest  # noqa: PLC0415 - of the process that forks

    # Plugins that are imported already are not rewritten, which is no matter.
    unwritten = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    os._exit(pytest.main([*arguments, *unwritten]))
