"""Words to mu-law, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from threading import Lock

from gateway.audio.g711 import CALLER_HZ, pcm_to_mulaw
from gateway.simulator.audio.tts import speak

Speaker = Callable[[str, str], Awaitable[bytes]]
"""Text and language to mu-law 8 kHz."""


_one_at_a_time = Lock()
"""The voice is one global library: two threads that wake it at once would wake it twice."""


def _spoken(text: str, language: str) -> bytes:
    with _one_at_a_time:
        return pcm_to_mulaw(speak(text, language=language, hz=CALLER_HZ).tobytes())


async def speak_mulaw(text: str, language: str) -> bytes:
    """The words as a telephone carries them; the voice keeps what it has said before."""
    return await asyncio.to_thread(_spoken, text, language)
