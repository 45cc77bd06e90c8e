"""Keys of the store that are named by a call: what is to be deleted with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gateway.ops.store.key_names import hashed

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
    "photos",  # keys of the links that the caller was texted
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
PHOTOS: Final = "photos"
WORDS: Final = ("briefing", "call", "sip", "sound")
"""Kinds with people's words: of a call that was forgotten while it runs, none is written."""
ENDED: Final = "ended"
RUNNING: Final = "running"
"""What was forgotten: a call that has ended, of which nothing is put any more, or one that runs.

A call that runs needs the rest to go on: what is said in it is left out, and it is dropped later.
"""


def keys_of_call(names: Iterable[str]) -> list[str]:
    """Return every key under which something of a call with these names may stand."""
    return [f"{kind}:{name}" for name in dict.fromkeys(names) if name for kind in KINDS]


def keys_of_warm_transfer(warm_id: str) -> list[str]:
    """Return the keys of a warm transfer that hold words, numbers or names of calls."""
    return [f"warm:{warm_id}", *(f"warm:{warm_id}:{what}" for what in ("person", "outcome"))]


def bar_of_call(name: str) -> str:
    """Return the key that bars what is put under a call's name; it does not show the name."""
    return f"forgotten:{hashed(name)}"


def bar_of_key(key: str) -> str:
    """Return the key that bars another one, empty for one that is not named by a call."""
    kind, _, name = key.partition(":")
    return bar_of_call(name) if kind in KINDS and name else ""


def is_barred(key: str, bar: str) -> bool:
    """Return whether a key may not be put, by what stands under its bar."""
    return bar == ENDED or (bar == RUNNING and key.partition(":")[0] in WORDS)
