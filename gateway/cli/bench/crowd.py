"""Both far ends of every call, in one event loop: a crowd that grows."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from gateway.cli.bench.caller_end import CallerEnd, Metronome, announce
from gateway.cli.bench.door import Door
from gateway.cli.bench.model_end import CYCLE_S, ModelEnd
from gateway.cli.bench.sound import Sound
from gateway.errors import ServiceUnreachable
from gateway.simulator.twilio.webhooks import Webhooks

_READY_MAX_S: Final = 10.0
_GOLDEN: Final = 0.6180339887
"""Its multiples, without their whole part, lie evenly, however many there are."""


@dataclass(slots=True)
class Heard:
    """What the far ends have seen since they were last asked."""

    up_ms: list[float] = field(default_factory=list)
    down_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    gaps: int = 0


class Crowd:
    def __init__(self, sound: Sound, webhooks: Webhooks) -> None:
        self._sound, self._webhooks = sound, webhooks
        self._callers: list[CallerEnd] = []
        self._sessions: asyncio.Queue[ModelEnd] = asyncio.Queue()
        self._metronome = Metronome()
        self._chance = random.Random(1)  # noqa: S311 - the same one each time
        self._tasks: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None
        self.decided: Counter[tuple[str, str]] = Counter()
        """What was decided of which SIP call, and how often."""

    async def listen(self) -> str:
        """Opens the model's port; answers the base of its URLs."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def _accept(self) -> asyncio.Protocol:
        return Door(self._sound, self._opened, self.decided)

    def _opened(self, session: ModelEnd) -> None:
        if not session.sideband:
            return self._sessions.put_nowait(session)
        session.greet()
        turn = len(self._tasks) * _GOLDEN % 1
        return self._tasks.append(asyncio.create_task(session.converse(turn * CYCLE_S)))

    async def grow(self, calls: int) -> None:
        """Up to that many. Raises ServiceUnreachable where the gateway does not follow."""
        while len(self._callers) < calls:
            try:
                async with asyncio.timeout(_READY_MAX_S):
                    await self._add()
            except TimeoutError as error:
                raise ServiceUnreachable("A call got no model: see the gateway's log.") from error

    async def _add(self) -> None:
        """One after the other, so that both ends of each call are known."""
        account = self._webhooks.account
        caller = CallerEnd(self._sound)
        await caller.connect(await announce(self._webhooks), account.sid, account.token)
        model = await self._sessions.get()
        await model.begin()
        model.on_sound, model.on_answer = caller.passed, caller.expect_answer
        # Turns lie evenly, so that each window sees as many; frames fall as they fall.
        turn = len(self._callers) * _GOLDEN % 1
        self._metronome.add(caller, self._chance.random())
        self._callers.append(caller)
        self._tasks.append(asyncio.create_task(model.converse(turn * CYCLE_S)))

    @property
    def lost(self) -> int:
        """Calls whose stream has ended."""
        return sum(caller.lost for caller in self._callers)

    def take(self) -> Heard:
        heard = Heard(
            [1000 * s for s in chain.from_iterable(c.up_s for c in self._callers)],
            [1000 * s for s in chain.from_iterable(c.down_s for c in self._callers)],
            [1000 * s for s in self._metronome.late_s],
            sum(caller.ear.gaps for caller in self._callers),
        )
        self._metronome.late_s = []
        for caller in self._callers:
            caller.up_s, caller.down_s, caller.ear.gaps = [], [], 0
        return heard

    async def leave(self) -> None:
        """All hang up; the port is closed."""
        self._metronome.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for caller in self._callers:
            caller.hang_up()
        if self._server is not None:
            self._server.close()
