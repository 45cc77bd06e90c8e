"""Memory stays the same however long a recorded call is."""

from __future__ import annotations

import tracemalloc

from ops.recordings.parts import facts

from gateway.audio import stereo_timeline as line
from gateway.audio.stereo_timeline import Entry
from gateway.ops.recordings.recording_spool import RecordingSpool
from gateway.ops.recordings.writing_thread import StreamRecording, WritingThread

AT, FRAME, GROUP = 1_000.0, bytes(range(160)), bytes(range(200)) * 8
MINUTES = 4


def half_a_second(number: int) -> list[Entry]:
    """Both sides speak all the time: 25 frames, and what is played with its marks."""
    entries: list[Entry] = []
    for n in range(25 * number, 25 * number + 25):
        now = AT + (n + 1) / 50
        entries.append((line.CALLER, now, (str(n * 20), FRAME)))
        if n % 10 == 0:
            entries.append((line.PLAYED, now, GROUP))
            entries.append((line.MARKED, now, f"0:{n}"))
            entries.append((line.ACKNOWLEDGED, now, f"0:{n - 10}"))
    return entries


def test_memory_stays_flat_in_a_long_call(spool: RecordingSpool) -> None:
    closed: list[str] = []
    thread = WritingThread(
        spool,
        lambda: 0.0,
        lambda _of, ending: closed.append(ending),
        lambda _: None,  # the loop below asks again as often as it can, and keeps no count
        batches_max=4,
    )
    stream = StreamRecording(facts())

    def record(first: int, last: int) -> int:
        for number in range(first, last):
            entries = half_a_second(number)
            if number == 0:
                entries.insert(1, (line.KEEP, AT, AT))
            while not thread.put(stream, entries, AT + (number + 1) / 2):
                entries = []
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        after_a_minute = record(0, 120)
        after_all = record(120, MINUTES * 120)
    finally:
        tracemalloc.stop()
    while not thread.put(stream, [], AT + MINUTES * 60, "final"):
        pass
    thread.close()
    assert closed[-1] == "final"
    assert after_all - after_a_minute < 50_000 * (MINUTES - 1)
