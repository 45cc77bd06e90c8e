"""Several tests at once, in workers forked from the process that has collected them.

`pytest --forks 4` collects once and forks four workers; those of xdist are started anew, and each
of them imports and collects for itself. A worker asks for the tests of one module after the other,
or, where there are few tests for so many workers, for a piece of it. Half of the workers begin with
the modules that need programs of the system's, such as a browser or a database, and the others with
the rest, so that the heavy ones run beside light ones from the beginning. What a worker reports is
passed on to the plugins of the first process. If a worker ends by itself, the test that it ran has
failed, and another worker does what is left.

Whole calls are another kind (`pytest.mark.whole_call`): they last as long as calls last, and
whatever comes too late in them is heard. `--call-forks 4` gives them four workers of their own, and
the other workers step back: they compute when no call does.
"""

from __future__ import annotations

import marshal
import os
import selectors
import signal
import socket
import stat
import sys
import tempfile
import traceback
import warnings
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final, NoReturn

import pytest
from _pytest._io import TerminalWriter
from awake_clock import begin_again

Module = list[pytest.Item]
"""Or a piece of it."""
_PIECES_LEAST: Final = 8
"""For each worker, so that the last ones end at about the same time."""
_HEAD_BYTES: Final = 4
_STEP_BACK: Final = 7
"""Niceness of the workers without calls: they have a fifth of what a call has, if it wants that."""


@dataclass
class _Worker:
    """One forked process, as the first process sees it."""

    pid: int
    line: socket.socket
    begins_with: str
    module: Module = field(default_factory=list)
    """What it was given last, from the test that runs on."""
    received: bytes = b""


class ForkedWorkers:
    """Plugin of the first process: forks, hands out modules, and passes on what is reported."""

    def __init__(self, count: int, for_calls: int = 0) -> None:
        self._count, self._for_calls = count, for_calls
        self._selector = selectors.DefaultSelector()
        self._left: dict[str, deque[Module]] = {"heavy": deque(), "light": deque(), "call": deque()}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if session.config.option.collectonly or session.testsfailed:
            return None  # as without workers
        most = max(1, len(session.items) // (_PIECES_LEAST * self._count))
        for _, of_module in groupby(session.items, key=lambda item: item.path):
            module = list(of_module)
            kind = self._kind(module)
            size = 1 if kind == "call" else most
            self._left[kind] += (module[at : at + size] for at in range(0, len(module), size))
        workers: list[_Worker] = []
        begin_with = ["call"] * min(self._for_calls, len(self._left["call"]))
        begin_with += [("heavy", "light")[nth % 2] for nth in range(self._count)]
        try:
            workers += [self._forked(session, kind) for kind in begin_with]
            while self._selector.get_map():
                for key, _ in self._selector.select():
                    if not self._hear(session, key.data):
                        workers.append(self._forked(session, key.data.begins_with))
                    if session.shouldfail:
                        raise session.Failed(session.shouldfail)
                    if session.shouldstop:
                        raise session.Interrupted(session.shouldstop)
        finally:
            for worker in workers:
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)
                os.waitpid(worker.pid, 0)
        return True

    def _kind(self, module: Module) -> str:
        def marked(mark: str) -> bool:
            return any(item.get_closest_marker(mark) for item in module)

        if self._for_calls and marked("whole_call"):
            return "call"
        return "heavy" if marked("needs") else "light"

    def _forked(self, session: pytest.Session, kind: str) -> _Worker:
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            # The other thread is the clock's, which holds no lock.
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            pid = os.fork()
        if not pid:
            for key in list(self._selector.get_map().values()):
                key.fileobj.close()
            self._selector.close()
            ours.close()
            if self._for_calls and kind != "call":
                os.nice(_STEP_BACK)
            _work(session, theirs)
        theirs.close()
        worker = _Worker(pid, ours, kind)
        self._selector.register(ours, selectors.EVENT_READ, worker)
        return worker

    def _hear(self, session: pytest.Session, worker: _Worker) -> bool:
        """Take in what a worker says; return whether all is well with it."""
        more = worker.line.recv(1 << 20)
        worker.received += more
        while len(worker.received) >= _HEAD_BYTES:
            length = _HEAD_BYTES + int.from_bytes(worker.received[:_HEAD_BYTES], "big")
            if len(worker.received) < length:
                break
            said = marshal.loads(worker.received[_HEAD_BYTES:length])
            worker.received = worker.received[length:]
            self._take(session, worker, said)
        if more:
            return True
        self._selector.unregister(worker.line)
        worker.line.close()
        if not worker.module:
            return True
        # It ended in the middle of a test.
        failed, *rest = worker.module
        _report_the_end(session, failed)
        if rest:
            self._left[worker.begins_with].appendleft(rest)
        return False

    def _take(self, session: pytest.Session, worker: _Worker, said: dict[str, Any]) -> None:
        hook = session.config.hook
        match said:
            case {"asks": _}:
                module = self._next(worker.begins_with)
                worker.module += module
                place = session.items.index(module[0]) if module else 0
                worker.line.sendall(b"%d %d\n" % (place, len(module)))
            case {"ran": nodeid}:
                assert worker.module.pop(0).nodeid == nodeid
            case {"report": data}:
                report = hook.pytest_report_from_serializable(config=session.config, data=data)
                hook.pytest_runtest_logreport(report=report)
            case {"warning": text, "when": when, "nodeid": nodeid, "location": location}:
                message = warnings.WarningMessage(UserWarning(text), UserWarning, *location[:2])
                hook.pytest_warning_recorded.call_historic(
                    kwargs={
                        "warning_message": message,
                        "when": when,
                        "nodeid": nodeid,
                        "location": location,
                    }
                )

    def _next(self, kind: str) -> Module:
        kinds = ("call",) if kind == "call" else sorted(("heavy", "light"), key=kind.__ne__)
        left = next(filter(None, (self._left[one] for one in kinds)), None)
        return left.popleft() if left else []


