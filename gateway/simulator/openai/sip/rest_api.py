"""REST API of the SIP connector: the vendor's control calls, and the simulator's own endpoints.

Sources: `openai.resources.realtime.calls`, the guide "Telephony and SIP".
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, TypeVar

from openai.types.realtime import RealtimeSessionCreateRequest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.simulator import sip_uri
from gateway.simulator.openai.realtime.script import Webhook
from gateway.simulator.openai.realtime.session_config import MODELS
from gateway.simulator.openai.realtime.validation import InvalidValue, check
from gateway.simulator.openai.sip.call import SimSipCall
from gateway.simulator.openai.sip.connector import MEDIA_PATH, Connector

Model = TypeVar("Model", bound=BaseModel)

BODY_MAX_BYTES: Final = 1 << 20
DECLINE: Final = 603
SIP_FINAL: Final = range(300, 700)
HEADER_MAX: Final = 100


class OpenAIApiError(Exception):
    """Error response of the vendor's REST API."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        self.status, self.code, self.message, self.param = status, code, message, param
        super().__init__(message)

    def response(self) -> JSONResponse:
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        body = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return JSONResponse({"error": body}, self.status)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class InviteHeader(_Strict):
    name: str = Field(min_length=1)
    value: str


class Invite(_Strict):
    """INVITE of the carrier: address, headers in order, negotiated media."""

    uri: str
    headers: Annotated[list[InviteHeader], Field(max_length=HEADER_MAX)]
    media: Literal["srtp", "rtp"] = "srtp"
    webhooks: list[Webhook] | None = None
    """Webhooks in place of the script's."""


class Announcement(_Strict):
    """Request for webhooks about a call or about none."""

    webhooks: list[Webhook]
    call_id: str = "rtc_u1_of_no_call"


class ReferBody(BaseModel):
    target_uri: str


class RejectBody(BaseModel):
    status_code: int | None = None


class SipRest:
    """Routes of one connector."""

    def __init__(self, connector: Connector | None) -> None:
        self._connector = connector
        self._verbs: dict[str, Callable[[Connector, SimSipCall, dict[str, Any]], None]] = {
            "accept": _accept,
            "reject": _reject,
            "refer": _refer,
            "hangup": _hang_up,
        }

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/realtime/calls/{call_id}/{verb}", self._control, methods=["POST"]),
                Route("/simulator/invite", self._invite, methods=["POST"]),
                Route("/simulator/webhook", self._announce, methods=["POST"]),
            ],
            exception_handlers={
                OpenAIApiError: _answer_error,
                InvalidValue: _answer_refusal,
                404: _not_found,
            },
        )

    @property
    def _enabled(self) -> Connector:
        if self._connector is None:
            raise OpenAIApiError(503, "no_sip", "Start the model with --webhook-url and --project.")
        return self._connector

    async def _control(self, request: Request) -> Response:
        verb, call_id = request.path_params["verb"], request.path_params["call_id"]
        if verb not in self._verbs:
            raise OpenAIApiError(404, "not_found", f"There is nothing at {request.url.path}.")
        _check_key(request)
        connector = self._enabled
        await self._carry_out(connector, request, verb, call_id)
        return Response(status_code=200)

    async def _carry_out(
        self, connector: Connector, request: Request, verb: str, call_id: str
    ) -> None:
        """Carry out a control call. Raises what the answer is unless it succeeds."""
        raw = await _raw_body(request)
        await asyncio.sleep(connector.script.slow_ms / 1000)
        if status := connector.control_fails(verb):
            connector.journal.log("", "control_failed", verb=verb, call_id=call_id, status=status)
            raise OpenAIApiError(status, "server_error", "Scripted failure.")
        call = connector.calls.get(call_id)
        if call is None:
            raise _no_session()
        try:
            self._verbs[verb](connector, call, _object(raw))
        except InvalidValue as refused:
            connector.violation(
                refused.code, refused.message, verb=verb, call_id=call_id, param=refused.param
            )
            raise

    async def _invite(self, request: Request) -> Response:
        invite = await _read(request, Invite)
        connector = self._enabled
        if status := connector.refuse_invite(invite.uri):
            return JSONResponse({"status": status})
        headers = [header.model_dump() for header in invite.headers]
        webhooks = None if invite.webhooks is None else tuple(invite.webhooks)
        call = connector.invite(headers, invite.media, webhooks)
        answer = {"status": 100, "call_id": call.call_id, "media": MEDIA_PATH + call.call_id}
        return JSONResponse(answer)

    async def _announce(self, request: Request) -> Response:
        wanted = await _read(request, Announcement)
        answers = await self._enabled.announce(wanted.call_id, tuple(wanted.webhooks))
        return JSONResponse([answer._asdict() for answer in answers])


