"""Calls in real time against a gateway on a core of its own: ever more, measured in windows."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from gateway.audio.transcode import AudioFormat
from gateway.cli.bench import contestants
from gateway.cli.bench.contestants import Kind
from gateway.cli.bench.crowd import Crowd, Heard
from gateway.cli.bench.measures import Spread, bucket_percentile, spread
from gateway.cli.bench.model_end import CYCLE_S
from gateway.cli.bench.process import Command, Usage, busy_s, running
from gateway.cli.bench.sound import Sound
from gateway.settings import SIMULATED_ACCOUNT_SID, SIMULATED_AUTH_TOKEN
from gateway.simulator import gauges
from gateway.simulator.stack import free_port
from gateway.simulator.webhooks import Account, Reach, Webhooks, client

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
    """Of the gateway's core, used by neither: strangers, interrupts, the hypervisor."""


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
        crowd = Crowd(plan.sound, Webhooks(account, Reach(url, url), http))
        command = _command(plan, account, port, await crowd.listen())
        async with running(command, GATEWAY_CORE) as usage:
            idle_mb = usage.rss_mb()
            try:
                levels = [
                    await _level(plan, calls, crowd, usage, http, url, tell) for calls in plan.calls
                ]
            finally:
                await crowd.leave()
                await asyncio.sleep(_ENDED_WITHIN_S)
    return Run(plan.kind, plan.sound.audio, levels, idle_mb)


def _command(plan: Plan, account: Account, port: int, model_url: str) -> Command:
    audio = plan.sound.audio
    if plan.kind == "naive":
        return contestants.naive(audio, port, model_url, plan.folder)
    most = max(plan.calls)
    return contestants.gateway(audio, account, port, model_url, most, plan.folder)


async def _level(
    plan: Plan,
    calls: int,
    crowd: Crowd,
    usage: Usage,
    http: httpx2.AsyncClient,
    url: str,
    tell: Callable[[str], None],
) -> Level:
    tell(f"{plan.kind}, {plan.sound.audio}, {calls} calls")
    await crowd.grow(calls)
    await asyncio.sleep(CYCLE_S / 2)
    before = await gauges.read(http, url)
    await asyncio.sleep(_SCRAPED_WITHIN_S)
    own_s, began_s = time.process_time(), time.monotonic()
    system_s, busy = usage.system_s(), busy_s(GATEWAY_CORE)
    windows, cpu_s = await _windows(crowd, usage, plan.seconds)
    wall_s, own_s = time.monotonic() - began_s, time.process_time() - own_s
    system_s, busy = usage.system_s() - system_s, busy_s(GATEWAY_CORE) - busy
    grown = _grown(before, await gauges.read(http, url))
    lag = {float(k[len(_LAG) : -2]): v for k, v in grown.items() if k.startswith(_LAG)}
    percents = [100 * share / calls for share in cpu_s]
    return Level(
        calls=calls,
        cpu_percent=statistics.median(percents),
        cpu_percent_windows=percents,
        system_share=system_s / (statistics.mean(cpu_s) * wall_s),
        up_ms=spread([heard.up_ms for heard in windows]),
        down_ms=spread([heard.down_ms for heard in windows]),
        lag_p50_ms=1000 * bucket_percentile(lag, 0.5),
        lag_p99_ms=1000 * bucket_percentile(lag, 0.99),
        under_runs_heard=sum(heard.gaps for heard in windows),
        under_runs_counted=round(sum(v for k, v in grown.items() if k.startswith(_UNDER_RUNS))),
        lost=crowd.lost,
        rss_mb=usage.rss_mb(),
        generator_percent=100 * own_s / wall_s,
        generator_late_ms=spread([heard.late_ms for heard in windows]),
        others_percent=max(0.0, 100 * (busy / wall_s - statistics.mean(cpu_s))),
    )


async def _windows(crowd: Crowd, usage: Usage, seconds: float) -> tuple[list[Heard], list[float]]:
    """What was heard in each window, and the share of the core that the gateway took."""
    heard, shares = [], []
    crowd.take()
    for _ in range(max(1, round(seconds / _WINDOW_S))):
        cpu_s, began_s = usage.cpu_s(), time.monotonic()
        await asyncio.sleep(_WINDOW_S)
        shares.append((usage.cpu_s() - cpu_s) / (time.monotonic() - began_s))
        heard.append(crowd.take())
    return heard, shares


def _grown(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {key: value - before.get(key, 0.0) for key, value in after.items()}
