"""An interpreter that has imported already: `python -m ...` as processes forked from one server.

A rehearsal starts three processes, which spend more time on imports than on the whole call. Here a
server imports once. What stands for the interpreter is a short program: it hands its arguments,
environment and channels to the server, which forks, and it lives for as long as the process: a
signal that it gets goes on to the process, and its end is the process's. The processes share
nothing after the fork, and the clock is the machine's.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from shutil import rmtree
from typing import Any, Final

PRELOADED: Final = (
    *("gateway.cli.serve", "gateway.cli.parser", "gateway.cli.simulate"),
    *("gateway.simulator.openai.main", "gateway.ops.database.migrate"),
    *("anyio._backends._asyncio", "httpcore2", "uvicorn.lifespan.on", "uvloop", "obstore.store"),
    *("espeakng_loader", "jsonschema", "mcp", "PIL.JpegImagePlugin"),
)
"""The last ones are imported by a call, when it comes to them."""
_VARIABLE: Final = "WARM_PYTHON"

_STAND_IN: Final = """\
#!{python} -IS
import json, os, signal, socket, sys, time
passed_on = {{signal.SIGTERM, signal.SIGINT, signal.SIGHUP}}
signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)  # until there is somebody to pass them on to
line = socket.socket(socket.AF_UNIX)
for attempt in range(1800):
    try:
        line.connect({address!r})
        break
    except OSError:  # it is still importing
        time.sleep(0.1)
asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(line, [len(asked).to_bytes(4, "big")], [0, 1, 2])
line.sendall(asked)
nothing = os.open(os.devnull, os.O_RDWR)
for channel in range(3):
    os.dup2(nothing, channel)
pid = int.from_bytes(line.recv(4), "big")
for number in passed_on:
    signal.signal(number, lambda number, _: os.kill(pid, number))
signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
status = int.from_bytes(line.recv(4), "big", signed=True)
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


@cache
def warm_python() -> str:
    """Return the path of what stands for the interpreter, and start its server if there is none.

    Processes below this one use the same server. It ends with this process, however that ends.
    """
    if there := os.environ.get(_VARIABLE):
        return there
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    stand_in, address = folder / "python", str(folder / "line")
    stand_in.write_text(_STAND_IN.format(python=sys.executable, address=address))
    stand_in.chmod(0o700)
    command = [sys.executable, __file__, address, str(stand_in)]
    atexit.register(_stop, subprocess.Popen(command, stdin=subprocess.PIPE))
    os.environ[_VARIABLE] = str(stand_in)
    return str(stand_in)


def _stop(server: subprocess.Popen[bytes]) -> None:
    assert server.stdin is not None
    server.stdin.close()
    server.wait()


# --- The server ---


class Server:
    """Forks, and says how each process ended."""

    def __init__(self, address: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen(128)
        self._lines: dict[int, socket.socket] = {}
        """What stands for each process, by its id."""
        wakes, self._ended = os.pipe()
        for end in (wakes, self._ended):
            os.set_blocking(end, False)
        # A child's end interrupts nothing: it is a byte to read.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._ended, warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for end, kind in ((wakes, "ended"), (0, "over"), (self._listener, "new")):
            self._selector.register(end, selectors.EVENT_READ, kind)
        self._wakes = wakes

    def run(self) -> list[Any] | None:
        """Return what a forked process is to do, in that process; and None at the end."""
        while True:
            for key, _ in self._selector.select():
                match key.data:
                    case "new":
                        if asked := self._fork():
                            return asked
                    case "ended":
                        os.read(self._wakes, 4096)
                        self._reap()
                    case "over":
                        self._kill(*self._lines)
                        return None
                    case pid if pid in self._lines:
                        self._kill(pid)
                        self._selector.unregister(key.fileobj)

    def _kill(self, *pids: int) -> None:
        """What stands for them was killed, or all is over."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                line = self._lines.pop(ended[0])
                with suppress(OSError):
                    line.sendall(
                        os.waitstatus_to_exitcode(ended[1]).to_bytes(4, "big", signed=True)
                    )
                with suppress(KeyError):
                    self._selector.unregister(line)
                line.close()

    def _fork(self) -> list[Any] | None:
        line, _ = self._listener.accept()
        length, channels, *_ = socket.recv_fds(line, 4, 3)
        asked: list[Any] = json.loads(_exactly(line, int.from_bytes(length, "big")))
        if pid := os.fork():
            for channel in channels:
                os.close(channel)
            self._lines[pid] = line
            self._selector.register(line, selectors.EVENT_READ, pid)
            line.sendall(pid.to_bytes(4, "big"))
            return None
        for number, channel in enumerate(channels):
            os.dup2(channel, number)
            os.close(channel)
        self._forget()
        line.close()
        return asked

    def _forget(self) -> None:
        """Leave nothing of the server in a process."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._selector.close()
        self._listener.close()
        for line in self._lines.values():
            line.close()
        os.close(self._wakes)
        os.close(self._ended)


def _exactly(line: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        found += line.recv(length - len(found))
    return found


def _become(arguments: Sequence[str], folder: str, environ: dict[str, str], stand_in: str) -> None:
    """Run `python -m MODULE ARGUMENTS`."""
    option, module, *rest = arguments
    assert option == "-m", arguments
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", encoding="utf-8", buffering=1)
    if rest[:1] == ["simulate"]:
        sys.executable = stand_in  # for the gateway and the model; who bounds its memory forks none
    sys.argv, sys.path[0] = [module, *rest], folder
    sys.modules.pop(module, None)  # it is run, not imported
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _main(address: str, stand_in: str) -> None:
    for module in PRELOADED:
        import_module(module)
    gc.collect()
    gc.freeze()
    asked = Server(address).run()
    if asked is None:
        rmtree(Path(address).parent)
    else:
        _become(*asked, stand_in)


if __name__ == "__main__":
    _main(*sys.argv[1:])
