"""Keys of the store that are named by a call: what is to be deleted with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

KINDS: Final = (
    "answered-by",
    "briefing",  # facts about the caller
    "call",  # the state, with every word
    "call-out",  # number of the person who was called
    "carrier-recording",  # keyed hash of the caller
    "dial-status",
    "dialled",
    "ending",
    "incoming",
    "leader",
    "legs",
    "opening",
    "passes",
    "refer",  # where the caller was sent
    "restarts",
    "secret",  # which secret input is under way
    "sip",
    "sound",  # the caller's last words
    "spent",
    "voice",
    "warm-of",
)
"""What stands before the name, with a colon; a test finds them in the code."""
WARM_OF: Final = "warm-of"


def keys_of_call(names: Iterable[str]) -> list[str]:
    """Return every key under which something of a call with these names may stand."""
    return [f"{kind}:{name}" for name in dict.fromkeys(names) if name for kind in KINDS]


def keys_of_warm_transfer(warm_id: str) -> list[str]:
    """Return the keys of a warm transfer that hold words, numbers or names of calls."""
    return [f"warm:{warm_id}", *(f"warm:{warm_id}:{what}" for what in ("person", "outcome"))]
