"""Instructions per call-second of both gateways, for each format and direction."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from bench import callgrind, gateways
from bench.callgrind import InstructionCounter
from bench.gateways import Kind
from bench.load import GATEWAY_CORE, GENERATOR_CORE
from bench.load_generator import LoadGenerator
from bench.process import Usage, process_on_core, running
from bench.sound import COUNTED, Sound
from gateway.audio.g711 import FRAME_MS
from gateway.audio.transcode import AudioFormat
from gateway.errors import ServiceUnreachable
from gateway.settings import SIMULATED_ACCOUNT_SID, SIMULATED_AUTH_TOKEN
from gateway.simulator.caller.gateway_process import free_port
from gateway.simulator.twilio.webhooks import Account, GatewayAddress, Webhooks, client

CALLS: Final = 2
Direction = Literal["both", "up", "down", "rest", "open"]
"""What carries sound: `up` from the caller to the model, `down` from the model to the caller.

At `rest` there is no call, and a second of the process counts as a call-second. Calls that are
only `open` carry a frame a second and no answer: hundreds of them can be counted in real time, to
see whether a call costs more where there are many.
"""

_APART_S: Final = 0.3
"""Between the turns of the two calls."""
_WARM_UP_CYCLES: Final = 1
_KEPT_ALIVE_MS: Final = 1_000
"""Period of a silent caller's frames: the gateway ends a stream that carries nothing for 2 s."""
_QUIET_S: Final = 0.9
"""Into a cycle: no answer is sent or played then, and no event of either call is due."""
_LATE_MAX_MS: Final = 15.0
"""Median of a frame's way up, above which frames were read several at a time."""
_TRIES: Final = 3
_REST_WITHIN_S: Final = 60
_REST_SHARE: Final = 0.3
"""Of a processor; a process at rest under valgrind takes a twentieth."""
_QUIET_SECONDS: Final = 3


@dataclass(frozen=True, slots=True)
class Case:
    """One measurement."""

    kind: Kind
    audio: AudioFormat
    direction: Direction
    calls: int = CALLS

    def __str__(self) -> str:
        return f"{self.kind} {self.audio} {self.direction}, {self.calls} calls"


@dataclass(frozen=True, slots=True)
class Count:
    """What one case costs, and what must be known to trust it."""

    case: Case
    instructions: int
    call_seconds: float
    up_ms_p50: float
    """Of a frame's way to the model; NaN at rest."""
    profile: Path

    @property
    def per_call_second(self) -> float:
        return self.instructions / self.call_seconds


@dataclass(frozen=True, slots=True)
class Plan:
    """What is counted: all cases of a gateway follow each other in one process."""

    sounds: Sequence[Sound]
    cases: Sequence[Case]
    cycles: int
    """Turns of the conversation, of six seconds each, that are counted in each case."""
    folder: Path


async def count(plan: Plan, tell: Callable[[str], None]) -> list[Count]:
    """Count every case. Raises ServiceUnreachable where a gateway does not take part."""
    callgrind.require()
    kinds = [kind for kind in get_args(Kind) if any(case.kind == kind for case in plan.cases)]
    async with contextlib.AsyncExitStack() as stack:
        tell("both gateways start under valgrind")
        # Each takes a core for most of its start: together they take half the time.
        try:
            async with asyncio.TaskGroup() as group:
                starts = [group.create_task(_started(plan, kind, stack)) for kind in kinds]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        counts = []
        for one in [start.result() for start in starts]:
            for case in plan.cases:
                if case.kind == one.kind:
                    tell(str(case))
                    counts.append(await one.count(case))
        return counts


async def _started(plan: Plan, kind: Kind, stack: contextlib.AsyncExitStack) -> _Counted:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    account = Account(SIMULATED_ACCOUNT_SID, SIMULATED_AUTH_TOKEN)
    http = await stack.enter_async_context(client())
    load = LoadGenerator(plan.sounds[0], Webhooks(account, GatewayAddress(url, url), http))
    model_url = await load.listen()
    stack.push_async_callback(load.close)
    folder = plan.folder / kind
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("callgrind.*"):
        old.unlink()
    if kind == "gateway":
        calls = max(case.calls for case in plan.cases)
        command = gateways.gateway(account, port, model_url, calls, folder)
    else:
        command = gateways.naive(port, model_url, folder)
    out = folder.absolute() / "callgrind.out"
    usage = await stack.enter_async_context(
        running(callgrind.counted(command, out, platform.machine()))
    )
    await _at_rest(usage)
    return _Counted(kind, plan, load, InstructionCounter(usage.pid, out))


