"""The tokens that open a stream, and those that tie an INVITE to the call it was dialled for."""

from __future__ import annotations

from collections.abc import Callable
from re import fullmatch
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import limits
from gateway.errors import SignatureRefused
from gateway.ops.limits.signed_tokens import (
    DialTokens,
    PhoneTokens,
    PhotoTokens,
    SignedTokens,
    StreamTokens,
    TokenClaims,
)
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store

CALL = "CA" + "a" * 32
OTHER = "CA" + "b" * 32
LONGEST = "n" * limits.agents.AGENT_NAME_MAX_CHARS


class Now:
    """Redeems at once: in memory there is nothing to wait for."""

    def __init__(self, tokens: StreamTokens | DialTokens) -> None:
        self._tokens, self.issue = tokens, tokens.issue

    def redeem(self, *what: str) -> Any:
        try:
            self._tokens.redeem(*what).send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError("it waited")


class Desk:
    """One process: a clock, a memory, and tokens made from these secrets."""

    def __init__(self, *secrets: str) -> None:
        self.now = 1_800_000_000.25
        store = Store(MemoryStore(lambda: self.now))
        self.stream = Now(StreamTokens(secrets or ("secret",), store, lambda: self.now))
        self.dial = Now(DialTokens(secrets or ("secret",), store, lambda: self.now))


def reason_of(redeem: Callable[[], object]) -> str:
    with pytest.raises(SignatureRefused) as caught:
        redeem()
    return caught.value.reason


@pytest.fixture
def desk() -> Desk:
    return Desk()


# --- Streams ---


def test_a_stream_s_token_tells_which_agent(desk: Desk) -> None:
    stream_pass = desk.stream.redeem(desk.stream.issue(CALL, "reception"), CALL)
    assert (stream_pass.call_sid, stream_pass.agent) == (CALL, "reception")


def test_it_is_good_once_and_for_one_call_and_for_a_minute(desk: Desk) -> None:
    token = desk.stream.issue(CALL, "reception")
    assert reason_of(lambda: desk.stream.redeem(token, OTHER)) == "bad_token"
    desk.now += limits.web.STREAM_TOKEN_S
    desk.stream.redeem(token, CALL)
    assert reason_of(lambda: desk.stream.redeem(token, CALL)) == "used_token"
    desk.now += 1
    assert reason_of(lambda: desk.stream.redeem(token, CALL)) == "expired_token"


def test_no_moment_is_left_in_which_it_is_good_again(desk: Desk) -> None:
    """What is remembered of its use outlives it, whenever it was used."""
    for used_after_s in (0.0, 1.0, limits.web.STREAM_TOKEN_S / 2, limits.web.STREAM_TOKEN_S):
        issued_at = desk.now
        token = desk.stream.issue(CALL, "reception")
        desk.now = issued_at + used_after_s
        desk.stream.redeem(token, CALL)
        for later_s in range(int(2 * limits.web.STREAM_TOKEN_S)):
            desk.now = issued_at + used_after_s + later_s
            assert reason_of(lambda token=token: desk.stream.redeem(token, CALL))


def test_any_of_several_secrets_verifies_and_the_first_one_signs() -> None:
    old, new = Desk("old"), Desk("new", "old")
    new.stream.redeem(old.stream.issue(CALL, "a"), CALL)
    assert reason_of(lambda: old.stream.redeem(new.stream.issue(CALL, "a"), CALL)) == "bad_token"
    Desk("newer", "new").stream.redeem(new.stream.issue(CALL, "a"), CALL)


def test_it_fits_into_twilios_parameter(desk: Desk) -> None:
    """ "name+value together < 500 characters"; and into what we would take back."""
    token = desk.stream.issue(CALL, LONGEST)
    assert len("token") + len(token) < 500
    desk.stream.redeem(token, CALL)


@settings(max_examples=40, deadline=None)
@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
def test_any_other_text_is_no_token(text: str) -> None:
    desk = Desk()
    assert reason_of(lambda: desk.stream.redeem(text, CALL)) in ("bad_token", "no_token")
    assert reason_of(lambda: desk.dial.redeem(text, CALL, "reception")) == "bad_token"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.characters())
