"""What is counted, against the library's own histogram and the vendor's own arithmetic."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.realtime import RealtimeResponseUsage
from prometheus_client import CollectorRegistry, Histogram

from gateway.ops.telemetry.fast_histogram import ADDED_BUCKETS_S, FastHistogram
from gateway.ops.telemetry.loop_lag import watch_loop
from gateway.ops.telemetry.metrics import token_counts
from gateway.protocols.realtime_server import CachedDetails, InputDetails, OutputDetails, Usage

TOKENS = st.integers(0, 10_000)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 2) | st.sampled_from(ADDED_BUCKETS_S)))
def test_the_cheap_histogram_counts_as_the_dear_one(seconds: list[float]) -> None:
    ours = FastHistogram()
    registry = CollectorRegistry()
    theirs = Histogram("theirs", "", buckets=ADDED_BUCKETS_S, registry=registry)
    for one in seconds:
        ours.observe(one)
        theirs.observe(one)
    (family,) = registry.collect()
    buckets = [(s.labels["le"], s.value) for s in family.samples if s.name.endswith("_bucket")]
    assert ours.cumulative() == buckets
    assert ours.sum_s == pytest.approx(sum(seconds))


@settings(max_examples=40, deadline=None)
@given(
    text=st.tuples(TOKENS, TOKENS), audio=st.tuples(TOKENS, TOKENS), image=st.tuples(TOKENS, TOKENS)
)
def test_no_token_is_counted_twice(
    text: tuple[int, int], audio: tuple[int, int], image: tuple[int, int]
) -> None:
    """ "cached is a subset of input": each kind is (not cached, cached) here."""
    kinds = {"text": text, "audio": audio, "image": image}
    cached = {kind: pair[1] for kind, pair in kinds.items()}
    whole = {kind: sum(pair) for kind, pair in kinds.items()}
    usage = Usage(
        total_tokens=sum(whole.values()) + 30,
        input_tokens=sum(whole.values()),
        output_tokens=30,
        input_token_details=InputDetails(
            **{f"{kind}_tokens": n for kind, n in whole.items()},
            cached_tokens=sum(cached.values()),
            cached_tokens_details=CachedDetails(
                **{f"{kind}_tokens": n for kind, n in cached.items()}
            ),
        ),
        output_token_details=OutputDetails(text_tokens=10, audio_tokens=20),
    )
    counted = {labels: n for *labels_, n in token_counts(usage) for labels in [tuple(labels_)]}
    assert sum(counted.values()) == usage.total_tokens
    for kind, pair in kinds.items():
        assert (counted["in", kind, "no"], counted["in", kind, "yes"]) == pair


def test_what_the_vendor_leaves_out_is_nought() -> None:
    """Every part of usage is optional in the vendor's own type."""
    fields = RealtimeResponseUsage.model_fields
    assert all(not field.is_required() for field in fields.values())
    assert list(token_counts(Usage())) == []
    some = Usage(input_token_details=InputDetails(text_tokens=5, cached_tokens=3))
    assert sum(n for *_, n in token_counts(some)) == 5


async def test_a_loop_that_is_blocked_is_seen() -> None:
    seen: asyncio.Queue[float] = asyncio.Queue()
    watching = asyncio.create_task(watch_loop(seen.put_nowait))
    await seen.get()
    time.sleep(0.3)  # noqa: ASYNC251 - what nobody should do
    while await seen.get() < 0.15:  # what the machine's own pauses came to
        pass
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
