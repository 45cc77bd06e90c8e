"""How often a request is sent, and which failure comes out."""

from __future__ import annotations

import asyncio
from itertools import islice

import pytest

from gateway.errors import LinkError
from gateway.transports.retry import doubling, retried


class Attempts:
    def __init__(self, *outcomes: str | LinkError) -> None:
        self._outcomes, self.made = list(outcomes), 0

    async def __call__(self) -> str:
        self.made += 1
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, LinkError):
            raise outcome
        return outcome


AGAIN = LinkError("http_503", retryable=True)


async def test_the_first_result_ends_it() -> None:
    attempts = Attempts(AGAIN, AGAIN, "well", "too late")
    assert await retried(attempts, 5, 0.0) == "well"
    assert attempts.made == 3


async def test_the_last_failure_comes_out() -> None:
    last = LinkError("http_429", retryable=True)
    attempts = Attempts(AGAIN, last, "too late")
    with pytest.raises(LinkError, match="http_429"):
        await retried(attempts, 2, 0.0)
    assert attempts.made == 2


async def test_what_cannot_get_better_is_not_repeated() -> None:
    attempts = Attempts(LinkError("http_404", retryable=False), "too late")
    with pytest.raises(LinkError, match="http_404"):
        await retried(attempts, 3, 0.0)
    assert attempts.made == 1


async def test_one_try_is_one_try() -> None:
    attempts = Attempts(AGAIN, "too late")
    with pytest.raises(LinkError):
        await retried(attempts, 1, 0.0)
    assert attempts.made == 1


def test_pauses_double_up_to_the_longest() -> None:
    assert list(islice(doubling(0.5), 4)) == [0.5, 1.0, 2.0, 4.0]
    assert list(islice(doubling(0.5, 3.0), 5)) == [0.5, 1.0, 2.0, 3.0, 3.0]


async def test_nothing_is_asked_during_a_pause() -> None:
    attempts = Attempts(AGAIN, "well")
    trying = asyncio.create_task(retried(attempts, 2, 3600.0))
    for _ in range(5):
        await asyncio.sleep(0)
    assert attempts.made == 1
    trying.cancel()
