"""The thread that writes: nothing waits for it, and what it cannot take is a marked gap."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from ops.recordings.parts import BEGAN, NAME, facts, noise
from structlog.testing import capture_logs

from gateway.audio.stereo_timeline import CALLER, KEEP, Entry, RecordingMark
from gateway.ops.recordings.recording_spool import (
    PartFacts,
    PartWriter,
    RecordingSpool,
    SpooledPart,
)
from gateway.ops.recordings.writing_thread import StreamRecording, WritingThread

AT = 1_000.0


def frames(first: int, count: int, sound: bytes) -> list[Entry]:
    """Frames of the caller, each when it has just been spoken."""
    return [
        (CALLER, AT + (n + 1) / 50, (str(n * 20), sound[n * 160 : n * 160 + 160]))
        for n in range(first, first + count)
    ]


class Desk:
    """A thread with its spool, and what it says."""

    def __init__(self, spool: RecordingSpool, batches_max: int = 100) -> None:
        self.spool, self.errors = spool, list[str]()
        self.closed: list[tuple[str, str]] = []
        self.thread = WritingThread(
            spool,
            lambda: BEGAN - AT,
            lambda of, ending: self.closed.append((of.id, ending)),
            self.errors.append,
            batches_max=batches_max,
        )

    def part(self) -> SpooledPart:
        (journal,) = self.spool.journals(NAME)
        part = self.spool.read(journal)
        assert part is not None
        return part

    def left(self) -> bytes:
        return b"".join(self.spool.sound(self.part().sound))[0::2]


def test_a_stream_becomes_a_part(spool: RecordingSpool) -> None:
    desk, stream, sound = Desk(spool), StreamRecording(facts()), noise(1)[:16_000]
    entries = [*frames(0, 100, sound)]
    entries.insert(1, (KEEP, entries[0][1], AT + 0.5))
    assert desk.thread.put(stream, entries[:60], AT + 1.2)
    assert desk.thread.put(stream, entries[60:], AT + 2.0, "final")
    desk.thread.close()
    assert desk.closed == [(facts().id, "final")]
    assert desk.errors == []
    assert desk.left() == sound[4000:]
    assert desk.part().facts.began == BEGAN + 0.5


def test_a_caller_who_becomes_known_is_noted(spool: RecordingSpool) -> None:
    desk, stream, sound = Desk(spool), StreamRecording(facts()), noise(1)[:16_000]
    entries = [*frames(0, 100, sound)]
    entries.insert(1, (KEEP, entries[0][1], AT + 0.5))
    assert desk.thread.put(stream, entries[:60], AT + 1.2)
    desk.thread.close()  # what is there is written
    stream.facts.caller = "hash"
    assert desk.thread.put(stream, entries[60:], AT + 2.0, "final")
    desk.thread.close()
    assert desk.part().facts.caller == "hash"


def test_without_consent_there_is_no_part(spool: RecordingSpool) -> None:
    desk, stream = Desk(spool), StreamRecording(facts())
    desk.thread.put(stream, frames(0, 100, noise(2)), AT + 2.0, "final")
    desk.thread.close()
    assert desk.closed == [(facts().id, "final")]
    assert not spool.folder.exists()


class HangingSpool(RecordingSpool):
    """A disk that takes nothing until it is released."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, [])
        self.reached, self.released = threading.Event(), threading.Event()

    def writer(self, of: PartFacts) -> PartWriter:
        self.reached.set()
        self.released.wait(10)
        return super().writer(of)


def test_a_disk_that_hangs_costs_sound_and_no_call(tmp_path: Path) -> None:
    spool = HangingSpool(tmp_path)
    desk, stream, sound = Desk(spool, batches_max=1), StreamRecording(facts()), noise(4)[:32_000]
    entries = frames(0, 200, sound)
    entries.insert(1, (KEEP, entries[0][1], AT))
    assert desk.thread.put(stream, entries[:41], AT + 0.8)
    assert spool.reached.wait(10)
    assert desk.thread.put(stream, entries[41:81], AT + 1.6)  # it waits
    assert not desk.thread.put(stream, entries[81:121], AT + 2.4)  # there is no place
    assert not desk.thread.put(stream, entries[121:161], AT + 3.2)
    spool.released.set()
    while not desk.thread.put(stream, entries[161:], AT + 4.0, "final"):
        pass
    desk.thread.close()
    assert set(desk.errors) == {"backlog"}
    assert desk.closed == [(facts().id, "final")]
    left = desk.left()
    assert left[:12_800] == sound[:12_800]
    assert set(left[12_800:25_600]) == {0xFF}
    assert left[25_600:] == sound[25_600:]
    (gap,) = desk.part().marks
    # Whatever found no place while the thread woke up is within the gap, too.
    assert (gap.kind, gap.start) == ("gap", 12_800)
    assert gap.end in (25_600, 32_000)


class FullSpool(RecordingSpool):
    """A disk on which no file can be made the first few times."""

    def __init__(self, folder: Path, times: int) -> None:
        super().__init__(folder, [])
        self.times = times

    def writer(self, of: PartFacts) -> PartWriter:
        self.times -= 1
        if self.times >= 0:
            raise OSError(28, "No space left on device")
        return super().writer(of)


