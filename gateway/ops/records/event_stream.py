"""Live changes of calls for subscribed watchers: bounded, and never awaited by a call."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Self

import msgspec

from gateway import limits

_encode: Final = msgspec.json.Encoder().encode


class Subscription:
    """One watcher's queue. Ends when it is closed, or when the watcher does not keep up."""

    def __init__(self, on_close: Callable[[Subscription], None]) -> None:
        self._on_close = on_close
        self._backlog: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self._over = False

    def put(self, message: bytes) -> bool:
        """Queue a message; False, and the subscription ends, when the watcher has fallen behind."""
        if len(self._backlog) >= limits.records.EVENT_STREAM_BACKLOG_MAX:
            self._backlog.clear()
            self.close()
            return False
        self._backlog.append(message)
        self._changed.set()
        return True

    def close(self) -> None:
        self._over = True
        self._changed.set()
        self._on_close(self)

    async def next(self, timeout_s: float) -> bytes | None:
        """The next message; None when there was none for so long. Raises StopAsyncIteration."""
        if not self._backlog and not self._over:
            self._changed.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait()
            except TimeoutError:
                return None
        if not self._backlog:
            raise StopAsyncIteration
        return self._backlog.popleft()

    async def messages(self, idle_s: float) -> AsyncIterator[bytes | None]:
        """Message by message; None for each `idle_s` in which nothing happened."""
        try:
            while True:
                yield await self.next(idle_s)
        except StopAsyncIteration:
            return
        finally:
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EventStream:
    """Live changes of calls; `dropped` is called each time that a watcher was too slow."""

    def __init__(self, dropped: Callable[[], None] = lambda: None) -> None:
        self._subscriptions: set[Subscription] = set()
        self._dropped = dropped

    @property
    def watched(self) -> bool:
        return bool(self._subscriptions)

    def subscribe(self) -> Subscription | None:
        """None when there are too many watchers already."""
        if len(self._subscriptions) >= limits.records.EVENT_STREAM_SUBSCRIBERS_MAX:
            return None
        subscription = Subscription(self._subscriptions.discard)
        self._subscriptions.add(subscription)
        return subscription

    def publish(
        self, call_id: str, part: str, value: Any, at_s: float = 0.0, *, remote: bool = False
    ) -> None:
        """One change of a call's record, `at_s` after its announcement.

        `remote` says that another process has the call, and when it was announced is not known
        here. Costs nothing while nobody watches.
        """
        if not self._subscriptions:
            return
        event = {"call": call_id, "at_s": at_s, "part": part, "value": value}
        if remote:
            event = {"call": call_id, "part": part, "value": value, "remote": True}
        message = _encode(event)
        for subscription in tuple(self._subscriptions):
            if not subscription.put(message):
                self._dropped()

    def close(self) -> None:
        """End every subscription: the process stops."""
        for subscription in tuple(self._subscriptions):
            subscription.close()