@dataclass(frozen=True, slots=True)
class _Counted:
    """A gateway that runs under valgrind, and its far ends."""

    kind: Kind
    plan: Plan
    load: LoadGenerator
    counter: InstructionCounter

    async def count(self, case: Case) -> Count:
        """Count one case, once more where the machine was too busy to carry it in real time."""
        late = []
        for _ in range(_TRIES):
            result = await self._count(case)
            if not result.up_ms_p50 > _LATE_MAX_MS:  # NaN at rest
                return result
            late.append(f"{result.up_ms_p50:.0f}")
        raise ServiceUnreachable(
            f"{case}: frames took {', '.join(late)} ms to the model (at most {_LATE_MAX_MS:g} "
            "allowed): the machine is too busy to count in real time. Try again later."
        )

    async def _count(self, case: Case) -> Count:
        sound = next(one for one in self.plan.sounds if one.audio == case.audio)
        self.load.speak_as(sound)
        with (
            process_on_core(self.counter.pid, GATEWAY_CORE),
            process_on_core(os.getpid(), GENERATOR_CORE),
        ):
            try:
                began_s = await self._converse(case)
                return await self._window(case, began_s)
            finally:
                await self.load.hang_up()

    async def _converse(self, case: Case) -> float:
        """Open the calls; return when their first cycle begins."""
        calls = 0 if case.direction == "rest" else case.calls
        ends = []
        for _ in range(calls):
            ends.append(await self.load.connect())
            if case.direction == "open":  # the first of hundreds cannot wait for the last
                self.load.send_frames(ends[-1][0], _KEPT_ALIVE_MS)
        await self.counter.on()
        if case.direction == "open":
            return time.monotonic() + _WARM_UP_CYCLES * COUNTED.cycle_s
        for caller, _ in ends:
            self.load.send_frames(caller, _KEPT_ALIVE_MS if case.direction == "down" else FRAME_MS)
        began_s = time.monotonic()
        if case.direction in ("both", "down"):
            for number, (_, model) in enumerate(ends):
                self.load.converse(model, number * _APART_S)
        return began_s + _WARM_UP_CYCLES * COUNTED.cycle_s

    async def _window(self, case: Case, began_s: float) -> Count:
        """Count whole cycles, from quiet to quiet: it matters little if the ends are inexact."""
        begin_s = began_s + _QUIET_S
        end_s = begin_s + self.plan.cycles * COUNTED.cycle_s
        await _until(begin_s)
        await self.counter.zero()
        frames, answered_ms = self.load.frames_sent, self.load.answered_ms
        self.load.take()
        await _until(end_s)
        profile = await self.counter.dump()
        frames, answered_ms = self.load.frames_sent - frames, self.load.answered_ms - answered_ms
        up_ms = self.load.take().up_ms
        await self.counter.off()
        turns = self.plan.cycles * (1 if case.direction == "rest" else case.calls)
        call_seconds = turns * COUNTED.cycle_s
        if case.direction in ("both", "up"):
            call_seconds = frames * FRAME_MS / 1000
        if self.load.lost:
            raise ServiceUnreachable(f"{case}: a call was lost, see the log in {profile.parent}.")
        answers = turns if case.direction in ("both", "down") else 0
        expected_ms = answers * COUNTED.answer_ms
        if round(answered_ms) != expected_ms:
            raise ServiceUnreachable(f"{case}: the model sent {answered_ms:.0f} ms of speech.")
        name = f"callgrind.{case.audio}.{case.direction}"
        profile = profile.replace(profile.with_name(name))
        return Count(
            case,
            callgrind.total(profile.read_text("utf-8", "replace")),
            call_seconds,
            statistics.median(up_ms) if up_ms else float("nan"),
            profile,
        )


async def _at_rest(usage: Usage) -> None:
    """Wait until the process has loaded what it loads after its start, such as the database."""
    quiet_s = 0
    for _ in range(_REST_WITHIN_S):
        before_s = usage.cpu_s()
        await asyncio.sleep(1)
        quiet_s = quiet_s + 1 if usage.cpu_s() - before_s < _REST_SHARE else 0
        if quiet_s == _QUIET_SECONDS:
            return
    raise ServiceUnreachable("A gateway did not come to rest after its start: see its log.")


async def _until(at_s: float) -> None:
    await asyncio.sleep(at_s - time.monotonic())
