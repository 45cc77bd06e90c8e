"""One SIP call at the model's end: ringing, accepted or declined, live, over."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec
from websockets.frames import Opcode

from gateway.audio.g711 import CALLER_HZ
from gateway.simulator.openai.realtime.connection import ABNORMAL, SessionClock, SimConnection
from gateway.simulator.openai.realtime.outbox import Close
from gateway.simulator.openai.realtime.script import SipScript
from gateway.simulator.openai.realtime.session import SimModelSession
from gateway.simulator.openai.sip.playback import OutputBuffer
from gateway.simulator.openai.sip.webhooks import CallAnnouncement

TIMESTAMP: Final = struct.Struct(">I")
State = Literal["ringing", "accepted", "live", "declined", "over"]


class SimSipCall:
    """State of a call, for control calls, sidebands and the carrier's leg."""

    def __init__(
        self, incoming: CallAnnouncement, script: SipScript, log: Callable[..., None]
    ) -> None:
        self.incoming, self.script = incoming, script
        self.state: State = "ringing"
        self.sidebands: set[SimConnection] = set()
        self.attached = 0
        self.ended = asyncio.Event()
        self.buffer = OutputBuffer(self._to_caller)
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._leg: SimConnection | None = None
        self._unsent: list[dict[str, Any]] = []
        self._clock: _CallClock | None = None
        self._timer = self._loop.call_later(script.ring_s, self._ring_timed_out)

    @property
    def call_id(self) -> str:
        return self.incoming.call_id

    @property
    def session(self) -> SimModelSession | None:
        return self._clock.session if self._clock else None

    # --- what the control calls do ---

    def accept(self, session: SimModelSession) -> None:
        """Accept the call; a little later its session can be joined and it is answered."""
        self.state = "accepted"
        self.log("accepted")
        self._timer.cancel()
        self._signal(sip=180)
        delay_s = self.script.sideband_404_ms / 1000
        self._timer = self._loop.call_later(delay_s, self._answer, session)

    def _answer(self, session: SimModelSession) -> None:
        self.state = "live"
        self._clock = _CallClock(session, self)
        self._clock.flush()
        self._signal(sip=200)
        self.log("answered", session_id=session.id)

    def reject(self, status: int) -> None:
        self.log("rejected", status=status)
        self.finish(status, "declined")

    def refer(self, target_uri: str) -> None:
        self.log("referred", target_uri=target_uri, outcome=self.script.refer)
        if self.script.refer == "transferred":
            self._signal(refer=target_uri)

    def hang_up(self) -> None:
        self.log("hung_up")
        self.finish(200)

    def _ring_timed_out(self) -> None:
        self.log("nobody_decided")
        self.finish(480)

    def finish(self, status: int, state: State = "over") -> None:
        """End the call: the leg gets its status, sidebands are aborted."""
        if self.ended.is_set():
            return
        unplayed_ms = self.buffer.unplayed_ms
        self.state = state
        self._timer.cancel()
        self._signal(bye=status, unplayed_ms=unplayed_ms)
        if self._clock:
            self._clock.stop()
        self.drop_sidebands(ABNORMAL)
        self.log("call_over", status=status, unplayed_ms=unplayed_ms)
        self.ended.set()

    # --- the carrier's leg ---

    def join(self, leg: SimConnection) -> bool:
        """Attach the carrier's leg. Return False for a second one."""
        if self._leg is not None:
            return False
        self._leg = leg
        unsent, self._unsent = self._unsent, []
        for signal in unsent:
            self._signal(**signal)
        leg.deliver_to(self._from_carrier)
        return True

    def leave(self) -> None:
        """End the call for the carrier: BYE, or CANCEL while it rings."""
        self.finish(200 if self.state == "live" else 487)

    def _signal(self, **signal: Any) -> None:
        if self._leg is None:
            self._unsent.append(signal)
        else:
            self._leg.post([json.dumps(signal).encode()])

    def _to_caller(self, frame: bytes, now_s: float) -> None:
        """Send a frame with its timestamp in samples, as in RTP."""
        if self._leg is not None:
            self._leg.post_sound(TIMESTAMP.pack(round(now_s * CALLER_HZ) % (1 << 32)) + frame)

    def _from_carrier(self, kind: Opcode, message: bytes) -> None:
        clock = self._clock
        if clock is None or self.ended.is_set():
            return
        if kind is Opcode.BINARY:
            clock.do(lambda: clock.session.hear(message, clock.now_s))
            return
        digit = str(json.loads(message).get("dtmf", ""))
        if digit:
            self._press(digit)

    def _press(self, digit: str) -> None:
        """Send a DTMF event: no `event_id`, and in the vendor's example a blank in its type."""
        kind = "input_audio_buffer.dtmf_event_received"
        event = {
            "type": f" {kind}" if self.script.dtmf_blank else kind,
            "event": digit,
            "received_at": int(time.time()),
        }
        self.log("dtmf", digit=digit)
        self.broadcast([msgspec.json.encode(event)])

    # --- sidebands ---

    def attach(self, socket: SimConnection) -> None:
        """Attach a sideband to the running session."""
        assert self._clock is not None  # noqa: S101 - admitted only while the call is live
        clock, session = self._clock, self._clock.session
        clock.flush()
        if self.script.session_created:
            session.introduce()
            socket.post([one for one in session.take_messages() if isinstance(one, bytes)])
        self.sidebands.add(socket)
        self.attached += 1
        if self.attached == 1 and self.script.drop_sideband_after_s is not None:
            self._loop.call_later(self.script.drop_sideband_after_s, socket.drop, ABNORMAL)
        socket.deliver_to(clock.receive)

    def detach(self, socket: SimConnection) -> None:
        self.sidebands.discard(socket)

    def broadcast(self, messages: list[bytes]) -> None:
        for socket in tuple(self.sidebands):
            if not socket.post(messages):
                socket.drop(ABNORMAL)

    def drop_sidebands(self, code: int, reason: str = "") -> None:
        for socket in tuple(self.sidebands):
            socket.drop(code, reason)

    def log(self, kind: str, **facts: Any) -> None:
        self._log(kind, call_id=self.call_id, **facts)


class _CallClock(SessionClock):
    """Clock of a call's session, which outlives its sockets."""

    def __init__(self, session: SimModelSession, call: SimSipCall) -> None:
        super().__init__(session)
        self._call = call

    def receive(self, kind: Opcode, message: bytes) -> None:
        if kind is Opcode.BINARY:
            self.do(lambda: self.session.refuse_binary(self.now_s))
        else:
            self.do(lambda: self.session.receive(message, self.now_s))

    def deliver(self, out: list[bytes | Close]) -> None:
        self._call.broadcast([message for message in out if isinstance(message, bytes)])
        last = out[-1]
        if not isinstance(last, Close):
            return
        self._call.drop_sidebands(last.code, last.reason)
        if last.reason == "scripted":
            self.session.reopen()
        else:
            self._call.finish(200)

    def fail(self) -> None:
        self._call.finish(500)
