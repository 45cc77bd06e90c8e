"""Calls in real time against a gateway on a core of its own: ever more, measured in windows."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from bench import gateways
from bench.gateways import Kind
from bench.load_generator import Heard, LoadGenerator
from bench.measures import Spread, bucket_percentile, spread
from bench.process import Command, Usage, core_time, running
from bench.sip_burst import RUNNING_CALLS, SipBurst, sip_burst
from bench.sound import TIMED, Sound
from gateway.audio.transcode import AudioFormat
from gateway.settings import SIMULATED_ACCOUNT_SID, SIMULATED_AUTH_TOKEN
from gateway.simulator.caller.gateway_process import free_port
from gateway.simulator.rehearsal import metrics
from gateway.simulator.twilio.webhooks import Account, GatewayAddress, Webhooks, client

CORES: Final = 2
GATEWAY_CORE: Final = 0
GENERATOR_CORE: Final = 1
_WINDOW_S: Final = 2.0
_ENDED_WITHIN_S: Final = 0.3
_SCRAPED_WITHIN_S: Final = 0.2
"""Writing out its metrics holds a gateway up for some milliseconds."""
_LAG: Final = 'gateway_event_loop_lag_seconds_bucket{le="'
_UNDER_RUNS: Final = "gateway_playback_underruns_total{"


@dataclass(frozen=True, slots=True)
class Level:
    """So many calls at once. Medians over windows; times as seen from outside."""

    calls: int
    cpu_percent: float
    """Of one core, for each call."""
    cpu_percent_windows: list[float]
    system_share: float
    up_ms: Spread
    """A caller's frame: from its write here to the read here of its append."""
    down_ms: Spread
    """An answer's first sound, likewise."""
    lag_p50_ms: float
    lag_p99_ms: float
    """Of the gateway's event loop, by its own metric; NaN of one that has none."""
    under_runs_heard: int
    under_runs_counted: int
    lost: int
    rss_mb: float
    generator_percent: float
    """Of the other core."""
    generator_late_ms: Spread
    """Its own delays: what it sends late, and in a burst, looks late here."""
    others_percent: float
    """Of the gateway's core, used by strangers and interrupts."""
    stolen_percent: float
    """Of both cores, given away by the hypervisor: nothing here can be on time then."""


@dataclass(frozen=True, slots=True)
class Run:
    """One gateway process under a growing load."""

    kind: Kind
    audio: AudioFormat
    levels: list[Level]
    rss_mb_idle: float

    @property
    def rss_mb_per_call(self) -> float:
        """From the smallest load to the largest: what all calls share is left out."""
        first, last = self.levels[0], self.levels[-1]
        if first.calls == last.calls:
            return (last.rss_mb - self.rss_mb_idle) / last.calls
        return (last.rss_mb - first.rss_mb) / (last.calls - first.calls)


@dataclass(frozen=True, slots=True)
class Plan:
    """`seconds` is the measured time of each level."""

    kind: Kind
    sound: Sound
    calls: Sequence[int]
    seconds: float
    folder: Path


async def run(plan: Plan, tell: Callable[[str], None]) -> Run:
    """One process through all levels. Raises ServiceUnreachable where it does not take part."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    account = Account(SIMULATED_ACCOUNT_SID, SIMULATED_AUTH_TOKEN)
    async with client() as http:
        generator = LoadGenerator(plan.sound, Webhooks(account, GatewayAddress(url, url), http))
        command = _command(plan, account, port, await generator.listen())
        async with running(command, GATEWAY_CORE) as usage:
            idle_mb, levels = usage.rss_mb(), []
            measurement = _Measurement(generator, usage, http, url)
            try:
                for calls in plan.calls:
                    tell(f"{plan.kind}, {plan.sound.audio}, {calls} calls")
                    levels.append(await measurement.level(calls, plan.seconds))
            finally:
                await generator.close()
                await asyncio.sleep(_ENDED_WITHIN_S)
    return Run(plan.kind, plan.sound.audio, levels, idle_mb)


async def run_sip_burst(sound: Sound, folder: Path) -> SipBurst:
    """A gateway of its own, some calls on media streams, and then all the webhooks."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    account = Account(SIMULATED_ACCOUNT_SID, SIMULATED_AUTH_TOKEN)
    async with client() as http:
        generator = LoadGenerator(sound, Webhooks(account, GatewayAddress(url, url), http))
        model_url = await generator.listen()
        command = gateways.gateway(account, port, model_url, RUNNING_CALLS, folder / "sip_burst")
        async with running(command, GATEWAY_CORE) as usage:
            try:
                return await sip_burst(generator, url, gateways.WEBHOOK_SECRET, usage)
            finally:
                await generator.close()


