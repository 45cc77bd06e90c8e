"""Queues of one account, and the callers that wait in them.

Sources: Twilio docs "TwiML Voice: <Enqueue>", "<Queue>", "Queue resource".
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import monotonic
from typing import Final
from uuid import uuid4

from gateway.simulator.scenario.parties import PersonSpec

BRIDGED: Final = "bridged"
MAX_SIZE: Final = 1000
NAME_MAX_CHARS: Final = 64


@dataclass(eq=False)
class QueuePosition:
    """One caller in one queue."""

    queue: Queue
    since_s: float = field(default_factory=monotonic)
    dequeued: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when one of the two parties has hung up."""
    taker: tuple[str, PersonSpec] | None = None
    """Number and description of the person who took the caller."""
    called: set[str] = field(default_factory=set)
    """Numbers that were called for this caller."""
    result: str = "hangup"
    """QueueResult to report if the line closes now."""

    def dequeue(self, party: str, person: PersonSpec) -> None:
        """Connect the caller with a person who dialled the queue."""
        self.taker, self.result = (party, person), BRIDGED
        self.remove()
        self.dequeued.set()

    def remove(self) -> None:
        """Take the caller out of the queue."""
        if self in self.queue.members:
            self.queue.members.remove(self)

    @property
    def waited_s(self) -> str:
        return str(int(monotonic() - self.since_s))

    def fields(self, result: str = "") -> dict[str, str]:
        """Return the form fields for the `action` of `<Enqueue>`."""
        fields = {"QueueResult": result or self.result}
        return fields | {"QueueSid": self.queue.sid, "QueueTime": self.waited_s}

    def wait_fields(self) -> dict[str, str]:
        """Return the form fields for the `waitUrl`."""
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
    """One queue, by name and sid, with its members in order of arrival."""

    name: str
    sid: str = field(default_factory=lambda: "QU" + uuid4().hex)
    members: list[QueuePosition] = field(default_factory=list)
    joined: asyncio.Event = field(default_factory=asyncio.Event)

    def enter(self) -> QueuePosition:
        """Add a caller at the end."""
        position = QueuePosition(self)
        self.members.append(position)
        self.joined.set()
        return position

    async def first(self, timeout_s: float) -> QueuePosition | None:
        """Return the caller who has waited longest; None when nobody comes in time."""
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
    """Queues by name; they exist until they are deleted over REST."""

    by_name: dict[str, Queue] = field(default_factory=dict)

    def named(self, name: str) -> Queue:
        """Return the queue of this name, created on first use."""
        return self.by_name.setdefault(name, Queue(name))

    def with_sid(self, sid: str) -> Queue | None:
        """Return the queue of this sid, if there is one."""
        return next((queue for queue in self.by_name.values() if queue.sid == sid), None)


@dataclass
class ReachableParties:
    """Parties that the carrier can dial: the model's SIP connector, people and queues."""

    connector_url: str = ""
    """Address of the simulated model."""
    people: dict[str, PersonSpec] = field(default_factory=dict)
    """People by number or SIP address."""
    queues: Queues = field(default_factory=Queues)
