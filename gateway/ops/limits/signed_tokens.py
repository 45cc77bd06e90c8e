"""Signed tokens: short-lived, each for one purpose, most of them good for one use.

A stream's address cannot carry a query string, so the TwiML passes the token as a `<Parameter>`,
which comes back in `start`. The keys are derived from Twilio's auth token, so that any process of
the same account can verify.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Generic, TypeVar

import msgspec

from gateway import limits
from gateway.errors import SignatureRefused
from gateway.ops.store.shared import Store

_DIAL_SIGNATURE_BYTES = 12
_PHOTO_SIGNATURE_BYTES = 4
"""Enough to slow down who guesses: what protects a link is the rest of it."""
_EXPIRES_BYTES = 6  # of milliseconds
_USED_RATIO = 2
"""A use is remembered for twice as long as a token lives: wall clocks are set back at times."""
_TOKEN_MAX_CHARS = 400  # Twilio: name and value of a parameter together below 500


class TokenClaims(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """Statements that a token makes under its signature."""

    expires_at: float
    nonce: str = ""


class StreamClaims(TokenClaims, array_like=True, frozen=True, kw_only=True):
    """Claims of a token that opens a media stream."""

    call_sid: str
    agent: str


class OutboundClaims(TokenClaims, array_like=True, frozen=True, kw_only=True):
    """Claims of a token in the address that Twilio asks when a placed call is answered."""

    agent: str


class PhoneClaims(TokenClaims, array_like=True, frozen=True, kw_only=True):
    """Claims of a token in a link to the browser phone."""

    agent: str


class ResumeClaims(TokenClaims, array_like=True, frozen=True, kw_only=True):
    """Claims of a token with which a browser comes back to its call."""

    call_sid: str
    agent: str
    """The agent of the link by which the call began."""
    encoding: str


ClaimsT = TypeVar("ClaimsT", bound=TokenClaims)


class SignedTokens(Generic[ClaimsT]):
    """Tokens of one purpose, `claims.signature`; the first secret signs, any of them verifies.

    `bound` are values that are signed and do not stand in the token: the verifier knows them.
    """

    def __init__(
        self,
        purpose: str,
        claims_type: type[ClaimsT],
        auth_tokens: Sequence[str],
        wall_clock: Callable[[], float],
    ) -> None:
        self._keys, self._type = _keys(purpose, auth_tokens), claims_type
        self._wall_clock = wall_clock

    def sign(self, claims: ClaimsT, *bound: str) -> str:
        """Return the token for these claims."""
        body = msgspec.json.encode(claims)
        return f"{_text(body)}.{_text(_sign(self._keys[0], _signed_bytes(body, bound)))}"

    def verify(self, token: str, *bound: str) -> ClaimsT:
        """Return the claims; raises SignatureRefused: `no_token`, `bad_token`, `expired_token`."""
        if not token:
            raise SignatureRefused("no_token")
        try:
            if len(token) > _TOKEN_MAX_CHARS:
                raise ValueError
            body, signature = (_bytes(part) for part in token.split("."))
            signed = _signed_bytes(body, bound)
            if not any(hmac.compare_digest(_sign(key, signed), signature) for key in self._keys):
                raise ValueError
            claims = msgspec.json.decode(body, type=self._type)
        except ValueError:
            raise SignatureRefused("bad_token") from None
        if claims.expires_at < self._wall_clock():
            raise SignatureRefused("expired_token")
        return claims


class StreamTokens:
    """Tokens that open a media stream, each for one call and once; `wall_clock` is Unix seconds."""

    def __init__(
        self, auth_tokens: Sequence[str], store: Store, wall_clock: Callable[[], float]
    ) -> None:
        self._tokens = SignedTokens("media stream", StreamClaims, auth_tokens, wall_clock)
        self._store, self._wall_clock = store, wall_clock

    def issue(self, call_sid: str, agent: str) -> str:
        """Return a token for the media stream of this call."""
        expires_at = self._wall_clock() + limits.web.STREAM_TOKEN_S
        claims = StreamClaims(expires_at=expires_at, nonce=_nonce(), call_sid=call_sid, agent=agent)
        return self._tokens.sign(claims)

    async def redeem(self, token: str, call_sid: str) -> StreamClaims:
        """Return the claims, once.

        Raises SignatureRefused: `no_token`, `bad_token`, `expired_token`, `used_token`.
        """
        claims = self._tokens.verify(token)
        if claims.call_sid != call_sid:
            raise SignatureRefused("bad_token")
        await _use(self._store, f"stream:{claims.nonce}", limits.web.STREAM_TOKEN_S)
        return claims


class OutboundTokens:
    """Tokens that tie the answer of a placed call to the agent that placed it, good for one use.

    The token stands in an address: the two numbers are signed and do not stand in it.
    """

    def __init__(
        self, auth_tokens: Sequence[str], store: Store, wall_clock: Callable[[], float]
    ) -> None:
        self._tokens = SignedTokens("call out", OutboundClaims, auth_tokens, wall_clock)
        self._store, self._wall_clock = store, wall_clock

    def issue(self, agent: str, ours: str, person: str) -> str:
        """Return a token for a call from our number to a person."""
        expires_at = self._wall_clock() + limits.outbound.DIAL_TOKEN_S
        claims = OutboundClaims(expires_at=expires_at, nonce=_nonce(), agent=agent)
        return self._tokens.sign(claims, ours, person)

    async def redeem(self, token: str, ours: str, person: str) -> str:
        """Return the agent, once.

        Raises SignatureRefused: `no_token`, `bad_token`, `expired_token`, `used_token`.
        """
        claims = self._tokens.verify(token, ours, person)
        await _use(self._store, f"out:{claims.nonce}", limits.outbound.DIAL_TOKEN_S)
        return claims.agent


class PhoneTokens:
    """Tokens in links to the browser phone: good for any number of calls until they expire."""

    def __init__(self, auth_tokens: Sequence[str], wall_clock: Callable[[], float]) -> None:
        self._tokens = SignedTokens("browser phone", PhoneClaims, auth_tokens, wall_clock)
        self._wall_clock = wall_clock

    def issue(self, agent: str, seconds: float) -> tuple[str, float]:
        """Return the token, and the Unix time at which it expires."""
        expires_at = float(int(self._wall_clock() + seconds))
        return self._tokens.sign(PhoneClaims(expires_at=expires_at, agent=agent)), expires_at

    def redeem(self, token: str) -> PhoneClaims:
        """Return the claims; raises SignatureRefused: `no_token`, `bad_token`, `expired_token`."""
        return self._tokens.verify(token)


class ResumeTokens:
    """Tokens with which a browser comes back to its call, any number of times; only it has one."""

    def __init__(self, auth_tokens: Sequence[str], wall_clock: Callable[[], float]) -> None:
        self._tokens = SignedTokens("browser resume", ResumeClaims, auth_tokens, wall_clock)
        self._wall_clock = wall_clock

    def issue(self, call_sid: str, agent: str, encoding: str, lifetime_s: float) -> str:
        """Return a token for this call."""
        expires_at = float(int(self._wall_clock() + lifetime_s))
        claims = ResumeClaims(
            expires_at=expires_at, call_sid=call_sid, agent=agent, encoding=encoding
        )
        return self._tokens.sign(claims)

    def redeem(self, token: str) -> ResumeClaims:
        """Return the claims; raises SignatureRefused: `no_token`, `bad_token`, `expired_token`."""
        return self._tokens.verify(token)


class PhotoTokens:
    """Tokens in links that callers are texted: random, and short, since each text has its length.

    The signature only says that some process of ours made it, without a question to the store:
    strangers who guess are slowed down, and whoever has a link is not.
    """

    def __init__(self, auth_tokens: Sequence[str]) -> None:
        self._keys = _keys("photo link", auth_tokens)

    def issue(self) -> str:
        """Return a new token."""
        random = secrets.token_bytes(limits.images.PHOTO_TOKEN_BYTES)
        return _text(random + self._signature(self._keys[0], random))

    def is_ours(self, token: str) -> bool:
        """Return whether a token was issued with one of the secrets, for whichever call."""
        try:
            data = _bytes(token) if len(token) <= _TOKEN_MAX_CHARS else b""
        except ValueError:
            return False
        random, given = data[:-_PHOTO_SIGNATURE_BYTES], data[-_PHOTO_SIGNATURE_BYTES:]
        good = (self._signature(key, random) for key in self._keys)
        return any(hmac.compare_digest(one, given) for one in good)

    @staticmethod
    def _signature(key: bytes, random: bytes) -> bytes:
        return _sign(key, random)[:_PHOTO_SIGNATURE_BYTES]


class DialTokens:
    """Tokens that tie an INVITE to the call for which we dialled it: anybody can send SIP headers.

    A SIP address has less than 255 characters, so these tokens hold an expiry time and a short
    signature, and no claims.
    """

    def __init__(
        self, auth_tokens: Sequence[str], store: Store, wall_clock: Callable[[], float]
    ) -> None:
        self._keys = _keys("sip dial", auth_tokens)
        self._store, self._wall_clock = store, wall_clock

    def issue(self, call_sid: str, agent: str) -> str:
        """Return a token for the INVITE of this call."""
        expires_ms = int((self._wall_clock() + limits.sip.TOKEN_S) * 1000)
        expires = expires_ms.to_bytes(_EXPIRES_BYTES, "big")
        return _text(expires + _dial_signature(self._keys[0], call_sid, agent, expires))

    async def redeem(self, token: str, call_sid: str, agent: str) -> None:
        """Accept a token once.

        Raises SignatureRefused: `bad_token`, `expired_token`, `used_token`.
        """
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
        await _use(self._store, f"dial:{token}", limits.sip.TOKEN_S)


async def _use(store: Store, key: str, lifetime_s: float) -> None:
    if not await store.claim(key, _USED_RATIO * lifetime_s):
        raise SignatureRefused("used_token")


def _signed_bytes(body: bytes, bound: Sequence[str]) -> bytes:
    return msgspec.json.encode([body, *bound]) if bound else body


def _dial_signature(key: bytes, call_sid: str, agent: str, expires: bytes) -> bytes:
    body = msgspec.json.encode([call_sid, agent, expires])
    return _sign(key, body)[:_DIAL_SIGNATURE_BYTES]


def _nonce() -> str:
    return secrets.token_urlsafe(12)


def _keys(purpose: str, secrets_: Sequence[str]) -> list[bytes]:
    """Derive a key of its own for each purpose from each of Twilio's secrets."""
    return [sha256(f"gateway {purpose}\0{secret}".encode()).digest() for secret in secrets_]


def _sign(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Decode base64 that has its one canonical spelling: the decoder skips foreign characters."""
    data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if _text(data) != text:
        raise ValueError
    return data
