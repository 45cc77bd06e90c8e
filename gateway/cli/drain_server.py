"""Uvicorn server that lets running calls end before it stops.

Uvicorn closes live WebSockets as soon as it is told to stop. This one first refuses new calls and
lets the running ones end; towards the deadline it releases them to other processes, each in a
quiet moment. A second signal ends at once. Its endpoints keep answering meanwhile: a call's last
webhooks still arrive. Calls that are cut off at the end come back to the processes that are left.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import monotonic
from types import FrameType

import structlog
import uvicorn

from gateway import limits
from gateway.app import Gateway
from gateway.call.endings import Ending
from gateway.errors import BugError, SettingsError
from gateway.transports.connection_limits import ConnectionLimits
from gateway.transports.http_server import BoundedHttp
from gateway.transports.media_socket import MediaSocket

log = structlog.get_logger()
_POLL_S = 0.05
_LOOK_S = 1.0
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(unix_s: float) -> bytes:
    """Return a date as HTTP writes it (RFC 9110, 5.6.7), at a tenth of the library's cost."""
    at = time.gmtime(unix_s)
    return (
        f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year} "
        f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"
    ).encode()


class GatewayServer(uvicorn.Server):
    """Uvicorn's server, which drains calls before it ends.

    `drain_s` is how long calls may take to their end; `webhooks_s` how long the process stays for
    Twilio's webhooks about the last of them.
    """

    def __init__(
        self,
        gateway: Gateway,
        host: str,
        port: int,
        drain_s: float,
        webhooks_s: float = limits.process.DRAIN_WEBHOOKS_S,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                gateway.asgi,
                host=host,
                port=port,
                backlog=limits.web.ACCEPTS_PER_TURN,  # the system's queue: see `startup`
                http=partial(  # type: ignore[arg-type]
                    BoundedHttp,
                    connection_limits=ConnectionLimits(
                        lambda reason: gateway.metrics.connections_refused.labels(reason).inc()
                    ),
                ),
                ws=MediaSocket,
                ws_per_message_deflate=False,  # base64 audio does not shrink
                ws_max_size=limits.sockets.SOCKET_MESSAGE_MAX_BYTES,
                ws_ping_interval=None,  # fifty frames a second are sign of life enough
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # nobody here asks who forwarded what
                timeout_keep_alive=int(limits.web.KEEP_ALIVE_S),
                timeout_graceful_shutdown=int(limits.web.WEBHOOK_BODY_WAIT_S),
            )
        )
        self._registry, self._metrics = gateway.registry, gateway.metrics
        self._event_stream, self._announce = gateway.event_stream, gateway.announce
        self._reload = gateway.reload
        self._drain_s, self._webhooks_s = drain_s, webhooks_s
        self._at_once = False
        self._told_to_stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        """Set while `main_loop` runs."""
        self._looks: asyncio.TimerHandle | None = None

    async def main_loop(self) -> None:
        """Keep the date of responses, once a second, until the process is told to stop.

        Uvicorn's own looks ten times a second, which costs as much as a tenth of a call.
        """
        self._loop = asyncio.get_running_loop()
        self._look()
        try:
            await self._told_to_stop.wait()
        finally:
            if self._looks is not None:
                self._looks.cancel()
            self._loop = None

    def _look(self) -> None:
        """A timer that sets itself anew: a task that sleeps costs four times as much."""
        self.server_state.default_headers = [(b"date", http_date(time.time()))]
        if self.should_exit:
            self._told_to_stop.set()
        if self._loop is not None:
            self._looks = self._loop.call_later(_LOOK_S, self._look)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, the second ends at once."""
        self._at_once = self.should_exit
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told_to_stop.set)

    def _on_hang_up(self, _signal: int, _frame: FrameType | None) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._reload)
        else:
            log.warning("sighup_ignored", advice="send it while the process takes calls")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Read the agents file again on SIGHUP, whose default is to end the process."""
        before = (
            signal.signal(signal.SIGHUP, self._on_hang_up) if hasattr(signal, "SIGHUP") else None
        )
        try:
            with super().capture_signals():
                yield
        finally:
            if before is not None:
                signal.signal(signal.SIGHUP, before)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Raises SettingsError when the port cannot be had, BugError when the application fails.

        Uvicorn logs what it was, and would exit with a status of its own.
        """
        try:
            await super().startup(sockets)
        except SystemExit:
            if self.lifespan.should_exit:
                raise BugError("the application did not start: see the log.") from None
            raise SettingsError(
                f"GATEWAY_HOST and GATEWAY_PORT say {self.config.host} and {self.config.port}, "
                "where nothing can listen: is that port in use?"
            ) from None
        # asyncio takes one number for two things: how many connections it accepts in a turn, and
        # how many may wait. To listen again sets the second alone.
        for server in self.servers:
            for listener in server.sockets:
                with listener.dup() as same:
                    same.listen(limits.web.LISTEN_BACKLOG)
        if not self.should_exit:
            self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._drain()
        self._event_stream.close()  # whoever watches would be waited for
        await super().shutdown(sockets)
        self._captured_signals.clear()  # a drained process has ended well: exit 0

    async def _drain(self) -> None:
        self._registry.draining = True
        self._metrics.draining.set(1)
        self._report_at = monotonic()
        deadline = self._report_at + self._drain_s
        had_calls = self._registry.active > 0
        await self._wait_while(self._calls_are_left, deadline - limits.process.DRAIN_HAND_OVER_S)
        self._registry.hand_over_all(now=False)
        await self._wait_while(self._calls_are_left, deadline)
        self._registry.hand_over_all(now=True)
        until = monotonic() + limits.process.DRAIN_RELEASE_MAX_S
        await self._wait_while(self._calls_are_left, until)
        if self._registry.active:
            log.warning("drain_deadline_reached", calls=self._registry.active)
            if self._registry.sends_on:
                # Its caller comes back within milliseconds, and must find another process.
                for listener in self.servers:
                    listener.close()
            self._registry.end_all(Ending.DRAINED)
            until = monotonic() + limits.process.DRAIN_END_MAX_S
            await self._wait_while(lambda: self._registry.active > 0, until)
        else:
            if had_calls:
                # The last call's webhooks are to come: where no other process is, a caller who is
                # to be transferred would hear Twilio's error instead.
                until = monotonic() + self._webhooks_s
                await self._wait_while(lambda: not self._at_once, until)
            log.info("drained")

    def _calls_are_left(self) -> bool:
        """Return whether calls are left, and nobody is in a hurry."""
        return self._registry.active > 0 and not self._at_once

    async def _wait_while(self, holds: Callable[[], bool], until: float) -> None:
        """Look again and again, and tell now and then how many calls are left."""
        while holds() and monotonic() < until:
            if self._registry.active and monotonic() >= self._report_at:
                log.info("draining", calls_left=self._registry.active)
                self._report_at += limits.process.DRAIN_REPORT_S
            await asyncio.sleep(_POLL_S)
