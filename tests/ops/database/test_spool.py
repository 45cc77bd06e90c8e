"""Entries on the disk: sealed, in order, bounded, and only ours to read."""

from __future__ import annotations

import fcntl
import os
import re
import stat
from pathlib import Path

import pytest

from gateway import limits
from gateway.ops.database.sealing import Sealer
from gateway.ops.database.spool import Spool, SpoolFull, make_private


def test_entries_are_found_in_order_by_the_next_process(tmp_path: Path) -> None:
    clock = iter([5, 3, 4])  # set back: the order is still that of their coming
    spool = Spool(tmp_path / "spool", Sealer(["key"]), lambda: next(clock))
    names = [spool.put(f"entry {number}".encode()) for number in range(3)]
    later = Spool(tmp_path / "spool", Sealer(["key"]))
    assert later.found() == names
    assert [later.read(name) for name in names] == [b"entry 0", b"entry 1", b"entry 2"]
    later.remove(names[0])
    assert later.read(names[0]) is None
    assert later.waiting == 2
    assert Spool(tmp_path / "spool", Sealer(["key"])).found() == names[1:]


def test_an_entry_is_sealed_and_only_ours(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "spool"
    name = Spool(folder, Sealer(["key"])).put(b"what a caller said")
    assert b"caller" not in (folder / name).read_bytes()
    assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert Spool(folder, Sealer(["another"])).read(name) is None


def test_a_disk_that_fails_leaves_no_beginnings_behind(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", Sealer(), lambda: 1)
    name = f"{1:020d}-{spool._process}-{1:08d}.entry"
    (tmp_path / "spool" / name).mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        spool.put(b"{}")
    assert [file.name for file in (tmp_path / "spool").iterdir()] == [name]


def test_what_a_killed_process_was_writing_is_found(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", Sealer(["key"]))
    name = spool.put(b"what a caller said")
    draft = tmp_path / "spool" / f".{name}.part"
    (tmp_path / "spool" / name).rename(draft)
    with draft.open("rb") as written:
        fcntl.flock(written, fcntl.LOCK_EX)
        assert Spool(tmp_path / "spool", Sealer(["key"])).found() == [], "it is still written"
    later = Spool(tmp_path / "spool", Sealer(["key"]))
    assert later.found() == [name]
    assert later.read(name) == b"what a caller said"


def test_a_draft_is_locked_from_its_first_byte(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    draft = tmp_path / "spool" / ".1.entry.part"
    draft.touch()
    assert Spool(tmp_path / "spool", Sealer()).found() == []
    assert draft.exists(), "an empty one may be about to be locked by its writer"
    draft.write_bytes(b"\x01cut of")
    cut = Spool(tmp_path / "spool", Sealer(["key"]))
    assert cut.found() == ["1.entry"]
    assert cut.read("1.entry") is None


def test_there_is_an_end_to_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", Sealer())
    with pytest.raises(SpoolFull):
        spool.put(bytes(limits.database.SPOOL_ENTRY_MAX_BYTES + 1))
    spool._sizes = {str(number): 1 for number in range(limits.database.SPOOL_FILES_MAX)}
    with pytest.raises(SpoolFull):
        spool.put(b"{}")


def test_what_cannot_be_written_is_put_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", Sealer())
    name = spool.put(b"{}")
    spool.set_aside(name)
    spool.set_aside(name)
    assert (spool.found(), spool.waiting) == ([], 0)
    assert (tmp_path / "spool" / "failed" / name).exists()


def test_every_folder_that_was_missing_is_private(tmp_path: Path) -> None:
    make_private(tmp_path / "data" / "calls")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("data", "data/calls")]
    assert modes == [0o700, 0o700]


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o750)
    make_private(tmp_path / "data")
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o750


def test_each_bound_of_a_spool_is_exact(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", Sealer())
    most = limits.database.SPOOL_ENTRY_MAX_BYTES - 1  # without a key one byte says so
    spool.remove(spool.put(bytes(most)))
    with pytest.raises(SpoolFull):
        spool.put(bytes(most + 1))
    spool._bytes = limits.database.SPOOL_BYTES_MAX - 3
    spool.put(b"{}")
    with pytest.raises(SpoolFull):
        spool.put(b"")
    files = Spool(tmp_path / "spool", Sealer())
    files._sizes = {str(number): 0 for number in range(limits.database.SPOOL_FILES_MAX - 1)}
    files.put(b"{}")
    with pytest.raises(SpoolFull, match=f"{limits.database.SPOOL_FILES_MAX} entries"):
        files.put(b"{}")


def test_what_is_found_again_is_counted_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", Sealer())
    names = [spool.put(b"{}"), spool.put(b"[1]")]
    assert re.fullmatch(r"\d{20}-[0-9a-f]{8}-00000001\.entry", names[0])
    assert names[1].endswith("-00000002.entry")
    (tmp_path / "spool" / ".hidden.entry").write_bytes(b"")
    (tmp_path / "spool" / "other").write_bytes(b"")
    for _ in range(2):
        assert spool.found() == names
        assert (spool.waiting, spool._bytes) == (2, 7)
    spool.remove(names[0])
    spool.remove(names[0])
    assert (spool.waiting, spool._bytes, spool.holds(names[0])) == (1, 4, False)
    assert spool.holds(names[1])
    spool.set_aside(names[1])
    assert (spool.waiting, spool._bytes) == (0, 0)


def test_only_this_user_may_read_what_waits(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", Sealer())
    before = os.umask(0)
    try:
        name, other = spool.put(b"{}"), spool.put(b"{}")
        spool.set_aside(other)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "spool" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "spool" / "failed").stat().st_mode) == 0o700