def test_a_part_that_cannot_be_begun_begins_with_a_gap(tmp_path: Path) -> None:
    desk, stream, sound = Desk(FullSpool(tmp_path, 1)), StreamRecording(facts()), noise(4)[:32_000]
    entries = frames(0, 200, sound)
    entries.insert(1, (KEEP, entries[0][1], AT))
    desk.thread.put(stream, entries[:101], AT + 2.0)
    desk.thread.put(stream, entries[101:], AT + 4.0, "moved")
    desk.thread.close()
    assert desk.errors == ["disk"]
    left, lost = desk.left(), 8 * 1400
    assert len(left) == 32_000
    assert left[:lost] == b"\xff" * lost
    assert left[lost:] == sound[lost:]
    assert desk.part().marks == [RecordingMark("gap", 0, lost)]
    assert desk.part().facts.began == BEGAN


def test_a_bug_of_ours_costs_one_batch(spool: RecordingSpool) -> None:
    desk, stream = Desk(spool), StreamRecording(facts())
    desk.thread.put(stream, [(CALLER, AT, ("no number", b""))], AT)
    desk.thread.put(stream, [], AT + 1, "final")
    desk.thread.close()
    assert desk.errors == ["bug"]
    assert desk.closed == [(facts().id, "final")]


def test_a_thread_that_was_never_needed_is_closed_at_once(spool: RecordingSpool) -> None:
    Desk(spool).thread.close()


class WatchedSpool(RecordingSpool):
    """Remembers the writers that it made."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, [])
        self.writers: list[PartWriter] = []

    def writer(self, of: PartFacts) -> PartWriter:
        self.writers.append(super().writer(of))
        return self.writers[-1]


def test_what_was_written_is_safe_against_a_power_cut_after_seconds(tmp_path: Path) -> None:
    spool = WatchedSpool(tmp_path)
    desk, stream, sound = Desk(spool), StreamRecording(facts()), noise(9)[:72_000]
    entries = frames(0, 450, sound)
    entries.insert(0, (KEEP, AT, AT))
    at_s = [1.0, 3.0, 4.5, 7.0]
    safe = []
    for before, upto in zip([0.0, *at_s], at_s, strict=False):
        some = [one for one in entries if AT + before < one[1] <= AT + upto or one[0] == KEEP]
        entries = [one for one in entries if one not in some]
        desk.thread.put(stream, some, AT + upto)
        desk.thread.close()  # what was put is written
        safe.append(spool.writers[0].synced)
    assert 0 < safe[0] == safe[1] == safe[2] < safe[3]
    assert safe[3] >= 2 * 6 * 8000
    desk.thread.put(stream, [], AT + 9.0, "final")
    desk.thread.close()


@pytest.mark.parametrize(("waiting", "synced"), [(2, 0), (3, 1), (5, 3)])
def test_a_disk_that_does_not_keep_up_is_not_asked_for_a_sync(
    tmp_path: Path, waiting: int, synced: int
) -> None:
    """While more than a quarter of the queue waits: of eight places, two."""
    spool, closed = HangingSpool(tmp_path), threading.Event()
    thread = WritingThread(
        spool, lambda: BEGAN - AT, lambda *_: closed.set(), lambda _: None, batches_max=8
    )
    stream, entries = StreamRecording(facts()), frames(0, 50, noise(1)[:8_000])
    entries.insert(0, (KEEP, AT, AT))
    assert thread.put(stream, entries, AT + 1.0)
    assert spool.reached.wait(10)
    for nth in range(1, waiting + 1):
        ending = "final" if nth == waiting else ""
        assert thread.put(stream, [], AT + 1.0 + nth / 10, ending)
    spool.released.set()
    assert closed.wait(10)
    thread.close()
    assert stream.synced_at == AT + 1.0 + synced / 10, "at the first that was not late"


def test_a_disk_that_fails_is_said_once_until_it_works_again(tmp_path: Path) -> None:
    spool = FullSpool(tmp_path, 3)
    desk, stream, sound = Desk(spool), StreamRecording(facts()), noise(9)[:72_000]
    entries = frames(0, 450, sound)
    entries.insert(0, (KEEP, AT, AT))
    with capture_logs() as logs:
        for upto in (1.0, 2.0, 3.0, 4.0):
            some = [one for one in entries if one[1] <= AT + upto]
            entries = entries[len(some) :]
            assert desk.thread.put(stream, some, AT + upto, "final" if upto == 4.0 else "")
        desk.thread.close()
        assert not stream.failed
    assert desk.errors == ["disk"] * 3
    assert [(line["event"], line["reason"]) for line in logs] == [
        ("recording_not_written", "No space left on device")
    ]


def test_what_is_no_sound_is_not_left_out(tmp_path: Path) -> None:
    """Where there is no place, only sound is lost: not that the caller agreed."""
    spool = HangingSpool(tmp_path)
    desk, stream, sound = Desk(spool, batches_max=1), StreamRecording(facts()), noise(2)[:16_000]
    entries = frames(0, 100, sound)
    first = [(KEEP, entries[0][1], AT), *entries[:41]]
    assert desk.thread.put(stream, first, AT + 0.8)
    assert spool.reached.wait(10)
    assert desk.thread.put(stream, [], AT + 0.8)
    keep: Entry = (KEEP, AT + 0.9, AT + 0.9)
    for now in (1.0, 1.1):
        assert not desk.thread.put(stream, [entries[50], keep], AT + now)
        assert (stream.lost_from, stream.looked_at) == (AT + 0.8, AT + now)
    assert stream.waiting == [keep, keep], "once for each time, and no sound of it"
    spool.released.set()
    while not desk.thread.put(stream, [], AT + 2.0, "final"):
        pass
    assert (stream.waiting, stream.lost_from, stream.looked_at) == ([], None, AT + 2.0)
    desk.thread.close()
