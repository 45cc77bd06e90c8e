"""Both far ends of every call in one event loop, for a number of calls that grows."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from bench.caller_end import CallerEnd, FrameTimer, start_call
from bench.gateways import NUMBERS
from bench.model_end import ModelEnd
from bench.model_port import ModelPort
from bench.sound import Sound
from gateway.audio.g711 import FRAME_MS
from gateway.errors import ServiceUnreachable
from gateway.simulator.twilio.webhooks import Webhooks

_READY_MAX_S: Final = 30.0
"""Under valgrind the first call takes its time."""
_GOLDEN: Final = 0.6180339887
"""The fractional parts of its multiples lie evenly, however many there are."""


@dataclass(slots=True)
class Heard:
    """What the far ends have measured since they were last asked."""

    up_ms: list[float] = field(default_factory=list)
    down_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    gaps: int = 0


class LoadGenerator:
    """Places calls, speaks on both ends of each, and collects what was measured."""

    def __init__(self, sound: Sound, webhooks: Webhooks) -> None:
        self._sound, self._webhooks = sound, webhooks
        self._callers: list[CallerEnd] = []
        self._models: list[ModelEnd] = []
        self._sessions: asyncio.Queue[ModelEnd] = asyncio.Queue()
        self._frame_timer = FrameTimer()
        self._chance = _chance()
        self._tasks: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None
        self.decided: Counter[tuple[str, str]] = Counter()
        """What was decided of which SIP call, and how often."""

    async def listen(self) -> str:
        """Open the model's port; return the base of its URLs."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def _accept(self) -> asyncio.Protocol:
        return ModelPort(self._sound, self._opened, self.decided)

    def _opened(self, session: ModelEnd) -> None:
        if not session.sideband:
            return self._sessions.put_nowait(session)
        session.greet()
        turn = len(self._tasks) * _GOLDEN % 1
        cycle_s = self._sound.pattern.cycle_s
        return self._tasks.append(asyncio.create_task(session.converse(turn * cycle_s)))

    async def grow(self, calls: int) -> None:
        """Place calls up to that many, and have both ends of each speak.

        Raises ServiceUnreachable where the gateway does not follow.
        """
        while len(self._callers) < calls:
            # Turns lie evenly, so that each window sees as many; frames fall as they fall.
            turn = len(self._callers) * _GOLDEN % 1
            caller, model = await self.connect()
            self.send_frames(caller)
            self.converse(model, turn * self._sound.pattern.cycle_s)

    async def connect(self) -> tuple[CallerEnd, ModelEnd]:
        """Open one call, both of whose ends are silent. Raises ServiceUnreachable."""
        try:
            async with asyncio.timeout(_READY_MAX_S):
                return await self._connect()
        except TimeoutError as error:
            raise ServiceUnreachable("A call got no model: see the gateway's log.") from error

    async def _connect(self) -> tuple[CallerEnd, ModelEnd]:
        """One after the other, so that both ends of each call are known."""
        account = self._webhooks.account
        caller = CallerEnd(self._sound)
        entry = await start_call(self._webhooks, NUMBERS[self._sound.audio])
        await caller.connect(entry, account.sid, account.token)
        model = await self._sessions.get()
        await model.begin()
        model.on_sound, model.on_answer = caller.passed, caller.expect_answer
        self._callers.append(caller)
        self._models.append(model)
        return caller, model

    def send_frames(self, caller: CallerEnd, every_ms: float = FRAME_MS) -> None:
        """Have a caller send frames from now on, each of 20 ms."""
        self._frame_timer.add(caller, self._chance.random(), every_ms)

    def converse(self, model: ModelEnd, first_after_s: float) -> None:
        """Have a model answer once a cycle from now on."""
        self._tasks.append(asyncio.create_task(model.converse(first_after_s)))

    @property
    def lost(self) -> int:
        """Number of calls whose stream has ended."""
        return sum(caller.lost for caller in self._callers)

    @property
    def frames_sent(self) -> int:
        """Number of frames that all callers have sent."""
        return sum(caller.frames_sent for caller in self._callers)

    @property
    def answered_ms(self) -> float:
        """Milliseconds of speech that the models of all calls have sent."""
        return sum(model.answered_ms for model in self._models)

    def take(self) -> Heard:
        """Return what was measured since the last time."""
        heard = Heard(
            [1000 * s for s in chain.from_iterable(c.up_s for c in self._callers)],
            [1000 * s for s in chain.from_iterable(c.down_s for c in self._callers)],
            [1000 * s for s in self._frame_timer.late_s],
            sum(caller.playback.gaps for caller in self._callers),
        )
        self._frame_timer.late_s = []
        for caller in self._callers:
            caller.up_s, caller.down_s, caller.playback.gaps = [], [], 0
        return heard

    async def hang_up(self) -> None:
        """End all calls; the model's port stays open."""
        self._frame_timer.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for caller in self._callers:
            caller.hang_up()
        self._callers, self._models, self._tasks = [], [], []
        self._frame_timer, self._chance = FrameTimer(), _chance()

    def speak_as(self, sound: Sound) -> None:
        """Place the next calls in another format."""
        self._sound = sound

    async def close(self) -> None:
        """End all calls and close the model's port."""
        await self.hang_up()
        if self._server is not None:
            self._server.close()


def _chance() -> random.Random:
    """Return the same sequence each time: runs are compared with each other."""
    return random.Random(1)
