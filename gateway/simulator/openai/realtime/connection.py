"""WebSocket of the simulated model: frames go straight into the session, without a queue.

A hundred calls at once send five thousand appends a second to one core; a task switch for each
would cost more than everything else.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from gateway.simulator.openai.realtime.handshake import Handshake
from gateway.simulator.openai.realtime.outbox import Close
from gateway.simulator.openai.realtime.session import SimModelSession

UNSENT_MAX_BYTES: Final = 8 << 20
EARLY_MESSAGES_MAX: Final = 64
ABNORMAL: Final = 1006


class SimConnection(ServerConnection):
    """Server connection that delivers each whole message as it is received."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.verdict: Handshake | None = None
        """Verdict of the handshake; None for paths other than the Realtime one."""
        self._take: Callable[[Opcode, bytes], None] | None = None
        self._early: list[tuple[Opcode, bytes]] = []
        self._parts: list[bytes] = []
        self._kind = Opcode.TEXT
        self._closing: asyncio.Task[None] | None = None

    def deliver_to(self, take: Callable[[Opcode, bytes], None]) -> None:
        """Deliver messages to `take` from now on, the early ones first."""
        self._take = take
        early, self._early = self._early, []
        for kind, message in early:
            take(kind, message)

    def process_event(self, event: Any) -> None:
        if not isinstance(event, Frame) or event.opcode not in (
            Opcode.TEXT,
            Opcode.BINARY,
            Opcode.CONT,
        ):
            super().process_event(event)
            return
        if event.opcode is not Opcode.CONT:
            self._kind = event.opcode
        if event.fin and not self._parts:
            self._message(bytes(event.data))
            return
        self._parts.append(bytes(event.data))
        if event.fin:
            message, self._parts = b"".join(self._parts), []
            self._message(message)

    def _message(self, message: bytes) -> None:
        if self._take:
            self._take(self._kind, message)
        elif len(self._early) < EARLY_MESSAGES_MAX:
            self._early.append((self._kind, message))

    def drop(self, code: int, reason: str = "") -> None:
        """Close the socket now; 1006 aborts the connection."""
        if code == ABNORMAL:
            self.transport.abort()
        elif self._closing is None:
            self._closing = self.loop.create_task(self._close(code, reason))

    async def _close(self, code: int, reason: str) -> None:
        with suppress(ConnectionClosed):
            await self.close(code, reason)

    async def finished(self) -> None:
        """Wait until the socket is closed by either side."""
        await self.wait_closed()
        if self._closing:
            await self._closing

    def post_sound(self, frame: bytes) -> bool:
        """Send a binary message now. Return whether the reader keeps up."""
        if self.protocol.state is State.OPEN:
            self.protocol.send_binary(frame)
            self.transport.write(b"".join(self.protocol.data_to_send()))
        return self.transport.get_write_buffer_size() <= UNSENT_MAX_BYTES

    def post(self, messages: list[bytes]) -> bool:
        """Send text messages now, in one write. Return whether the reader keeps up."""
        if messages and self.protocol.state is State.OPEN:
            for message in messages:
                self.protocol.send_text(message)
            self.transport.write(b"".join(self.protocol.data_to_send()))
        return self.transport.get_write_buffer_size() <= UNSENT_MAX_BYTES


class SessionClock(ABC):
    """Clock of a session; subclasses send its messages."""

    def __init__(self, session: SimModelSession) -> None:
        self.session = session
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_s: float | None = None
        session.on_step = lambda step: self.do(lambda: session.resume(step, self.now_s))

    @property
    def now_s(self) -> float:
        return self._loop.time()

    def do(self, step: Callable[[], None]) -> None:
        """Run a step; a bug of the simulator ends this session and no other."""
        try:
            step()
        except Exception:
            logging.getLogger(__name__).exception("simulated_model_failed")
            self.session.log("internal_error")
            self.fail()
        self.flush()

    def flush(self) -> None:
        out = self.session.take_messages()
        if out:
            self.deliver(out)
        self._set_alarm()

    @abstractmethod
    def deliver(self, out: list[bytes | Close]) -> None:
        """Send the session's messages, in order."""

    @abstractmethod
    def fail(self) -> None:
        """End the session's connection after a bug of the simulator."""

    def stop(self) -> None:
        """Stop the clock of this session."""
        self.session.hosted.close()
        if self._alarm:
            self._alarm.cancel()

    def _on_alarm(self) -> None:
        self._alarm = self._alarm_s = None
        self.do(lambda: self.session.tick(self.now_s))

    def _set_alarm(self) -> None:
        due_s = self.session.due()
        if due_s == self._alarm_s:
            return
        if self._alarm:
            self._alarm.cancel()
        self._alarm_s = due_s
        self._alarm = None if due_s is None else self._loop.call_at(due_s, self._on_alarm)


class SessionDriver(SessionClock):
    """Session on its own socket, with which it begins and ends."""

    def __init__(self, connection: SimConnection, session: SimModelSession) -> None:
        super().__init__(session)
        self._connection = connection

    async def run(self) -> None:
        """Run the session until the socket is closed."""
        self.session.open(self.now_s)
        self.flush()
        self._connection.deliver_to(self._on_message)
        try:
            await self._connection.finished()
        finally:
            self.stop()

    def drop(self, code: int, reason: str = "") -> None:
        """Close the socket now; 1006 aborts the connection."""
        self._connection.drop(code, reason)

    def _on_message(self, kind: Opcode, message: bytes) -> None:
        now_s = self.now_s
        if kind is Opcode.BINARY:
            self.do(lambda: self.session.refuse_binary(now_s))
        else:
            self.do(lambda: self.session.receive(message, now_s))

    def deliver(self, out: list[bytes | Close]) -> None:
        if not self._connection.post([m for m in out if isinstance(m, bytes)]):
            self.drop(ABNORMAL)
        elif isinstance(out[-1], Close):
            self.drop(out[-1].code, out[-1].reason)

    def fail(self) -> None:
        self.drop(1011, "internal error")
