"""Twilio's side of one Media Stream: real time uplink, true playback clock downlink.

Source: Twilio docs, "Media Streams - WebSocket Messages" and the error dictionary, 319xx.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from gateway.errors import PeerError
from gateway.protocols import media_stream as wire
from gateway.simulator.audio.analysis import milliseconds, samples
from gateway.simulator.scenario.faults import Faults, Malformed, malformed
from gateway.simulator.twilio.line import TelephoneLine
from gateway.simulator.twilio.signing import signature
from gateway.simulator.twilio.webhooks import Account, GatewayAddress

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
HANDSHAKE_TIMEOUT_S: Final = 5.0
CLOSE_TIMEOUT_S: Final = 2.0
FRAME_BYTES: Final = 160
COUNTED: Final = ("media", "mark", "clear", "mark_echoed")


class StreamError(Exception):
    """The stream did not start: Twilio's error code and what happened."""

    def __init__(self, code: int, problem: str) -> None:
        self.code, self.problem = code, problem
        super().__init__(f"{code}: {problem}")


@dataclass(frozen=True, slots=True)
class StreamIds:
    account_sid: str
    call_sid: str
    stream_sid: str
    parameters: dict[str, str]


@dataclass
class StreamTraffic:
    """Counters of one socket."""

    frames_sent: int = 0
    received: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    payload_bytes: int = 0
    ragged_payloads: int = 0
    """Payloads that are not a multiple of 20 ms: allowed, and a cause of stutter."""
    longest_lead_ms: float = 0.0


def check_url(url: str) -> None:
    """Raises StreamError for a URL that Twilio would not connect to."""
    parts = urlsplit(url)
    if parts.scheme != "wss" and not (parts.scheme == "ws" and parts.hostname in LOOPBACK):
        raise StreamError(31922, f"the stream's URL is not wss: {url}")
    if parts.query:
        raise StreamError(31920, f"the stream's URL has a query string: {url}")


