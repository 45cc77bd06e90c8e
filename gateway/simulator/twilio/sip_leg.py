"""SIP leg of the carrier to the model's SIP connector: an INVITE, sound both ways, and signals.

A POST and a private WebSocket stand for SIP and RTP: the same 20 ms of mu-law in real time, and the
same points at which either side may end the call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncGenerator
from typing import Any, Final

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from gateway.simulator.audio.analysis import samples, silence
from gateway.simulator.scenario.faults import Faults
from gateway.simulator.twilio.line import TelephoneLine

FRAME: Final = samples(20)
TIMESTAMP: Final = struct.Struct(">I")
LATE_MAX: Final = samples(1000)
ROUNDING: Final = 2
"""Tolerance in samples for times that were floats."""
JITTER_MS: Final = 40
"""Jitter buffer of a media gateway."""
UNREACHABLE: Final = 503
CANCELED: Final = 487
OPEN_TIMEOUT_S: Final = 5.0
CLOSE_TIMEOUT_S: Final = 2.0


class CarrierSipLeg:
    """One SIP leg: `ring` until it is answered, `talk` until it ends, `close` in any case."""

    def __init__(self, line: TelephoneLine, faults: Faults) -> None:
        self._line, self._faults = line, faults
        self._socket: ClientConnection | None = None
        self._signals: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._hearing: asyncio.Task[None] | None = None
        self._speaking: asyncio.Task[None] | None = None
        self._expected = 0
        self._referrals: asyncio.Queue[str] = asyncio.Queue()
        """Transfer targets that the far end asked for by REFER."""

    async def ring(
        self, client: httpx2.AsyncClient, url: str, invite: dict[str, Any], timeout_s: float
    ) -> int:
        """Return the final SIP status: 200 on answer, 487 on timeout."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ring(client, url.rstrip("/").removesuffix("/v1"), invite)
        except TimeoutError:
            return CANCELED
        except (OSError, httpx2.HTTPError, WebSocketException):
            return UNREACHABLE

    async def _ring(self, client: httpx2.AsyncClient, url: str, invite: dict[str, Any]) -> int:
        answer = await client.post(url + "/simulator/invite", json=invite)
        if not answer.is_success:
            return UNREACHABLE
        progress = answer.json()
        if progress["status"] != 100:
            return int(progress["status"])
        self._socket = await connect(
            url.replace("http", "ws", 1) + progress["media"],
            compression=None,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=None,
            proxy=None,
        )
        self._hearing = asyncio.create_task(self._hear(self._socket))
        while True:
            signal = await self._signals.get()
            if signal.get("sip") == 200:
                return 200
            if "bye" in signal:
                return int(signal["bye"])

    async def talk(self) -> AsyncGenerator[str, None]:
        """Carry the sound until the far end hangs up; yield each address that it refers us to."""
        talking = asyncio.create_task(self._talk())
        try:
            while True:
                referral = asyncio.ensure_future(self._referrals.get())
                await asyncio.wait({talking, referral}, return_when=asyncio.FIRST_COMPLETED)
                if not referral.done():
                    referral.cancel()
                    return
                yield referral.result()
        finally:
            talking.cancel()
            await asyncio.wait({talking})

    async def _talk(self) -> None:
        """Send the caller's sound until the far end hangs up."""
        self._speaking = asyncio.create_task(self._speak())
        while True:
            signal = await self._signals.get()
            if "refer" in signal:
                self._referrals.put_nowait(signal["refer"])
            elif "bye" in signal:
                await self._play_out(float(signal.get("unplayed_ms", 0)))
                return

    async def _play_out(self, unplayed_ms: float) -> None:
        """Play what has arrived; what the far end had not sent yet is never heard."""
        line = self._line
        await asyncio.sleep(line.playback.buffered(line.now) / samples(1000))
        line.stop_playback()
        line.unheard_ms = unplayed_ms

    async def press(self, digit: str) -> None:
        """Send a key out of band."""
        if self._socket is not None:
            with contextlib.suppress(ConnectionClosed):
                await self._socket.send(json.dumps({"dtmf": digit}))

    async def close(self) -> None:
        """Send BYE, or CANCEL while the leg rings."""
        for task in (self._speaking, self._hearing):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
        if self._line.playback.buffered(self._line.now):
            self._line.stop_playback()
        if self._socket is not None:
            await self._socket.close()

    async def _hear(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in socket:
                if isinstance(message, str):
                    self._signals.put_nowait(json.loads(message))
                    continue
                self._play(message[TIMESTAMP.size :], *TIMESTAMP.unpack_from(message))
        self._signals.put_nowait({"bye": UNREACHABLE})

    def _play(self, frame: bytes, timestamp: int) -> None:
        """Play a frame right after its predecessor, in the past if necessary.

        This sound does not pass through the gateway: a busy machine is not the gateway's fault,
        and RTP between two carriers would not show it.
        """
        playback, now = self._line.playback, self._line.now
        late = now - playback.track.end
        follows = (timestamp - self._expected + ROUNDING) % (1 << 32) <= 2 * ROUNDING
        if follows and late < LATE_MAX:
            playback.media(frame, min(now, playback.track.end))
        else:
            dry = late >= 0
            playback.media((silence(JITTER_MS) if dry else b"") + frame, now)
        self._expected = timestamp + len(frame)

    async def _speak(self) -> None:
        line, begin = self._line, self._line.now
        with contextlib.suppress(ConnectionClosed):
            while True:
                due = begin + FRAME + samples(self._faults.delay_ms(line.now_ms))
                if (delay_s := line.at_s(due) - line.clock()) > 0:
                    await asyncio.sleep(delay_s)
                if self._socket is not None:
                    await self._socket.send(line.spoken.between(begin, begin + FRAME))
                begin += FRAME
