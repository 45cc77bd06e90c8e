"""Framing of ragged deltas into whole units: no byte lost, no phase lost."""

from __future__ import annotations


class Framer:
    """Cut a byte stream into whole multiples of `unit_bytes`; the rest waits for the next push."""

    def __init__(self, unit_bytes: int) -> None:
        self._unit_bytes = unit_bytes
        self._rest = b""

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their unit."""
        return len(self._rest)

    def push(self, data: bytes) -> bytes:
        """Return all whole units so far; the very object that came in when nothing is left over."""
        if self._rest:
            data = self._rest + data
        ragged = len(data) % self._unit_bytes
        if not ragged:
            self._rest = b""
            return data
        self._rest = data[-ragged:]
        return data[:-ragged]

    def flush(self, pad: bytes) -> bytes:
        """Return the rest, filled up to a whole unit by repeating `pad` (one sample of silence).

        What is less than one `pad` is a torn sample and is dropped. Empty if nothing waits.
        """
        rest = self._rest[: len(self._rest) // len(pad) * len(pad)]
        self._rest = b""
        missing = self._unit_bytes - len(rest)
        return rest + pad * (missing // len(pad)) if rest else b""

    def reset(self) -> None:
        """Drop the rest."""
        self._rest = b""
