"""Models of the vendor: the one that agents get by default, and which are shut down when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DEFAULT_MODEL: Final = "gpt-realtime-2.1"

SHUTDOWNS: Final[Mapping[str, tuple[str, str]]] = {
    "gpt-realtime": ("2027-01-20", DEFAULT_MODEL),
    "gpt-realtime-2025-08-28": ("2027-01-20", DEFAULT_MODEL),
    "gpt-realtime-mini": ("2027-01-20", "gpt-realtime-2.1-mini"),
    "gpt-realtime-mini-2025-12-15": ("2027-01-20", "gpt-realtime-2.1-mini"),
    "gpt-4o-realtime-preview": ("2026-05-07", DEFAULT_MODEL),
    "gpt-4o-realtime-preview-2024-10-01": ("2026-05-07", DEFAULT_MODEL),
    "gpt-4o-realtime-preview-2024-12-17": ("2026-05-07", DEFAULT_MODEL),
    "gpt-4o-realtime-preview-2025-06-03": ("2026-05-07", DEFAULT_MODEL),
    "whisper-1": ("2027-02-26", "gpt-transcribe"),
    "gpt-4o-transcribe": ("2027-02-26", "gpt-transcribe"),
    "gpt-4o-transcribe-diarize": ("2027-02-26", "gpt-transcribe"),
    "gpt-4o-mini-transcribe": ("2027-02-26", "gpt-transcribe"),
    "gpt-4o-mini-transcribe-2025-12-15": ("2027-02-26", "gpt-transcribe"),
}
"""By model: the date that the vendor announced, and the model that takes its place."""
