"""The response arbiter: never two `response.create` in flight.

The server answers a second one with `conversation_already_has_active_response`, often without
the id of the event it refuses, and the caller hears nothing. A response of the server's own making
(its VAD heard the end of a turn) can come in between at any time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway import limits

UNSEEN = "(unseen)"
"""The server says that a response runs whose beginning we did not see."""


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """A pending request for a response of the model."""

    purpose: str
    response: Mapping[str, Any] | None = None
    any_will_do: bool = False
    """Met by a response that began after it was wanted, and says what it likes: the server's own,
    or one that was asked for without words of ours."""


@dataclass(slots=True)
class _Queued:
    """A request that waits."""

    request: ResponseRequest
    seen: bool = False
    """Whether the response that begins next has seen what this is about."""


FILLERS: Final = frozenset({"filler", "mcp_filler", "asking"})
"""Purposes of responses that bridge a wait, and tell nothing of what came of it."""
STOPGAPS: Final = FILLERS | {"nudge"}
"""Said because nobody speaks: void as soon as somebody does."""

UNASKED: Final = ResponseRequest("answer", any_will_do=True)
"""The request that the server meets by itself; asked for when it does not."""


class ResponseArbiter:
    """Queue of response requests: one in flight, the others until it is over."""

    def __init__(self) -> None:
        self._queue: deque[_Queued] = deque()
        self._asked: ResponseRequest | None = None
        self.event_id: str | None = None
        """The id of the `response.create` in flight."""
        self.active_id: str | None = None
        self.deferred = False
        """Whether requests wait because the caller speaks: the words may change what is wanted."""
        self.paused = False
        """Whether a failed response gives the server time before anything more is asked of it."""
        self.long_pause = False
        """Whether the pause is long enough for the caller to hear a hold tone."""

    @property
    def busy(self) -> bool:
        return self._asked is not None or self.active_id is not None

    @property
    def idle(self) -> bool:
        """Whether nothing is in flight and nothing waits."""
        return not self.busy and not self._queue

    @property
    def awaiting(self) -> bool:
        """Whether a response was asked for that has not begun."""
        return self._asked is not None and self.active_id is None

    @property
    def purpose(self) -> str | None:
        """The purpose of the response in flight, if it was asked for."""
        return self._asked.purpose if self._asked is not None else None

    def request(self, wanted: ResponseRequest) -> bool:
        """Queue a request; False when there are too many already: the newest is dropped."""
        if wanted.any_will_do and any(q.request.any_will_do and not q.seen for q in self._queue):
            return True
        if len(self._queue) >= limits.model.RESPONSES_QUEUED_MAX:
            return False
        self._queue.append(_Queued(wanted))
        return True

    def forget(self, *purposes: str) -> None:
        self._queue = deque(q for q in self._queue if q.request.purpose not in purposes)

    def forget_all(self) -> None:
        """Drop every request that waits; what is in flight stays so."""
        self._queue.clear()

    def request_first(self, wanted: ResponseRequest) -> None:
        """Queue a request before all that wait already."""
        self._queue.appendleft(_Queued(wanted))

    @property
    def due(self) -> bool:
        """Whether a `response.create` may go out now."""
        return bool(self._queue) and not (self.deferred or self.paused or self.busy)

    def next(self, event_id: str) -> ResponseRequest | None:
        """Return the request that goes out now, under this id; None: not now."""
        if not self.due:
            return None
        self._asked, self.event_id = self._queue.popleft().request, event_id
        self.begins()
        return self._asked

    def begins(self) -> None:
        """Mark everything queued so far as visible to the response that starts now."""
        for queued in self._queue:
            queued.seen = True

    def created(self, response_id: str) -> None:
        self.active_id = response_id
        if self._asked is None or self._asked.response is None:
            self._queue = deque(q for q in self._queue if not (q.seen and q.request.any_will_do))

    def done(self, response_id: str) -> ResponseRequest | None:
        """End a response; return the request that it was to meet, `UNASKED` if it came by itself.

        None for one that is not the active one: out of band, or stale.
        """
        if self.active_id not in (response_id, UNSEEN):
            return None
        wanted, self._asked = self._asked or UNASKED, None
        self.active_id = self.event_id = None
        return wanted

    def pause(self, seconds: float) -> None:
        """Ask for nothing until `go_on`."""
        self.paused, self.long_pause = True, seconds >= limits.model.RETRY_HOLD_TONE_FROM_S

    def go_on(self) -> None:
        """End the pause."""
        self.paused = self.long_pause = False

    def refused_for_another(self) -> None:
        """Queue the request again: `conversation_already_has_active_response`."""
        if self._asked is None:
            return
        if self._asked.purpose not in STOPGAPS:
            self._queue.appendleft(_Queued(self._asked))
        self._asked = self.event_id = None
        self.active_id = self.active_id or UNSEEN

    def lost(self) -> ResponseRequest | None:
        """Return the request that did not come, to be asked for again or given up."""
        wanted, self._asked, self.event_id = self._asked, None, None
        return wanted

    def restart(self) -> ResponseRequest | None:
        """Return the request whose response went with the session."""
        wanted = (self._asked or UNASKED) if self.busy else None
        self._asked = self.event_id = self.active_id = None
        self.deferred = self.paused = self.long_pause = False
        return wanted

    def stalled(self) -> ResponseRequest | None:
        """Return the request in flight, and wait no more for whatever runs."""
        self.active_id = None
        return self.lost()