def _report_the_end(session: pytest.Session, item: pytest.Item) -> None:
    report = pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords={},
        outcome="failed",
        longrepr="the worker's process ended during this test",
        when="call",
    )
    session.config.hook.pytest_runtest_logreport(report=report)


# --- In a worker ---


class _Reports:
    """Plugin of a worker: says everything to the first process, and leaves out what nobody reads.

    That is two reports of three: that all went well before a test and behind it.
    """

    def __init__(self, config: pytest.Config, line: socket.socket) -> None:
        self._config, self._line = config, line
        self._timed = config.getoption("durations", None) is not None
        self._timed = self._timed or bool(config.getoption("xmlpath", None))

    def say(self, **said: Any) -> None:
        text = marshal.dumps(said)  # reports have tuples, which JSON does not keep
        self._line.sendall(len(text).to_bytes(_HEAD_BYTES, "big") + text)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.passed and report.when != "call" and not self._timed:
            return
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self.say(report=data)

    def pytest_warning_recorded(
        self,
        warning_message: warnings.WarningMessage,
        when: str,
        nodeid: str,
        location: tuple[str, int, str] | None,
    ) -> None:
        where = location or (warning_message.filename, warning_message.lineno, "")
        text = str(warning_message.message)
        self.say(warning=text, when=when, nodeid=nodeid, location=where)


class _Terminal:
    """What plugins find in place of the reporter, which prints in the first process only.

    Whoever ends a test that waits for ever writes here where the threads stood.
    """

    def __init__(self) -> None:
        self._tw = TerminalWriter(sys.__stderr__)
        """Of this name, since pytest reaches for it."""


def _work(session: pytest.Session, line: socket.socket) -> NoReturn:
    """Run modules until there are none, and end this process."""
    try:
        begin_again()
        _renew_captures()
        _run_modules(session, line)
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
        os._exit(1)
    os._exit(0)


def _run_modules(session: pytest.Session, line: socket.socket) -> None:
    config = session.config
    config.pluginmanager.unregister(name="terminalreporter")
    config.pluginmanager.register(_Terminal(), "terminalreporter")
    reports = _Reports(config, line)
    config.pluginmanager.register(reports)
    answers = line.makefile("rb")

    def asked() -> Module:
        reports.say(asks="more")
        place, count = map(int, answers.readline().split())
        return session.items[place : place + count]

    module = asked()
    while module:
        item, *module = module
        # What the next test uses too is not torn down, so it must be known before this one ends.
        module = module or asked()
        following = module[0] if module else None
        config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        reports.say(ran=item.nodeid)


def _renew_captures() -> None:
    """Give this process files of its own for what tests print, in place of those it inherited.

    They have no name. Two processes that write into one, each from where the other has left off,
    would read what the other's tests have printed, or nothing.
    """
    own: dict[tuple[int, int], int] = {}
    for descriptor in map(int, os.listdir("/dev/fd")):
        try:
            there = os.fstat(descriptor)
        except OSError:  # that of the listing
            continue
        if stat.S_ISREG(there.st_mode) and not there.st_nlink:
            file = there.st_dev, there.st_ino
            if file not in own:
                with tempfile.TemporaryFile() as fresh:
                    own[file] = os.dup(fresh.fileno())
            os.dup2(own[file], descriptor, inheritable=False)
    for descriptor in own.values():
        os.close(descriptor)
