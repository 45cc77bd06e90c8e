"""The token that opens a media stream: signed, short-lived, good for one call and once.

A stream's address cannot carry a query string, so the TwiML hands the token over as a
`<Parameter>`; it comes back in `start`. It is signed with a key made from Twilio's own secret, so
that any process of the same account can check it.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TypeVar

import msgspec

from gateway import limits
from gateway.errors import SignatureRefused
from gateway.ops.store.shared import Store

_DIAL_SIGNATURE_BYTES = 12
_EXPIRES_BYTES = 6  # of milliseconds
_USED_KEPT = 2
"""A use is remembered for twice as long as a token lives: wall clocks are set back at times."""
_TOKEN_MAX_CHARS = 400  # Twilio: name and value of a parameter together below 500
_PassT = TypeVar("_PassT", bound=msgspec.Struct)


class StreamClaims(msgspec.Struct, array_like=True, frozen=True):
    call_sid: str
    agent: str
    expires_at: float
    nonce: str


class StreamTokens:
    """`wall_clock` tells Unix seconds. The first secret signs, any of them verifies."""

    def __init__(
        self, auth_tokens: Sequence[str], store: Store, wall_clock: Callable[[], float]
    ) -> None:
        self._keys = _keys("media stream", auth_tokens)
        self._store, self._wall_clock = store, wall_clock

    def issue(self, call_sid: str, agent: str) -> str:
        expires_at = self._wall_clock() + limits.web.STREAM_TOKEN_S
        stream_pass = StreamClaims(call_sid, agent, expires_at, secrets.token_urlsafe(12))
        return _signed(self._keys[0], stream_pass)

    async def redeem(self, token: str, call_sid: str) -> StreamClaims:
        """Raises SignatureRefused: `no_token`, `bad_token`, `expired_token`, `used_token`."""
        if not token:
            raise SignatureRefused("no_token")
        stream_pass = _verified(self._keys, token, StreamClaims)
        if stream_pass.call_sid != call_sid:
            raise SignatureRefused("bad_token")
        if stream_pass.expires_at < self._wall_clock():
            raise SignatureRefused("expired_token")
        if not await self._store.claim(
            f"stream:{stream_pass.nonce}", _USED_KEPT * limits.web.STREAM_TOKEN_S
        ):
            raise SignatureRefused("used_token")
        return stream_pass


class DialTokens:
    """Ties an INVITE to the call that we dialled it for: anybody can send SIP headers.

    Short, since a SIP address has less than 255 characters.
    """

    def __init__(
        self, auth_tokens: Sequence[str], store: Store, wall_clock: Callable[[], float]
    ) -> None:
        self._keys = _keys("sip dial", auth_tokens)
        self._store, self._wall_clock = store, wall_clock

    def issue(self, call_sid: str, agent: str) -> str:
        expires_ms = int((self._wall_clock() + limits.sip.TOKEN_S) * 1000)
        expires = expires_ms.to_bytes(_EXPIRES_BYTES, "big")
        return _text(expires + _dial_signature(self._keys[0], call_sid, agent, expires))

    async def redeem(self, token: str, call_sid: str, agent: str) -> None:
        """Raises SignatureRefused: `bad_token`, `expired_token`, `used_token`."""
        try:
            data = _bytes(token) if len(token) <= _TOKEN_MAX_CHARS else b""
        except ValueError:
            raise SignatureRefused("bad_token") from None
        expires, given = data[:_EXPIRES_BYTES], data[_EXPIRES_BYTES:]
        good = (_dial_signature(key, call_sid, agent, expires) for key in self._keys)
        if not any(hmac.compare_digest(one, given) for one in good):
            raise SignatureRefused("bad_token")
        if int.from_bytes(expires, "big") < self._wall_clock() * 1000:
            raise SignatureRefused("expired_token")
        if not await self._store.claim(f"dial:{token}", limits.sip.TOKEN_S):
            raise SignatureRefused("used_token")


class OutboundClaims(msgspec.Struct, array_like=True, frozen=True):
    agent: str
    expires_at: float
    nonce: str


class OutboundTokens:
    """Ties the answer of a call that we placed to the agent that placed it.

    It stands in an address: whom it is for is signed too, and not in it.
    """

    def __init__(
        self, auth_tokens: Sequence[str], store: Store, wall_clock: Callable[[], float]
    ) -> None:
        self._keys = _keys("call out", auth_tokens)
        self._store, self._wall_clock = store, wall_clock

    def issue(self, agent: str, ours: str, person: str) -> str:
        expires_at = self._wall_clock() + limits.outbound.DIAL_TOKEN_S
        body = msgspec.json.encode(OutboundClaims(agent, expires_at, secrets.token_urlsafe(12)))
        return f"{_text(body)}.{_text(_sign(self._keys[0], _between(body, ours, person)))}"

    async def redeem(self, token: str, ours: str, person: str) -> str:
        """The agent. Raises SignatureRefused: `bad_token`, `expired_token`, `used_token`."""
        try:
            if len(token) > _TOKEN_MAX_CHARS:
                raise ValueError
            body, signature = (_bytes(part) for part in token.split("."))
            told = _between(body, ours, person)
            if not any(hmac.compare_digest(_sign(key, told), signature) for key in self._keys):
                raise ValueError
            out_pass = msgspec.json.decode(body, type=OutboundClaims)
        except ValueError:
            raise SignatureRefused("bad_token") from None
        if out_pass.expires_at < self._wall_clock():
            raise SignatureRefused("expired_token")
        if not await self._store.claim(
            f"out:{out_pass.nonce}", _USED_KEPT * limits.outbound.DIAL_TOKEN_S
        ):
            raise SignatureRefused("used_token")
        return out_pass.agent


class PhoneClaims(msgspec.Struct, array_like=True, frozen=True):
    agent: str
    expires_at: float


class PhoneTokens:
    """What stands in a link to the browser telephone: good for any number of calls, until then."""

    def __init__(self, auth_tokens: Sequence[str], wall_clock: Callable[[], float]) -> None:
        self._keys = _keys("browser phone", auth_tokens)
        self._wall_clock = wall_clock

    def issue(self, agent: str, seconds: float) -> tuple[str, float]:
        """The token, and the Unix time at which it expires."""
        expires_at = float(int(self._wall_clock() + seconds))
        return _signed(self._keys[0], PhoneClaims(agent, expires_at)), expires_at

    def redeem(self, token: str) -> PhoneClaims:
        """Raises SignatureRefused: `no_token`, `bad_token`, `expired_token`."""
        if not token:
            raise SignatureRefused("no_token")
        phone_pass = _verified(self._keys, token, PhoneClaims)
        if phone_pass.expires_at < self._wall_clock():
            raise SignatureRefused("expired_token")
        return phone_pass


def _signed(key: bytes, content: msgspec.Struct) -> str:
    body = msgspec.json.encode(content)
    return f"{_text(body)}.{_text(_sign(key, body))}"


def _verified(keys: Sequence[bytes], token: str, kind: type[_PassT]) -> _PassT:
    """What was signed with one of the keys. Raises SignatureRefused."""
    try:
        if len(token) > _TOKEN_MAX_CHARS:
            raise ValueError
        body, signature = (_bytes(part) for part in token.split("."))
        if not any(hmac.compare_digest(_sign(key, body), signature) for key in keys):
            raise ValueError
        return msgspec.json.decode(body, type=kind)
    except ValueError:
        raise SignatureRefused("bad_token") from None


def _between(body: bytes, ours: str, person: str) -> bytes:
    return msgspec.json.encode([body, ours, person])


def _dial_signature(key: bytes, call_sid: str, agent: str, expires: bytes) -> bytes:
    body = msgspec.json.encode([call_sid, agent, expires])
    return _sign(key, body)[:_DIAL_SIGNATURE_BYTES]


def _keys(purpose: str, secrets_: Sequence[str]) -> list[bytes]:
    """A key of its own for each purpose, from each of Twilio's secrets."""
    return [sha256(f"gateway {purpose}\0{secret}".encode()).digest() for secret in secrets_]


def _sign(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Of its one spelling: the decoder by itself overlooks what does not belong there."""
    data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if _text(data) != text:
        raise ValueError
    return data
