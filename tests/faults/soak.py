"""Soak test: calls come and go for a given time, and memory, descriptors and tasks stay flat."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "rigs"))

import matplotlib as mpl
import numpy as np
from cluster import Cluster, running_cluster
from test_faults import ASK, HEAR, STORY, TELL, script

mpl.use("Agg")
from matplotlib import pyplot as plt

EVERY_S: Final = 2.0
WARM_SHARE: Final = 0.25
KINDS: Final = ("rss_mb", "fds", "threads", "tasks")
SLACK: Final = {"rss_mb": 12.0, "fds": 8.0, "threads": 2.0, "tasks": 12.0}
"""Largest growth from the mean of the second quarter to that of the last."""
STEPS: Final = [HEAR, TELL, HEAR, STORY, HEAR, ASK, HEAR, "hang_up"]


def measured(pid: int) -> dict[str, float]:
    """Return the resources of a process, from /proc."""
    status = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return {
        "rss_mb": int(fields["VmRSS"].split()[0]) / 1024,
        "threads": float(fields["Threads"]),
        "fds": float(len(list(Path(f"/proc/{pid}/fd").iterdir()))),
    }


async def callers(cluster: Cluster, calls: int, until: float, done: list[bool]) -> None:
    async def one(seed: int) -> None:
        await asyncio.sleep(seed * 0.4)
        while monotonic() < until:
            record = await cluster.call(STEPS, seed)
            done.append(not record.failures)
            if record.failures:
                print("failed:", record.failures, flush=True)
            cluster.carrier.api.calls.pop(record.call_sid, None)

    await asyncio.gather(*(one(seed) for seed in range(calls)))


async def watch(cluster: Cluster, pid: int, until: float) -> list[dict[str, float]]:
    begun, found = monotonic(), []
    while monotonic() < until:
        sample = measured(pid) | {"at_s": monotonic() - begun}
        sample["tasks"] = await cluster.metric("tasks")
        sample["calls"] = await cluster.metric("calls_active")
        found.append(sample)
        await asyncio.sleep(EVERY_S)
    return found


def drift(samples: list[dict[str, float]]) -> dict[str, float]:
    """Return the growth from the second quarter to the last, after the warm-up."""
    n = len(samples)
    early, late = samples[n // 4 : n // 2], samples[3 * n // 4 :]
    return {
        kind: float(np.mean([s[kind] for s in late]) - np.mean([s[kind] for s in early]))
        for kind in KINDS
    }


def plot(samples: list[dict[str, float]], file: Path) -> None:
    figure, axes = plt.subplots(len(KINDS) + 1, 1, figsize=(9, 11), sharex=True)
    at = [s["at_s"] / 60 for s in samples]
    for axis, kind in zip(axes, (*KINDS, "calls"), strict=True):
        axis.plot(at, [s[kind] for s in samples], linewidth=1)
        axis.set_ylabel(kind)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("minutes")
    figure.tight_layout()
    figure.savefig(file, dpi=110)


async def soak(minutes: float, calls: int, out: Path) -> int:
    out.mkdir(parents=True, exist_ok=True)
    model: dict[str, Any] = script()
    with tempfile.TemporaryDirectory() as folder:
        async with running_cluster(Path(folder), script=model, redis=True) as cluster:
            pid = next(iter(cluster.gateways.values())).handle.pid
            until, done = monotonic() + minutes * 60, []
            found, _ = await asyncio.gather(
                watch(cluster, pid, until), callers(cluster, calls, until, done)
            )
    grown = drift(found)
    (out / "soak.json").write_text(json.dumps({"samples": found, "grown": grown}))
    plot(found, out / "soak.png")
    flat = all(grown[kind] <= SLACK[kind] for kind in KINDS)
    print(f"{len(done)} calls, {done.count(False)} failed; {minutes:g} minutes, {calls} at a time")
    for kind in KINDS:
        first, last = found[len(found) // 4][kind], found[-1][kind]
        print(f"{kind:<8} {first:8.1f} -> {last:8.1f}   grew {grown[kind]:+.1f}")
    print(f"{'flat' if flat else 'NOT FLAT'}; see {out / 'soak.png'}")
    return 0 if flat and all(done) else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--calls", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("out"))
    options = parser.parse_args()
    return asyncio.run(soak(options.minutes, options.calls, options.out))


if __name__ == "__main__":
    sys.exit(main())
