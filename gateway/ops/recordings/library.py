"""The recordings that are stored: found, read in ranges, written and deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from gateway.errors import PeerError
from gateway.limits import recordings as limits
from gateway.ops.recordings.joining import StoredRecording
from gateway.ops.recordings.names import recording_name
from gateway.ops.recordings.object_store import ObjectMissing, RecordingObjects

if TYPE_CHECKING:
    from gateway.ops.recordings.sealed_file import FileSeal
    from gateway.ops.store.encryption import Encryptor

log = structlog.get_logger()
PARTS: Final = "parts"


@dataclass(frozen=True, slots=True)
class RecordingReader:
    """Reads a stored recording as the sound file that it is, sealed or not."""

    info: StoredRecording
    _objects: RecordingObjects
    _keys: Sequence[str]

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` to before `end`. Raises LinkError, PeerError."""
        end = min(end, self.info.bytes)
        if self.info.sealed:
            async for block in self._opened(start, end):
                yield block
            return
        while start < end:
            upto = min(end, start + limits.FETCH_BYTES)
            yield await self._objects.read(self.info.key, start, upto)
            start = upto

    async def _opened(self, start: int, end: int) -> AsyncIterator[bytes]:
        from gateway.ops.recordings import sealed_file  # noqa: PLC0415 - with a key only

        size = await self._objects.size(self.info.key)
        layout = sealed_file.SealedLayout(size)
        seal = await self._seal(layout, size)
        while start < end:
            first = start // limits.BLOCK_BYTES
            last = min(first + limits.FETCH_BYTES // limits.BLOCK_BYTES, layout.chunks) - 1
            begin, upto = layout.span(first, max(first, last))
            sealed = await self._objects.read(self.info.key, begin, min(upto, size))
            plain = layout.open(seal, first, sealed)
            skip = start - first * limits.BLOCK_BYTES
            block = plain[skip : skip + end - start]
            if not block:
                raise PeerError("unreadable", "a sealed recording is shorter than it says")
            yield block
            start += len(block)

    async def _seal(self, layout: object, size: int) -> FileSeal:
        from gateway.ops.recordings import sealed_file  # noqa: PLC0415

        assert isinstance(layout, sealed_file.SealedLayout)  # noqa: S101 - made above
        begin, upto = layout.span(0, 0)
        head = await self._objects.read(self.info.key, 0, min(upto, size))
        header, chunk = head[:begin], head[begin:]
        return sealed_file.seal_of(header, self._keys, chunk, last=layout.chunks == 1)


class RecordingLibrary:
    """Stored recordings by the name of their call: its CallSid, or its id over a trunk."""

    def __init__(self, objects: RecordingObjects, keys: Sequence[str]) -> None:
        self.objects, self._keys = objects, keys

    @property
    def secret(self) -> str | None:
        """The key by which new recordings are sealed."""
        return self._keys[0] if self._keys else None

    def key(self, name: str, file_format: str) -> str:
        return f"{name}.{file_format}" + (".sealed" if self._keys else "")

    async def find(self, call: str) -> RecordingReader | None:
        """Return the recording of a call, by its CallSid or id. Raises LinkError, PeerError."""
        name = recording_name(call)
        try:
            size = await self.objects.size(f"{name}.json")
            if size > limits.INFO_MAX_BYTES:
                raise PeerError("unreadable", "what is known of a recording is too large")
            text = self._opened(name, await self.objects.read(f"{name}.json", 0, size))
            info = msgspec.json.decode(text, type=StoredRecording)
        except ObjectMissing:
            return None
        except msgspec.DecodeError:
            raise PeerError("unreadable", "what is known of a recording is no JSON") from None
        return RecordingReader(info, self.objects, self._keys)

    async def store(self, info: StoredRecording, sound: Path) -> None:
        """Store the sound, then what is known of it. Raises LinkError."""
        await self.objects.put(info.key, sound)
        text = msgspec.json.encode(info)
        if self._keys:
            text = self._encryptor().seal(_sidecar(info.name), text.decode())
        await self.objects.put(f"{info.name}.json", text)

    async def delete(self, call: str) -> bool:
        """Delete all that is stored of a call's recording; whether there was any.

        Raises LinkError; what is left then is found when it is deleted again.
        """
        found = await self.objects_of(call)
        for one in found:
            await self.objects.delete(one)
        return bool(found)

    async def objects_of(self, call: str) -> list[str]:
        """Return every object of a call's recording: parts too, and last what is known of it.

        As long as that is there, the recording is found and can be deleted again. Raises LinkError.
        """
        name = recording_name(call)
        found = [one async for one, _ in self.objects.names(f"{PARTS}/{name}")]
        for file_format in ("opus", "wav"):
            for ending in ("", ".sealed"):
                found += await self._existing(f"{name}.{file_format}{ending}")
        return [*found, *await self._existing(f"{name}.json")]

    async def _existing(self, key: str) -> list[str]:
        try:
            await self.objects.size(key)
        except ObjectMissing:
            return []
        return [key]

    def _encryptor(self) -> Encryptor:
        from gateway.ops.store.encryption import Encryptor  # noqa: PLC0415 - with a key only

        return Encryptor(self._keys)

    def _opened(self, name: str, data: bytes) -> str:
        """Return what is known of a recording as text. Raises PeerError if no key opens it."""
        text = self._encryptor().open(_sidecar(name), data) if self._keys else None
        if text is None and data.startswith(b"{"):  # from before there was a key
            return data.decode(errors="replace")
        if text is None:
            raise PeerError("unreadable", "no key of GATEWAY_STORE_KEY opens a recording")
        return text


def _sidecar(name: str) -> str:
    return f"recording:{name}"
