"""Briefing of a call: what an agent learns about this one call from outside, as data."""

from __future__ import annotations

from typing import Final

import msgspec


class Briefing(msgspec.Struct, frozen=True, array_like=True):
    """Facts and purpose of one call; fields are only added at the end, as in a snapshot."""

    about: str = ""
    """What the call is for, as whoever ordered it wrote it."""
    facts: dict[str, str] = {}
    """Named facts, each as text."""

    @property
    def empty(self) -> bool:
        return not (self.about or self.facts)


NO_BRIEFING: Final = Briefing()
