"""The spool: a part can be played at any moment, and is found again by the next process."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import soundfile
from ops.recordings.parts import NAME, facts, noise, write

from gateway.audio.g711 import audioop
from gateway.audio.stereo_timeline import RecordingMark
from gateway.errors import PeerError
from gateway.ops.recordings.recording_spool import RecordingSpool, part_id, set_aside

SOUND = noise(1.5)


def heard(spool: RecordingSpool) -> bytes:
    (journal,) = spool.journals(NAME)
    part = spool.read(journal)
    assert part is not None
    return b"".join(spool.sound(part.sound))


def test_a_part_is_found_with_all_that_belongs_to_it(spool: RecordingSpool) -> None:
    marks = (
        RecordingMark("paused", 10, None),
        RecordingMark("paused", 10, 20),
        RecordingMark("gap", 30, 40),
        RecordingMark("paused", 50, None),
        RecordingMark("paused", 50, 50),  # no time has passed in it
    )
    of = write(spool, SOUND, marks=marks)
    assert spool.names() == [NAME]
    (journal,) = spool.journals(NAME)
    part = spool.read(journal)
    assert part is not None
    assert (part.facts, part.samples, part.ending) == (of, len(SOUND) // 2, "final")
    assert part.marks == [RecordingMark("paused", 10, 20), RecordingMark("gap", 30, 40)]
    assert heard(spool) == SOUND
    spool.forget(part)
    assert spool.names() == []
    assert list(spool.folder.iterdir()) == []


def test_whose_part_it_is_may_be_known_only_later(spool: RecordingSpool) -> None:
    """The key of the hash is in the database, which a process opens after its first calls."""
    writer = spool.writer(facts())
    writer.write(SOUND)
    for caller in ("", "hash", "hash", "another"):
        writer.note_caller(caller)
    writer.abandon()
    (journal,) = spool.journals(NAME)
    part = spool.read(journal)
    assert part is not None
    assert (part.facts.caller, part.ending, part.marks) == ("hash", "killed", [])
    assert journal.read_text().count("hash") == 1


@pytest.mark.parametrize("missing", [0, 800])
def test_what_was_missed_before_there_was_a_file_is_silence_at_its_beginning(
    spool: RecordingSpool, missing: int
) -> None:
    writer = spool.writer(facts())
    writer.leave_out(missing)
    writer.write(SOUND)
    assert writer.samples == (missing + len(SOUND)) // 2
    writer.close("final")
    (journal,) = spool.journals(NAME)
    part = spool.read(journal)
    assert part is not None
    assert part.marks == [RecordingMark("gap", 0, missing // 2)] * bool(missing)
    assert heard(spool) == b"\xff" * missing + SOUND


def test_a_part_that_is_being_written_belongs_to_its_process(spool: RecordingSpool) -> None:
    writer = spool.writer(facts())
    writer.write(SOUND)
    assert spool.names() == []
    assert spool.journals(NAME) == []
    writer.close("final")
    assert spool.names() == [NAME]


def test_files_of_a_recording_are_those_that_nobody_writes(spool: RecordingSpool) -> None:
    """Whoever forgets a call deletes these; parts that nobody could read are among them."""
    write(spool, SOUND)
    (journal,) = spool.journals(NAME)
    set_aside(journal)
    write(spool, SOUND, part=2)
    write(spool, SOUND, name="CA" + "6" * 32)
    writer = spool.writer(facts(3))
    numbers = [path.name.removeprefix(f"{NAME}~")[:4] for path in spool.files(NAME)]
    assert numbers == ["0001", "0001", "0002", "0002"]
    writer.close("final")
    assert len(spool.files(NAME)) == 6


KILLED = f"""
import os, signal, sys
from pathlib import Path
from gateway.audio.stereo_timeline import RecordingMark
from gateway.ops.recordings.recording_spool import PartFacts, RecordingSpool

writer = RecordingSpool(Path(sys.argv[1]), sys.argv[2:]).writer(
    PartFacts("{NAME}~0001~0", "{NAME}", "{NAME}", "{NAME}", "desk", "wav", 1.0)
)
writer.write(b"\\x7f\\x80" * 4000)
writer.mark(RecordingMark("paused", 5, None))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_leaves_what_it_had_written(
    spool: RecordingSpool, keys: list[str]
) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(spool.folder), *keys], check=False)
    assert ended.returncode == -signal.SIGKILL
    (journal,) = spool.journals(NAME)
    part = spool.read(journal)
    assert part is not None
    assert part.ending == "killed"
    assert part.marks == [RecordingMark("paused", 5, None)]
    assert heard(spool) == b"\x7f\x80" * 4000


