"""The thread that writes recordings to the disk, so that no call waits for it.

The event loop hands over what was written down, twice a second for each recorded call. The queue
is bounded: when the disk hangs, sound is left out and the recording says so; the call goes on.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from gateway.audio.stereo_timeline import (
    ACKNOWLEDGED,
    CALLER,
    LOST,
    MARKED,
    PLAYED,
    Entry,
    StereoTimeline,
)
from gateway.limits import recordings as limits
from gateway.ops.recordings.recording_spool import PartFacts, PartWriter, RecordingSpool

log = structlog.get_logger()
_SOUND: Final = frozenset({CALLER, PLAYED, MARKED, ACKNOWLEDGED})


@dataclass(slots=True)
class StreamRecording:
    """One stream of a recorded call; all but `facts` and `waiting` belongs to the thread."""

    facts: PartFacts
    """`began` is set once it is known."""
    timeline: StereoTimeline = field(default_factory=StereoTimeline)
    writer: PartWriter | None = None
    failed: bool = False
    """Whether the last write failed: one line in the log, not two a second."""
    missing: int = 0
    """Bytes of sound from before there was a file."""
    waiting: list[Entry] = field(default_factory=list)
    """Entries without sound for which there was no place in the queue."""
    lost_from: float | None = None
    looked_at: float = 0.0
    synced_at: float = float("-inf")


_Job = tuple[StreamRecording, list[Entry], float, str]


class WritingThread:
    """Writes what streams heard and played; one thread for all calls of the process."""

    def __init__(
        self,
        spool: RecordingSpool,
        unix_offset_s: Callable[[], float],
        on_closed: Callable[[PartFacts, str], None],
        on_error: Callable[[str], None],
        *,
        batches_max: int = limits.BATCHES_MAX,
        sync_every_s: float = limits.SYNC_EVERY_S,
    ) -> None:
        """`unix_offset_s` is Unix time less the monotonic clock.

        `on_closed` gets each part that is complete, and how it ended; `on_error` the reason why
        sound is missing: `backlog` or `disk`. Both are called in the thread.
        """
        self._spool, self._unix_offset_s = spool, unix_offset_s
        self._on_closed, self._on_error = on_closed, on_error
        self._jobs: queue.Queue[_Job | None] = queue.Queue(batches_max)
        self._batches_max, self._sync_every_s = batches_max, sync_every_s
        self._thread: threading.Thread | None = None

    def put(
        self, stream: StreamRecording, entries: list[Entry], now: float, ending: str = ""
    ) -> bool:
        """Hand over what happened up to now; with an `ending` (`final`, `moved`) it is the last.

        Returns at once; False if there was no place: an ending is to be handed over again.
        """
        if self._thread is None:
            # A daemon: a disk that hangs does not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)
            self._thread.start()
        if stream.waiting or stream.lost_from is not None:
            lost = [(LOST, stream.looked_at, stream.lost_from)] if stream.lost_from else []
            entries = [*stream.waiting, *lost, *entries]
        try:
            self._jobs.put_nowait((stream, entries, now, ending))
        except queue.Full:
            self._on_error("backlog")
            if stream.lost_from is None:
                stream.lost_from = stream.looked_at
            stream.waiting = [e for e in entries if e[0] not in _SOUND and e[0] != LOST]
            stream.looked_at = now
            return False
        stream.waiting, stream.lost_from, stream.looked_at = [], None, now
        return True

    def close(self) -> None:
        """Wait a while for what is still to be written."""
        if self._thread is None:
            return
        try:
            self._jobs.put(None, timeout=limits.CLOSE_WAIT_S)
        except queue.Full:
            return
        self._thread.join(limits.CLOSE_WAIT_S)
        self._thread = None

    # --- In the thread ---

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            stream, entries, now, ending = job
            try:
                self._do(stream, entries, now, ending)
            except OSError as error:
                self._missed(stream, error)
            except Exception:
                self._on_error("bug")
                log.exception("recording_failed", call_sid=stream.facts.call_sid)
            else:
                stream.failed = False
            if ending:
                self._on_closed(stream.facts, ending)

    def _missed(self, stream: StreamRecording, error: OSError) -> None:
        self._on_error("disk")
        if not stream.failed:
            stream.failed = True
            reason = error.strerror or type(error).__name__
            log.warning("recording_not_written", call_sid=stream.facts.call_sid, reason=reason)

    def _do(self, stream: StreamRecording, entries: list[Entry], now: float, ending: str) -> None:
        timeline = stream.timeline
        timeline.add(entries)
        stereo = timeline.end(now) if ending else timeline.settled(now)
        writer = stream.writer
        if writer is None and stereo:
            began_s = timeline.kept_from_s
            stream.facts.began = (began_s or now) + self._unix_offset_s()
            missing, stream.missing = stream.missing, stream.missing + len(stereo)
            writer = stream.writer = self._spool.writer(stream.facts)
            writer.leave_out(missing)
        if writer is None:
            return
        try:
            writer.write(stereo)
            for mark in timeline.take_marks():
                writer.mark(mark)
            writer.note_caller(stream.facts.caller)
            # A disk that does not keep up is not asked for more.
            late = self._jobs.qsize() > self._batches_max // 4
            if now - stream.synced_at >= self._sync_every_s and not late:
                stream.synced_at = now
                writer.sync()
        finally:
            if ending:
                stream.writer = None
                writer.close(ending)