def test_no_character_of_it_can_be_changed(place: int, character: str) -> None:
    desk = Desk()
    for token, redeem in (
        (desk.stream.issue(CALL, "a"), lambda t: desk.stream.redeem(t, CALL)),
        (desk.dial.issue(CALL, "a"), lambda t: desk.dial.redeem(t, CALL, "a")),
    ):
        at = place % len(token)
        other = character if character != token[at] else chr(ord(character) + 1)
        forged = token[:at] + other + token[at + 1 :]
        assert reason_of(lambda redeem=redeem, forged=forged: redeem(forged)) == "bad_token"


# --- SIP legs ---


def test_a_dial_token_is_for_that_call_and_agent_and_once(desk: Desk) -> None:
    token = desk.dial.issue(CALL, "reception")
    assert reason_of(lambda: desk.dial.redeem(token, OTHER, "reception")) == "bad_token"
    assert reason_of(lambda: desk.dial.redeem(token, CALL, "other")) == "bad_token"
    desk.dial.redeem(token, CALL, "reception")
    assert reason_of(lambda: desk.dial.redeem(token, CALL, "reception")) == "used_token"
    later = desk.dial.issue(CALL, "reception")
    desk.now += limits.sip.TOKEN_S + 1
    assert reason_of(lambda: desk.dial.redeem(later, CALL, "reception")) == "expired_token"


def test_one_kind_does_not_pass_for_the_other(desk: Desk) -> None:
    stream, dial = desk.stream.issue(CALL, "a"), desk.dial.issue(CALL, "a")
    assert reason_of(lambda: desk.stream.redeem(dial, CALL)) == "bad_token"
    assert reason_of(lambda: desk.dial.redeem(stream, CALL, "a")) == "bad_token"


# --- Browser telephones ---


def test_a_link_is_good_until_it_expires_and_after_a_rotation() -> None:
    now = [1_800_000_000.25]
    token, expires_at = PhoneTokens(["old"], lambda: now[0]).issue(LONGEST, 60)
    tokens = PhoneTokens(["new", "old"], lambda: now[0])
    assert tokens.redeem(token) == tokens.redeem(token)
    assert tokens.redeem(token).agent == LONGEST
    now[0] = expires_at
    assert tokens.redeem(token).expires_at == expires_at
    now[0] += 1
    assert reason_of(lambda: tokens.redeem(token)) == "expired_token"
    assert reason_of(lambda: PhoneTokens(["new"], lambda: now[0]).redeem(token)) == "bad_token"


def test_a_streams_token_opens_no_telephone(desk: Desk) -> None:
    tokens = PhoneTokens(["secret"], lambda: desk.now)
    assert reason_of(lambda: tokens.redeem(desk.stream.issue(CALL, "desk"))) == "bad_token"


def test_a_photo_link_is_known_by_any_process_and_by_nobody_else() -> None:
    token = PhotoTokens(["new", "old"]).issue()
    assert fullmatch(r"[A-Za-z0-9_-]{22}", token)
    assert PhotoTokens(["newest", "new"]).is_ours(token)
    assert not PhotoTokens(["old"]).is_ours(token)
    assert token != PhotoTokens(["new"]).issue()


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda data: data.hex()))
def test_no_text_is_a_photo_link(text: str) -> None:
    assert not PhotoTokens(["secret"]).is_ours(text)


@pytest.mark.parametrize("at", range(22))
def test_a_photo_link_with_another_letter_is_none(at: int) -> None:
    tokens = PhotoTokens(["secret"])
    token = tokens.issue()
    other = "A" if token[at] != "A" else "B"
    assert not tokens.is_ours(token[:at] + other + token[at + 1 :])


class Padded(TokenClaims):
    """Claims of any length."""

    text: str


def test_a_token_may_be_as_long_as_the_carrier_takes_it_and_no_longer() -> None:
    tokens = SignedTokens("test", Padded, ["secret"], lambda: 1.0)
    found = {}
    for length in range(150, 350):
        claims = Padded(expires_at=2.0, text="x" * length)
        token = tokens.sign(claims)
        try:
            found[len(token)] = tokens.verify(token) == claims
        except SignatureRefused as refused:
            found[len(token)] = refused.reason
    assert {length: one for length, one in found.items() if one is True}.keys() == {
        length for length in found if length <= 400
    }
    assert {400, 402} <= found.keys()
    assert found[402] == "bad_token"
