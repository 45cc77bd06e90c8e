"""Pauses of recordings that the carrier makes: asked for one at a time, the last wish wins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from gateway.errors import LinkError
from gateway.limits import recordings as limits
from gateway.transports.twilio_recordings import TwilioRecordings

log = structlog.get_logger()


@dataclass(slots=True)
class _Wish:
    """Whether the recording of a call is to be paused; `news` is set when that has changed."""

    paused: bool
    news: asyncio.Event


class CarrierPauses:
    """Has the carrier pause and resume recordings, by the CallSid of their calls."""

    def __init__(
        self,
        client: TwilioRecordings,
        start: Callable[[Coroutine[Any, Any, None], str], object],
        on_done: Callable[[str, bool], None],
        on_error: Callable[[str], None],
        first_pause_s: float,
    ) -> None:
        """`on_done` gets the call and whether it is paused now; `on_error` the reason."""
        self._client, self._start = client, start
        self._on_done, self._on_error = on_done, on_error
        self._first_pause_s = first_pause_s
        self._wishes: dict[str, _Wish] = {}
        """What the carrier is being asked for, by CallSid: one thing at a time for each call."""

    def ask(self, call_sid: str, paused: bool) -> None:
        """Have a recording paused or resumed, after what is being asked for at the moment."""
        if (wish := self._wishes.get(call_sid)) is not None:
            wish.paused = paused
            wish.news.set()
            return
        self._wishes[call_sid] = wish = _Wish(paused, asyncio.Event())
        self._start(self._fulfil(call_sid, paused, wish), f"pause recording {call_sid}")

    async def _fulfil(self, call_sid: str, paused: bool, wish: _Wish) -> None:
        """Ask for one thing after the other: one that is tried again would undo a later one."""
        try:
            done = await self._pause(call_sid, paused, wish.news)
            while wish.news.is_set():
                wish.news.clear()
                if wish.paused is not done:
                    done = await self._pause(call_sid, wish.paused, wish.news)
        finally:
            del self._wishes[call_sid]

    async def _pause(self, call_sid: str, paused: bool, news: asyncio.Event) -> bool | None:
        """Return what the carrier has done, None where that is not known."""
        for number in range(limits.CARRIER_PAUSE_TRIES):
            try:
                await self._client.pause(call_sid, paused=paused)
            except LinkError as error:
                reason = error.reason
            else:
                self._on_done(call_sid, paused)
                return paused
            with suppress(TimeoutError):
                async with asyncio.timeout(self._first_pause_s * number):
                    await news.wait()
            if news.is_set():
                return None
        self._on_error("carrier")
        log.error("recording_not_paused", call_sid=call_sid, paused=paused, reason=reason)
        return None
