"""The folder of records is for this user only."""

from __future__ import annotations

import stat
from pathlib import Path

from gateway.ops.records.archive import make_private


def test_every_folder_that_was_missing_is_private(tmp_path: Path) -> None:
    make_private(tmp_path / "data" / "calls")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("data", "data/calls")]
    assert modes == [0o700, 0o700]


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o750)
    make_private(tmp_path / "data")
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o750
