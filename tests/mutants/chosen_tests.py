"""Plugin of pytest: run the tests of a list, in its order, and write down what became of each.

`MUTANT_TESTS` is a file with one test id, or file of tests, in each line. `MUTANT_REPORT` is
written: one JSON line for each test that began, and for each that ended. A test that takes longer
than `MUTANT_TEST_MAX_S` ends the process.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LATE = ("TimeoutError", "timed out", "Timeout")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep only the tests, and whole files, of the list, the first of the list first."""
    if not (listed := os.environ.get("MUTANT_TESTS")):
        return
    places = {test: nth for nth, test in enumerate(Path(listed).read_text("utf-8").splitlines())}

    def place(item: pytest.Item) -> int | None:
        return places.get(item.nodeid, places.get(item.nodeid.partition("::")[0]))

    config.hook.pytest_deselected(items=[item for item in items if place(item) is None])
    items[:] = sorted((item for item in items if place(item) is not None), key=place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Say that the test began, and bound its time."""
    _report(test=item.nodeid, outcome="began")
    if limit := float(os.environ.get("MUTANT_TEST_MAX_S", "0")):
        faulthandler.dump_traceback_later(limit, exit=True, file=sys.__stderr__)
    try:
        return (yield)
    finally:
        if limit:
            faulthandler.cancel_dump_traceback_later()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write the seconds of the test's setup, run and teardown, and whether each was good."""
    reason = report.longreprtext if report.failed else ""
    late = any(word in reason for word in LATE)
    _report(test=report.nodeid, outcome=report.outcome, seconds=report.duration, late=late)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Write which module cannot be imported any more."""
    if report.failed:
        _report(test=report.nodeid, outcome="failed", seconds=0.0, late=False)


def _report(**fields: object) -> None:
    if written := os.environ.get("MUTANT_REPORT"):
        if "PYTEST_XDIST_WORKER" in os.environ:
            return  # the process that started the workers writes the same
        with Path(written).open("a", encoding="utf-8") as file:
            file.write(json.dumps(fields) + "\n")
