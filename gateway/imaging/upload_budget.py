"""Bytes of pictures that may be in memory at once, over all requests and fetches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway import limits
from gateway.errors import PeerError


class UploadBudget:
    """One bound for the process: each picture counts from its first byte until it is decoded."""

    def __init__(
        self, refused: Callable[[], None], most_bytes: int = limits.images.UPLOADS_MAX_BYTES
    ) -> None:
        self._refused, self._most_bytes = refused, most_bytes
        self.held_bytes = 0

    @contextmanager
    def upload(self) -> Iterator[Upload]:
        """Count the bytes of one picture while the block runs."""
        upload = Upload(self)
        try:
            yield upload
        finally:
            self.held_bytes -= upload.size_bytes

    def take(self, size_bytes: int) -> None:
        """Raises PeerError (`overloaded`) beyond the bound."""
        if self.held_bytes + size_bytes > self._most_bytes:
            self._refused()
            raise PeerError("overloaded", "too many bytes are being sent")
        self.held_bytes += size_bytes


class Upload:
    """Share of the budget that one picture has taken."""

    def __init__(self, budget: UploadBudget) -> None:
        self._budget = budget
        self.size_bytes = 0

    def add(self, size_bytes: int) -> None:
        """Count bytes that arrived. Raises PeerError (`overloaded`)."""
        self._budget.take(size_bytes)
        self.size_bytes += size_bytes
