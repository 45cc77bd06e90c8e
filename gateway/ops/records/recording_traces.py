"""Recordings of calls, in the spool and in the store, for whoever forgets these calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from gateway.errors import LinkError
from gateway.ops.recordings.names import recording_name
from gateway.ops.recordings.uploader import RecordingUploader
from gateway.ops.records.history import CallNames


class RecordingTraces:
    """Each call has one recording, under its CallSid, or under its id over a trunk."""

    name: Final = "recordings"

    def __init__(
        self, uploader: RecordingUploader, unfinished: Callable[[str], Awaitable[int]]
    ) -> None:
        """`unfinished` returns how many recordings of a name the carrier may still have."""
        self._uploader, self._unfinished = uploader, unfinished

    async def forget(self, calls: Sequence[CallNames]) -> int:
        """Delete the recordings of these calls; return how many. Raises LinkError."""
        try:
            return sum([await self._uploader.delete(name) for name in _names(calls)])
        except OSError as error:
            raise LinkError(type(error).__name__, retryable=True) from error

    async def left(self, calls: Sequence[CallNames]) -> int:
        """Return how many files and objects there are of these calls, the carrier's included.

        Raises LinkError.
        """
        names = list(dict.fromkeys(_names(calls)))
        here = sum([await self._uploader.left(name) for name in names])
        return here + sum(await asyncio.gather(*(self._unfinished(name) for name in names)))


def _names(calls: Sequence[CallNames]) -> list[str]:
    return [recording_name(name) for call in calls for name in {call.id, call.call_sid} if name]
