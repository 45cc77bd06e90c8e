"""Twilio's signatures of webhooks and of the media stream's handshake.

Source: Twilio docs, "Webhooks security". The signed address is composed of the configured public
URL and the path and query of the request; forwarded headers can be forged and are ignored. There is
no switch that turns this off.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

import structlog
from starlette.requests import HTTPConnection, Request
from twilio.request_validator import RequestValidator, get_signature_algorithm

from gateway import limits
from gateway.errors import PeerError, SignatureRefused
from gateway.protocols.twilio_webhooks import RETRIED
from gateway.web.http.request_body import read_body

log = structlog.get_logger()

_SIGNATURE: Final = "x-twilio-signature"
_SETTINGS: Final = "x-twilio-webhooks-signature-settings"
_ALGORITHMS: Final = frozenset({"HMAC_SHA1", "HMAC_SHA256"})
_DEFAULT_PORTS: Final = {"https": 443, "wss": 443, "http": 80, "ws": 80}
_SOMETIMES_UNSIGNED: Final = frozenset({"CallToken", "StirVerstat"})
"""Fields that some signatures were reported not to cover; tried second."""


class FormFields(dict[str, list[str]]):
    """Form fields with all values of each; the signature covers every value."""

    def getall(self, name: str) -> list[str]:
        """Return all values; Twilio's validator calls this on a multi-value mapping."""
        return self[name]

    def first(self) -> dict[str, str]:
        return {name: values[0] for name, values in self.items()}


class TwilioSignature:
    """Verifies requests with any of several auth tokens, so that one can be rotated."""

    def __init__(
        self,
        public_url: str,
        media_url: str,
        secrets: Sequence[str],
        *,
        body_wait_s: float = limits.web.WEBHOOK_BODY_WAIT_S,
    ) -> None:
        self._public_url, self._media_url = public_url, media_url
        self._body_wait_s = body_wait_s
        self._validators = [RequestValidator(secret) for secret in secrets]

    async def fields(self, request: Request) -> dict[str, str]:
        """Return the fields of a webhook whose signature verifies.

        Raises SignatureRefused, or PeerError (`oversized`, `malformed`, `slow`, `cut_off`).
        """
        url = self._signed_url(request)
        if request.method == "GET":
            self._check(request, url, FormFields())
            return _form_fields(request.scope["query_string"]).first()
        body = await read_body(request, limits.web.WEBHOOK_BODY_MAX_BYTES, self._body_wait_s)
        if _is_json(request):
            self._check_body(url, body)
            self._check(request, url, FormFields())
            return _json_fields(body)
        fields = _form_fields(body)
        self._check(request, url, fields)
        return fields.first()

    def check_handshake(self, connection: HTTPConnection) -> None:
        """Check the media stream's upgrade, signed over the address in the TwiML, without fields.

        Raises SignatureRefused.
        """
        query = connection.scope["query_string"].decode("ascii", "replace")
        url = f"{self._media_url}?{query}" if query else self._media_url
        https = "http" + url.removeprefix("ws")
        try:
            self._check(connection, https, FormFields())
        except SignatureRefused:
            self._check(connection, url, FormFields())

    def _signed_url(self, request: Request) -> str:
        scope = request.scope
        path = scope.get("raw_path", b"").decode("ascii", "replace").partition("?")[0]
        query = scope["query_string"].decode("ascii", "replace")
        return f"{self._public_url}{path or scope['path']}{'?' if query else ''}{query}"

    def _check(self, request: HTTPConnection, url: str, fields: FormFields) -> None:
        signature = request.headers.get(_SIGNATURE, "")
        if not signature:
            raise _refused("unsigned", url)
        algorithm = get_signature_algorithm(request.headers.get(_SETTINGS))
        if algorithm.upper() not in _ALGORITHMS:
            raise _refused("unknown_algorithm", url)
        for some in _variants(fields):
            if self._matches(signature, url, some, algorithm):
                if len(some) != len(fields):
                    log.debug("webhook_signed_partially", fields=sorted(fields.keys() - some))
                return
        raise _refused("bad_signature", url)

    def _matches(self, signature: str, url: str, fields: FormFields, algorithm: str) -> bool:
        given = signature.encode("utf-8", "replace")
        return any(
            hmac.compare_digest(
                validator.compute_signature(candidate, fields, algorithm).encode(), given
            )
            for validator in self._validators
            for candidate in _signed_addresses(url)
        )

    def _check_body(self, url: str, body: bytes) -> None:
        said = parse_qs(urlsplit(url).query).get("bodySHA256", [""])[0].lower()
        if not hmac.compare_digest(sha256(body).hexdigest().encode(), said.encode()):
            raise _refused("bad_body_hash", url)


def _refused(reason: str, url: str) -> SignatureRefused:
    """Leave out the query, which has the caller's number in it when the webhook came by GET."""
    return SignatureRefused(reason, url.partition("?")[0])


def _variants(fields: FormFields) -> Iterator[FormFields]:
    yield fields
    if not _SOMETIMES_UNSIGNED.isdisjoint(fields):
        yield FormFields({k: v for k, v in fields.items() if k not in _SOMETIMES_UNSIGNED})


def _signed_addresses(url: str) -> Iterator[str]:
    """Addresses that may be signed for a request; connection overrides are not expected in one."""
    addresses = list(_with_and_without_port(url))
    yield from addresses
    yield from (address + RETRIED for address in addresses)


def _with_and_without_port(url: str) -> Iterator[str]:
    """Twilio signs either of them; the SDK's own guess is wrong for wss."""
    parts = urlsplit(url)
    host = parts.netloc.removesuffix(f":{parts.port}")  # `hostname` would be in lower case
    yield parts._replace(netloc=host).geturl()
    yield parts._replace(netloc=f"{host}:{parts.port or _DEFAULT_PORTS[parts.scheme]}").geturl()


def _is_json(request: Request) -> bool:
    media_type = request.headers.get("content-type", "").partition(";")[0]
    return media_type.strip().lower() == "application/json"


def _form_fields(body: bytes) -> FormFields:
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            max_num_fields=limits.web.WEBHOOK_FIELDS_MAX,
        )
    except ValueError:
        raise PeerError("malformed", "these are not the fields of a form") from None
    fields = FormFields()
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def _json_fields(body: bytes) -> dict[str, str]:
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, Mapping):
        raise PeerError("malformed", "the body is not a JSON object")
    return {str(k): v if isinstance(v, str) else json.dumps(v) for k, v in document.items()}
