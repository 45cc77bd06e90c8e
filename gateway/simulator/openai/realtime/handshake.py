"""Admission to a Realtime session, decided from the request alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from gateway.simulator.openai.realtime.session_config import MODELS

REALTIME_PATH: Final = "/v1/realtime"


@dataclass(frozen=True, slots=True)
class Admitted:
    model: str


@dataclass(frozen=True, slots=True)
class HandshakeRejected:
    """Rejection before the upgrade, by an HTTP status."""

    status: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class AcceptedThenClosed:
    """Rejection after the upgrade, as the vendor does: an `error` event, then a close code."""

    close_code: int
    code: str
    message: str
    kind: str = "invalid_request_error"


@dataclass(frozen=True, slots=True)
class SidebandRequest:
    """Sideband: a socket to the session of a running call."""

    call_id: str


Handshake = Admitted | SidebandRequest | HandshakeRejected | AcceptedThenClosed


def admit(target: str, headers: Mapping[str, str]) -> Handshake:
    """Decide on a handshake; `target` is path and query, header lookup must ignore case."""
    url = urlsplit(target)
    if url.path != REALTIME_PATH:
        return HandshakeRejected(404, "not_found", f"There is nothing at {url.path}.")
    scheme, _, key = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        message = "Missing bearer authentication in header"
        return HandshakeRejected(401, "missing_api_key", message)
    query = parse_qs(url.query)
    if "call_id" in query:
        return _admit_sideband(query["call_id"][0], key, headers)
    return _admit_session(query.get("model", [""])[0], key, headers)


def _admit_sideband(call_id: str, key: str, headers: Mapping[str, str]) -> Handshake:
    verdict = _refuse_client(key, headers)
    return verdict or SidebandRequest(call_id)


def _refuse_client(key: str, headers: Mapping[str, str]) -> AcceptedThenClosed | None:
    if "OpenAI-Beta" in headers:
        message = "The Realtime Beta API is no longer supported. Please use the GA API."
        return AcceptedThenClosed(4000, "beta_api_shape_disabled", message)
    if "invalid" in key:
        return AcceptedThenClosed(3000, "invalid_api_key", "Incorrect API key provided.")
    return None


def _admit_session(model: str, key: str, headers: Mapping[str, str]) -> Handshake:
    if refused := _refuse_client(key, headers):
        return refused
    if not model:
        message = "You must provide a model parameter."
        return AcceptedThenClosed(4000, "missing_model", message)
    if model not in MODELS:
        message = f"The model `{model}` does not exist or you do not have access to it."
        return AcceptedThenClosed(4000, "model_not_found", message)
    return Admitted(model)