def _no_session() -> OpenAIApiError:
    return OpenAIApiError(404, "call_id_not_found", "No session found for the given call_id.")


def _check_key(request: Request) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        message = "Missing bearer authentication in header"
        raise OpenAIApiError(401, "missing_api_key", message)
    if "invalid" in key:
        raise OpenAIApiError(401, "invalid_api_key", "Incorrect API key provided.")


async def _raw_body(request: Request) -> bytes:
    if int(request.headers.get("Content-Length") or 0) > BODY_MAX_BYTES:
        raise OpenAIApiError(413, "request_too_large", "The body is too large.")
    return await request.body()


def _object(raw: bytes) -> dict[str, Any]:
    """Decode a JSON object; an empty body is an empty one. Raises InvalidValue."""
    try:
        body = json.loads(raw) if raw else {}
    except ValueError:
        raise InvalidValue("invalid_json", "The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise InvalidValue("invalid_type", "The body is no JSON object.")
    return body


async def _read(request: Request, model: type[Model]) -> Model:
    try:
        return model.model_validate(_object(await _raw_body(request)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise OpenAIApiError(400, "invalid_value", f"{place}: {first['msg']}", place) from None


# --- the verbs ---


def _undecided(call: SimSipCall) -> None:
    """Raises OpenAIApiError for a call that was decided on before or has ended."""
    if call.state == "over":
        raise _no_session()
    if call.state != "ringing":
        raise OpenAIApiError(
            409, "decision_already_made", "The call was accepted or rejected before."
        )


def _running(call: SimSipCall) -> None:
    if call.state not in ("accepted", "live"):
        raise _no_session()


def _accept(connector: Connector, call: SimSipCall, body: dict[str, Any]) -> None:
    _undecided(call)
    if "type" not in body:
        raise InvalidValue(
            "missing_required_parameter", "Missing required parameter: 'type'.", "type"
        )
    check(body, RealtimeSessionCreateRequest)
    model = body.get("model")
    if model is not None and model not in MODELS:
        message = f"The model `{model}` does not exist or you do not have access to it."
        raise InvalidValue("model_not_found", message, "model")
    connector.accept(call, body)


def _reject(connector: Connector, call: SimSipCall, body: dict[str, Any]) -> None:
    check(body, RejectBody)
    status = body.get("status_code")
    if status is not None and status not in SIP_FINAL:
        message = f"Expected a SIP status between 300 and 699, got {status}."
        raise InvalidValue("invalid_value", message, "status_code")
    _undecided(call)
    if connector.script.reject_broken:
        call.log("reject_lost", status=status or DECLINE)
    else:
        call.reject(status or DECLINE)


def _refer(_connector: Connector, call: SimSipCall, body: dict[str, Any]) -> None:
    check(body, ReferBody)
    try:
        sip_uri.parse(body["target_uri"])
    except ValueError:
        message = "Expected a tel: or sip: URI, like tel:+14155550123."
        raise InvalidValue("invalid_value", message, "target_uri") from None
    _running(call)
    call.refer(body["target_uri"])


def _hang_up(_connector: Connector, call: SimSipCall, _body: dict[str, Any]) -> None:
    _running(call)
    call.hang_up()


# --- answers that are no success ---


async def _answer_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, OpenAIApiError)  # noqa: S101 - registered for this type only
    return error.response()


async def _answer_refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidValue)  # noqa: S101 - registered for this type only
    return OpenAIApiError(400, error.code, error.message, error.param).response()


async def _not_found(request: Request, _error: Exception) -> Response:
    return OpenAIApiError(404, "not_found", f"There is nothing at {request.url.path}.").response()
