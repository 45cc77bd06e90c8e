"""The queues of one account, and who waits in them.

Sources: Twilio docs "TwiML Voice: <Enqueue>", "<Queue>", "Queue resource".
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import monotonic
from typing import Final
from uuid import uuid4

from gateway.simulator.scenario.schema import PersonSpec

BRIDGED: Final = "bridged"
MAX_SIZE: Final = 1000
NAME_MAX_CHARS: Final = 64


@dataclass(eq=False)
class QueuePosition:
    """One caller's, in one queue."""

    queue: Queue
    since_s: float = field(default_factory=monotonic)
    taken: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """One of the two has hung up."""
    taker: tuple[str, PersonSpec] | None = None
    """His number, and he himself."""
    rung: set[str] = field(default_factory=set)
    """Who was rung up meanwhile."""
    result: str = "hangup"
    """What the action is told if the line goes dead now."""

    def take(self, party: str, person: PersonSpec) -> None:
        self.taker, self.result = (party, person), BRIDGED
        self.leave()
        self.taken.set()

    def leave(self) -> None:
        if self in self.queue.members:
            self.queue.members.remove(self)

    @property
    def waited_s(self) -> str:
        return str(int(monotonic() - self.since_s))

    def fields(self, result: str = "") -> dict[str, str]:
        """For the action."""
        said = {"QueueResult": result or self.result}
        return said | {"QueueSid": self.queue.sid, "QueueTime": self.waited_s}

    def asked(self) -> dict[str, str]:
        """For the `waitUrl`."""
        members = self.queue.members
        return {
            "QueuePosition": str(members.index(self) + 1 if self in members else 1),
            "QueueSid": self.queue.sid,
            "QueueTime": self.waited_s,
            "AvgQueueTime": self.waited_s,
            "CurrentQueueSize": str(len(members)),
            "MaxQueueSize": str(MAX_SIZE),
        }


@dataclass(eq=False)
class Queue:
    name: str
    sid: str = field(default_factory=lambda: "QU" + uuid4().hex)
    members: list[QueuePosition] = field(default_factory=list)
    joined: asyncio.Event = field(default_factory=asyncio.Event)

    def enter(self) -> QueuePosition:
        place = QueuePosition(self)
        self.members.append(place)
        self.joined.set()
        return place

    async def first(self, timeout_s: float) -> QueuePosition | None:
        """Who has waited longest; None when nobody comes in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self.members:
                    self.joined.clear()
                    await self.joined.wait()
        except TimeoutError:
            return None
        return self.members[0]


@dataclass
class Queues:
    """By name; they stay until somebody deletes them."""

    by_name: dict[str, Queue] = field(default_factory=dict)

    def named(self, name: str) -> Queue:
        return self.by_name.setdefault(name, Queue(name))

    def with_sid(self, sid: str) -> Queue | None:
        return next((queue for queue in self.by_name.values() if queue.sid == sid), None)