def _command(plan: Plan, account: Account, port: int, model_url: str) -> Command:
    folder = plan.folder / plan.sound.audio
    if plan.kind == "naive":
        return gateways.naive(port, model_url, folder)
    return gateways.gateway(account, port, model_url, max(plan.calls), folder)


class _Clocks:
    """What is read before and after: the wall's, both processes', both cores'."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage
        self._wall_s, self._own_s = time.monotonic(), time.process_time()
        self._system_s = usage.system_s()
        self._cores = [core_time(core) for core in (GATEWAY_CORE, GENERATOR_CORE)]

    def shares(self, cpu: float) -> dict[str, Any]:
        """Fields of a Level; `cpu` is the gateway's mean share of its core."""
        now = _Clocks(self._usage)
        wall_s = now._wall_s - self._wall_s
        busy_s = now._cores[0].busy_s - self._cores[0].busy_s
        stolen_s = sum(core.stolen_s for core in now._cores)
        stolen_s -= sum(core.stolen_s for core in self._cores)
        return {
            "system_share": (now._system_s - self._system_s) / wall_s / cpu,
            "generator_percent": 100 * (now._own_s - self._own_s) / wall_s,
            "others_percent": max(0.0, 100 * (busy_s / wall_s - cpu)),
            "stolen_percent": 100 * stolen_s / wall_s / len(self._cores),
        }


class _Measurement:
    """Measures the levels, one after the other."""

    def __init__(
        self, generator: LoadGenerator, usage: Usage, http: httpx2.AsyncClient, url: str
    ) -> None:
        self._generator, self._usage = generator, usage
        self._http, self._url = http, url

    async def level(self, calls: int, seconds: float) -> Level:
        await self._generator.grow(calls)
        await asyncio.sleep(TIMED.cycle_s / 2)
        before = await metrics.read(self._http, self._url)
        await asyncio.sleep(_SCRAPED_WITHIN_S)
        clocks = _Clocks(self._usage)
        windows, cpu = await self._windows(seconds)
        shares = clocks.shares(statistics.mean(cpu))
        after = await metrics.read(self._http, self._url)
        return Level(
            calls=calls,
            cpu_percent=statistics.median(cpu) * 100 / calls,
            cpu_percent_windows=[share * 100 / calls for share in cpu],
            up_ms=spread([heard.up_ms for heard in windows]),
            down_ms=spread([heard.down_ms for heard in windows]),
            generator_late_ms=spread([heard.late_ms for heard in windows]),
            under_runs_heard=sum(heard.gaps for heard in windows),
            lost=self._generator.lost,
            rss_mb=self._usage.rss_mb(),
            **shares,
            **_from_metrics(before, after),
        )

    async def _windows(self, seconds: float) -> tuple[list[Heard], list[float]]:
        """What was heard in each window, and the share of the core that the gateway took."""
        heard, shares = [], []
        self._generator.take()
        for _ in range(max(1, round(seconds / _WINDOW_S))):
            cpu_s, began_s = self._usage.cpu_s(), time.monotonic()
            await asyncio.sleep(_WINDOW_S)
            shares.append((self._usage.cpu_s() - cpu_s) / (time.monotonic() - began_s))
            heard.append(self._generator.take())
        return heard, shares


def _from_metrics(before: dict[str, float], after: dict[str, float]) -> dict[str, Any]:
    """What the gateway's own metrics say of the time between: fields of a Level."""
    grown = {key: value - before.get(key, 0.0) for key, value in after.items()}
    lag = {float(k[len(_LAG) : -2]): v for k, v in grown.items() if k.startswith(_LAG)}
    return {
        "lag_p50_ms": 1000 * bucket_percentile(lag, 0.5),
        "lag_p99_ms": 1000 * bucket_percentile(lag, 0.99),
        "under_runs_counted": round(sum(v for k, v in grown.items() if k.startswith(_UNDER_RUNS))),
    }