class MediaStream:
    """One media stream, from its handshake to its `stop`."""

    def __init__(
        self, line: TelephoneLine, ids: StreamIds, faults: Faults, frame_ms: int = 20
    ) -> None:
        self.line, self.ids, self.faults = line, ids, faults
        self.traffic = StreamTraffic()
        self._frame = samples(frame_ms)
        self._sequence = 0
        self._chunk = 0
        self._begin = 0
        self._warned: set[int] = set()
        self._socket: ClientConnection | None = None

    async def run(self, url: str, account: Account, reach: GatewayAddress) -> None:
        """Run until the gateway closes the stream; cancelling sends `stop`.

        Raises StreamError when it does not start.
        """
        check_url(url)
        self._socket = await self._connect(url, account, reach)
        try:
            await self._exchange(self._socket)
        finally:
            self.line.streaming.clear()
            self.line.stop_playback()
            await self._stop(self._socket)

    async def _connect(self, url: str, account: Account, reach: GatewayAddress) -> ClientConnection:
        headers = {"x-twilio-signature": signature(account.token, url)}
        try:
            return await connect(
                reach.real(url),
                additional_headers=headers,
                user_agent_header="Twilio.TmeWs/1.0",
                compression=None,
                open_timeout=HANDSHAKE_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                ping_interval=None,
                proxy=None,
            )
        except TimeoutError as error:
            raise StreamError(31901, "no answer to the handshake") from error
        except (InvalidHandshake, InvalidURI) as error:
            raise StreamError(31920, f"handshake refused: {error}") from error
        except OSError as error:
            raise StreamError(31902, f"connection refused: {error}") from error

    async def _exchange(self, socket: ClientConnection) -> None:
        await self._post(wire.Connected())
        self._begin = self.line.now
        await self._post(self._start())
        self.line.streaming.set()
        sending = asyncio.create_task(self._send_audio())
        try:
            await self._listen(socket)
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await sending
        self._log_close(socket)

    def _log_close(self, socket: ClientConnection) -> None:
        code = socket.close_code
        if self.faults.socket_dropped:
            self.line.log("socket_dropped")
        elif code == 1006:
            self.line.warn(31903, "the gateway's socket closed without a handshake")
        elif code in (1002, 1003, 1007, 1009):
            self.line.warn(31924, f"the gateway closed with {code} {socket.close_reason}")
        else:
            self.line.warn(31921, f"the gateway closed the stream ({code})")

    # --- uplink: the caller's voice, on a clock that does not drift ---

    async def _send_audio(self) -> None:
        begin, due = self._begin, self._due(self._begin)
        while True:
            mark = self.line.playback.next_mark
            await self._sleep_until(due if mark is None else min(due, mark))
            for name in self.line.playback.played(self.line.now):
                await self._mark(name)
            if self.line.now >= due:
                await self._media(begin)
                begin += self._frame
                due = self._due(begin)

    def _due(self, begin: int) -> int:
        """Return when a frame is sent: at its end, or later on a bad network."""
        return begin + self._frame + samples(self.faults.delay_ms(self.line.now_ms))

    async def _sleep_until(self, position: int) -> None:
        delay_s = self.line.at_s(position) - self.line.clock()
        if delay_s > 0:
            await asyncio.sleep(delay_s)

    async def _media(self, begin: int) -> None:
        if self.faults.drops_socket(milliseconds(self.line.now - self._begin) / 1000):
            self.drop()
        self._chunk += 1
        body = wire.SentMediaBody(
            payload=self.line.spoken.between(begin, begin + self._frame),
            timestamp=str(round(milliseconds(begin - self._begin))),
            chunk=str(self._chunk),
        )
        await self._post(wire.SentMedia(self.ids.stream_sid, body, self._number()))
        self.traffic.frames_sent += 1

    async def _mark(self, name: str) -> None:
        self.traffic.received["mark_echoed"] += 1
        await self._post(wire.Mark(self.ids.stream_sid, wire.MarkBody(name), self._number()))

    async def press(self, digit: str) -> None:
        """Send a key of the caller's telephone."""
        await self._post(wire.Dtmf(self.ids.stream_sid, wire.DtmfBody(digit), self._number()))

    async def send_malformed(self, kind: Malformed) -> None:
        """Send a message that Twilio never sends."""
        if self._socket is not None:
            await self._socket.send(malformed(kind, self.ids.stream_sid))

    def pause_reading(self) -> None:
        """Read nothing from the socket, as a slow peer."""
        if self._socket is not None:
            self._socket.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read what has arrived since."""
        if self._socket is not None:
            self._socket.transport.resume_reading()

    def drop(self) -> None:
        """Break the connection without a closing handshake, as a failing network does."""
        self.faults.socket_dropped = True
        if self._socket is not None:
            self._socket.transport.abort()

    def _start(self) -> wire.Start:
        body = wire.StartBody(
            account_sid=self.ids.account_sid,
            stream_sid=self.ids.stream_sid,
            call_sid=self.ids.call_sid,
            tracks=["inbound"],
            media_format=wire.MediaFormat(wire.MULAW_ENCODING, 8000, 1),
            custom_parameters=self.ids.parameters,
        )
        return wire.Start(self.ids.stream_sid, body, self._number())

    def _number(self) -> str:
        self._sequence += 1
        return str(self._sequence)

    async def _post(self, message: wire.FromTwilio | wire.SentMedia) -> None:
        if self._socket is not None:
            await self._socket.send(wire.encode(message).decode())

    async def _stop(self, socket: ClientConnection) -> None:
        body = wire.StopBody(self.ids.account_sid, self.ids.call_sid)
        with contextlib.suppress(ConnectionClosed):
            await self._post(wire.Stop(self.ids.stream_sid, body, self._number()))
        await socket.close()

    # --- downlink: what the gateway sends, read strictly ---

    async def _listen(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._receive(await socket.recv())

    async def _receive(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self._warn_once(31950, f"a binary frame of {len(message)} bytes")
            return
        try:
            event = wire.parse_outbound(message, self.ids.stream_sid)
        except PeerError as error:
            self._warn_once(31951, f"{error}: {message[:120]}")
            return
        match event:
            case wire.OutMedia():
                self._play(event.media.payload)
            case wire.OutMark():
                self.traffic.received["mark"] += 1
                if self.line.playback.mark(event.mark.name, self.line.now):
                    await self._mark(event.mark.name)
            case wire.OutClear():
                await self._clear()

    def _play(self, mulaw: bytes) -> None:
        now = self.line.now
        self.traffic.received["media"] += 1
        self.traffic.payload_bytes += len(mulaw)
        self.traffic.ragged_payloads += len(mulaw) % FRAME_BYTES != 0
        if not self.line.playback.media(mulaw, now):
            self._warn_once(31931, "more than ten minutes of sound are buffered")
        lead_ms = milliseconds(self.line.playback.buffered(now))
        self.traffic.longest_lead_ms = max(self.traffic.longest_lead_ms, lead_ms)

    async def _clear(self) -> None:
        self.traffic.received["clear"] += 1
        self.line.log(
            "cleared", f"{milliseconds(self.line.playback.buffered(self.line.now)):.0f} ms"
        )
        for name in self.line.playback.clear(self.line.now):
            await self._mark(name)

    def _warn_once(self, code: int, text: str) -> None:
        """Add a warning, once per stream as Twilio does."""
        if code not in self._warned:
            self._warned.add(code)
            self.line.warn(code, text)
