"""The spool: parts of recordings on this disk, from the first sound until they are stored.

A part is the sound of one stream of a call, as stereo mu-law: a WAV file that can be played at
any moment, or sealed chunks. Beside it stands a journal of JSON lines: what it belongs to, its
pauses and gaps, and how it ended. A process that is killed leaves both as they are; whoever opens
the spool next finds the part unlocked and goes on with it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec
import structlog
from msgspec import Struct

from gateway.audio.g711 import MULAW_SILENCE
from gateway.audio.sound_files import CHANNELS, SPOOL_HEADER_BYTES, spool_header
from gateway.audio.stereo_timeline import RecordingMark
from gateway.limits import recordings as limits
from gateway.ops.database.spool import make_private, sync_folder
from gateway.ops.recordings.names import recording_name

if TYPE_CHECKING:
    from gateway.ops.recordings.sealed_file import FileSeal

log = structlog.get_logger()
_ANEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL
_JOURNAL: Final = ".jsonl"
_PLAIN, _SEALED = ".wav", ".sealed"
JOURNAL_MAX_BYTES: Final = 1 << 20
UNKEPT_PART: Final = "unkept"
_CALLER: Final = "caller"
_ENDINGS: Final = ("final", "moved", UNKEPT_PART)


class PartFacts(Struct, omit_defaults=True):
    """Facts about a part: the first line of its journal."""

    id: str
    name: str
    """The recording: one for all parts of a call."""
    call: str
    """The call's key in the API."""
    call_sid: str
    agent: str
    format: str
    began: float
    """Unix time of its first sample."""
    path: str = "media-streams"
    direction: str = "inbound"
    caller: str = ""
    """Keyed hash of the caller's number: they may be forgotten before this is stored."""
    retain_days: int | None = None
    """How long the call is kept; None for as long as the gateway keeps all."""


class JournalLine(Struct, omit_defaults=True):
    """A later line: a mark, or the end."""

    kind: str
    """`paused` or `gap`; `caller`; `final`, `moved` or `unkept`."""
    start: int = 0
    end: int | None = None
    caller: str = ""
    """The hash of the caller, which was not known when the part was begun."""


class SpooledPart(Struct):
    """A part that is complete, as it was found in a spool or fetched from the store."""

    facts: PartFacts
    sound: Path
    samples: int
    marks: list[RecordingMark]
    ending: str
    """`final`, `moved`, `unkept`: an agent that keeps nothing took the call over, or `killed`:
    nobody wrote how it ended."""


def part_id(call: str, stream: int, nonce: str) -> str:
    """Return the id of a call's part: sorts by stream, and is never given twice."""
    return f"{recording_name(call)}~{stream:04}~{nonce}"