def test_what_a_killed_process_leaves_is_a_wav_that_players_read(tmp_path: Path) -> None:
    spool = RecordingSpool(tmp_path, [])
    write(spool, SOUND, ending="")
    (file,) = tmp_path.glob("*.wav")
    read, hz = soundfile.read(file, dtype="int16")
    assert hz == 8000
    assert read.tobytes() == audioop.ulaw2lin(SOUND, 2)


def test_nobody_else_may_read_the_spool(spool: RecordingSpool) -> None:
    write(spool, SOUND)
    assert spool.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in spool.folder.iterdir()} == {0o600}


def test_a_sealed_part_is_not_readable_without_its_key(tmp_path: Path) -> None:
    write(RecordingSpool(tmp_path, ["old-key"]), SOUND)
    (file,) = tmp_path.glob("*.sealed")
    assert SOUND[1000:1020] not in file.read_bytes()
    assert heard(RecordingSpool(tmp_path, ["new-key", "old-key"])) == SOUND
    with pytest.raises(PeerError):
        heard(RecordingSpool(tmp_path, ["new-key"]))


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """A disk that is full from there on: EFBIG in place of ENOSPC, by the same call."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_makes_a_gap_and_every_later_sample_stands_at_its_place(
    spool: RecordingSpool,
) -> None:
    writer = spool.writer(facts())
    writer.write(SOUND[:8000])
    with files_no_larger_than(10_000):
        for at in (8000, 12_000):
            with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
                writer.write(SOUND[at : at + 4000])
    writer.write(SOUND[16_000:])
    writer.close("final")
    found = heard(spool)
    assert found[:8000] == SOUND[:8000]
    assert found[8000:16_000] == b"\xff" * 8000
    assert found[16_000:] == SOUND[16_000:]
    (journal,) = spool.journals(NAME)
    part = spool.read(journal)
    assert part is not None
    assert part.marks == [RecordingMark("gap", 4000, 8000)]


def test_a_line_of_which_the_disk_took_half_is_written_anew_in_its_place(
    spool: RecordingSpool,
) -> None:
    writer = spool.writer(facts())
    writer.write(SOUND)
    (file,) = spool.folder.glob("*.jsonl")
    with files_no_larger_than(file.stat().st_size + 10), pytest.raises(OSError, match="half"):
        writer.mark(RecordingMark("paused", 100, 200))
    writer.mark(RecordingMark("paused", 100, 200))
    writer.close("final")
    assert b"\0" not in file.read_bytes()
    (journal,) = spool.journals(NAME)
    part = spool.read(journal)
    assert part is not None
    assert (part.marks, part.ending) == ([RecordingMark("paused", 100, 200)], "final")


@pytest.mark.parametrize("size", [0, 20])
def test_a_part_that_the_disk_did_not_take_can_be_begun_later(
    spool: RecordingSpool, size: int
) -> None:
    of = facts()
    with files_no_larger_than(size), pytest.raises(OSError, match=r"too large|half"):
        spool.writer(of)
    assert list(spool.folder.iterdir()) == []
    writer = spool.writer(of)
    writer.write(SOUND)
    writer.close("final")
    assert heard(spool) == SOUND


def test_a_disk_that_stays_full_costs_the_end(spool: RecordingSpool) -> None:
    writer = spool.writer(facts())
    writer.write(SOUND[:8000])
    with files_no_larger_than(10_000), pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        writer.write(SOUND[8000:])
    with files_no_larger_than(10), pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        writer.close("final")
    assert heard(spool) == SOUND[:8000]


def test_half_a_line_and_what_is_no_journal_are_left_alone(spool: RecordingSpool) -> None:
    write(spool, SOUND)
    (journal,) = spool.journals(NAME)
    with journal.open("ab") as file:
        file.write(b'{"kind":"gap","sta')
    part = spool.read(journal)
    assert part is not None
    assert part.ending == "final"
    broken = spool.folder / f"{NAME}~0009~x.jsonl"
    broken.write_text("no journal\n")
    assert spool.read(broken) is None
    assert broken.with_suffix(".unreadable").exists()
    alone = spool.folder / f"{NAME}~0010~x.jsonl"
    alone.write_bytes(journal.read_bytes())
    assert spool.read(alone) is None
    assert not alone.exists()


def test_parts_of_a_call_sort_by_their_streams() -> None:
    ids = [part_id("CA1", stream, "ff") for stream in (1, 2, 10)]
    assert ids == sorted(ids)
    assert "/" not in part_id("../../etc/passwd", 1, "ff")
