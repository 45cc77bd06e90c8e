"""The token that ties the answer of a call out to the agent that placed it."""

from __future__ import annotations

from time import monotonic

import pytest

from gateway import limits
from gateway.errors import SignatureRefused
from gateway.ops.limits.signed_tokens import OutboundTokens
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store

OURS, PERSON = "+14155550100", "+14155550123"


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def tokens(clock: Clock, *secrets: str) -> OutboundTokens:
    return OutboundTokens(secrets or ("one",), Store(MemoryStore(monotonic)), clock)


async def refused(out: OutboundTokens, token: str, ours: str = OURS, person: str = PERSON) -> str:
    with pytest.raises(SignatureRefused) as error:
        await out.redeem(token, ours, person)
    return error.value.reason


async def test_it_is_good_once() -> None:
    out = tokens(Clock())
    token = out.issue("reminders", OURS, PERSON)
    assert await out.redeem(token, OURS, PERSON) == "reminders"
    assert await refused(out, token) == "used_token"


async def test_it_is_good_for_these_two_numbers_and_names_neither() -> None:
    out = tokens(Clock())
    token = out.issue("reminders", OURS, PERSON)
    assert await refused(out, token, person="+14155550124") == "bad_token"
    assert await refused(out, token, ours="+14155550101") == "bad_token"
    assert await refused(out, token, ours=PERSON, person=OURS) == "bad_token"
    assert "4155550" not in token


async def test_it_ends() -> None:
    clock = Clock()
    out = tokens(clock)
    token = out.issue("reminders", OURS, PERSON)
    clock.now += limits.outbound.DIAL_TOKEN_S + 1
    assert await refused(out, token) == "expired_token"


@pytest.mark.parametrize("token", ["", ".", "x", "a.b.c", "x" * 500, "\u0661.\u0662"])
async def test_what_is_none(token: str) -> None:
    assert await refused(tokens(Clock()), token) == ("bad_token" if token else "no_token")


async def test_during_rotation_the_old_secret_still_holds_and_another_does_not() -> None:
    token = tokens(Clock(), "old").issue("reminders", OURS, PERSON)
    assert await tokens(Clock(), "new", "old").redeem(token, OURS, PERSON) == "reminders"
    assert await refused(tokens(Clock(), "new"), token) == "bad_token"