class PartWriter:
    """Writes one part. To be used by one thread; raises OSError where the disk does not take it.

    What could not be written is owed: silence of the same length takes its place as soon as the
    disk takes anything again, so that every later sample stands where it belongs.
    """

    def __init__(self, folder: Path, facts: PartFacts, secret: str | None) -> None:
        make_private(folder)
        self._seal: FileSeal | None = None
        if secret is not None:
            from gateway.ops.recordings.sealed_file import FileSeal  # noqa: PLC0415 - with a key only

            self._seal = FileSeal(secret)
        kind = _PLAIN if self._seal is None else _SEALED
        journal, sound = self._paths = folder / (facts.id + _JOURNAL), folder / (facts.id + kind)
        self._sound = -1
        self._size = 0
        self._chunks = 0
        self._caller = facts.caller
        self.synced = 0
        """Bytes of the sound's file that a power cut leaves."""
        self.samples = 0
        """In each channel, those that are owed included."""
        self._owed = 0
        self._missing_from: int | None = None
        """Where the sound begins that the disk did not take."""
        header = spool_header(0) if self._seal is None else self._seal.header
        self._journal = os.fdopen(os.open(journal, _ANEW, 0o600), "wb", 0)
        try:
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._note(facts)
            self._sound = os.open(sound, _ANEW, 0o600)
            self._append(header)
        except OSError:
            # A full disk makes files, and takes nothing: they would be in the way of a later try.
            self.discard()
            raise

    def leave_out(self, missing: int) -> None:
        """Begin with so many bytes of sound that are missing."""
        if missing:
            self._owed, self.samples, self._missing_from = missing, missing // CHANNELS, 0

    def write(self, stereo: bytes) -> None:
        """Append sound. Raises OSError; it is owed then."""
        begin, owed = self.samples, self._owed
        self._owed += len(stereo)
        self.samples += len(stereo) // CHANNELS
        while owed:
            silence = MULAW_SILENCE * min(owed, limits.BLOCK_BYTES)
            self._put(silence)
            owed -= len(silence)
        if self._missing_from is not None:
            self.mark(RecordingMark("gap", self._missing_from, begin))
            self._missing_from = None
        if stereo:
            self._missing_from = begin
            self._put(stereo)
            self._missing_from = None

    def _put(self, stereo: bytes) -> None:
        if self._seal is None:
            self._append(stereo)
            written = (self._size - SPOOL_HEADER_BYTES) // CHANNELS
            os.pwrite(self._sound, spool_header(written), 0)
        else:
            from gateway.ops.recordings.sealed_file import spooled_chunk  # noqa: PLC0415

            self._append(spooled_chunk(self._seal, self._chunks, stereo))
            self._chunks += 1
        self._owed -= len(stereo)

    def _append(self, data: bytes) -> None:
        """Append all of it or nothing: a disk that fills up takes a piece."""
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self._sound, data[written:], self._size + written)
        except OSError:
            os.ftruncate(self._sound, self._size)
            raise
        self._size += len(data)

    def mark(self, mark: RecordingMark) -> None:
        self._note(JournalLine(mark.kind, mark.start, mark.end))

    def note_caller(self, caller: str) -> None:
        """Note the hash of the caller, once it is known. Raises OSError."""
        if caller and not self._caller:
            self._note(JournalLine(_CALLER, caller=caller))
            self._caller = caller

    def sync(self) -> None:
        """Have what was written on the disk itself. Blocks for milliseconds. Raises OSError."""
        if self.synced == self._size:
            return
        os.fsync(self._sound)
        os.fsync(self._journal.fileno())
        if not self.synced:  # and once the names
            sync_folder(self._paths[0].parent)
        self.synced = self._size

    def close(self, ending: str) -> None:
        """Write what is owed, and how it ended. Raises OSError."""
        try:
            self.write(b"")
            os.fsync(self._sound)
            self._note(JournalLine(ending, end=self.samples))
            os.fsync(self._journal.fileno())
        finally:
            os.close(self._sound)
            self._journal.close()  # and with it goes the lock

    def abandon(self) -> None:
        """Let go of the files as they are, like a process that is killed."""
        if self._sound >= 0:
            os.close(self._sound)
        self._journal.close()

    def discard(self) -> None:
        """Delete the files: what was written of them is of no use."""
        for path in self._paths:
            path.unlink(missing_ok=True)
        self.abandon()

    def _note(self, line: Struct) -> None:
        data = msgspec.json.encode(line) + b"\n"
        at = self._journal.tell()
        try:
            if self._journal.write(data) != len(data):
                raise OSError(errno.ENOSPC, "half a line")
        except OSError:
            os.ftruncate(self._journal.fileno(), at)
            self._journal.seek(at)
            raise


class RecordingSpool:
    """The parts in a folder that nobody is writing."""

    def __init__(self, folder: Path, keys: Sequence[str]) -> None:
        self.folder, self._keys = folder, keys

    def writer(self, facts: PartFacts) -> PartWriter:
        """Raises OSError."""
        return PartWriter(self.folder, facts, self._keys[0] if self._keys else None)

    def names(self) -> list[str]:
        """Return the recordings of which parts lie here, that nobody is writing."""
        found = (path for path in self.folder.glob(f"*~*{_JOURNAL}") if _lines(path))
        return list(dict.fromkeys(path.name.partition("~")[0] for path in found))

    def journals(self, name: str) -> list[Path]:
        """Return the journals of a recording's parts that nobody is writing, in order."""
        return [path for path in sorted(self.folder.glob(f"{name}~*{_JOURNAL}")) if _lines(path)]

    def files(self, name: str) -> list[Path]:
        """Return every file of a recording that nobody is writing, parts set aside included."""
        found = sorted(self.folder.glob(f"{name}~*"))
        return [path for path in found if not _is_written(path.with_suffix(_JOURNAL))]

    def at(self, folder: Path) -> RecordingSpool:
        """Return a spool in another folder, with the same keys."""
        return RecordingSpool(folder, self._keys)

    def read(self, journal: Path) -> SpooledPart | None:
        """Return the part of a journal; None for what is none. Raises PeerError, OSError."""
        lines = _lines(journal)
        sound = next((p for k in (_PLAIN, _SEALED) if (p := journal.with_suffix(k)).exists()), None)
        try:
            facts = msgspec.json.decode(lines[0], type=PartFacts)
        except (msgspec.DecodeError, IndexError):
            set_aside(journal)
            return None
        if sound is None:  # the process was killed between the two
            journal.unlink(missing_ok=True)
            return None
        later = [line for text in lines[1:] if (line := _line(text)) is not None]
        facts.caller = facts.caller or next((o.caller for o in later if o.kind == _CALLER), "")
        samples = sum(len(chunk) for chunk in self.sound(sound)) // CHANNELS
        return SpooledPart(facts, sound, samples, _marks(later), _ending(later))

    def sound(self, path: Path) -> Iterator[bytes]:
        """Yield the stereo mu-law of a part. Raises PeerError if no key opens it, OSError."""
        with path.open("rb") as file:
            if path.suffix == _SEALED:
                from gateway.ops.recordings.sealed_file import spooled_chunks  # noqa: PLC0415

                yield from spooled_chunks(file, self._keys)
                return
            file.seek(SPOOL_HEADER_BYTES)
            yield from _blocks(file)

    def forget(self, part: SpooledPart) -> None:
        """Delete a part: its sound first, since a journal alone is harmless."""
        part.sound.unlink(missing_ok=True)
        part.sound.with_suffix(_JOURNAL).unlink(missing_ok=True)


def _lines(journal: Path) -> list[bytes]:
    """Return the lines of a journal; none while somebody writes it."""
    try:
        with journal.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return file.read(JOURNAL_MAX_BYTES).splitlines()
    except OSError:  # it is locked, or was deleted this moment
        return []


def _is_written(journal: Path) -> bool:
    try:
        with journal.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it was set aside, or was never there
        return False
    return False


def set_aside(journal: Path) -> None:
    """Rename a part that cannot be read: it is no longer tried, and a person may look at it."""
    log.warning("recording_part_unreadable", part=journal.stem)
    journal.replace(journal.with_suffix(".unreadable"))


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(limits.BLOCK_BYTES):
        yield block[: len(block) // CHANNELS * CHANNELS]


def _line(text: bytes) -> JournalLine | None:
    try:
        return msgspec.json.decode(text, type=JournalLine)
    except msgspec.DecodeError:  # cut off by the end of the process
        return None


def _ending(lines: Sequence[JournalLine]) -> str:
    return next((one.kind for one in reversed(lines) if one.kind in _ENDINGS), "killed")


def _marks(lines: Sequence[JournalLine]) -> list[RecordingMark]:
    """Return each mark once, though one that has ended stands there twice, and no empty one."""
    found = {
        (one.kind, one.start): RecordingMark(one.kind, one.start, one.end)
        for one in lines
        if one.kind in ("paused", "gap")
    }
    return [mark for mark in found.values() if mark.end != mark.start]
