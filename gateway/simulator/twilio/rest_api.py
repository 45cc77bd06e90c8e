"""Twilio's REST API on loopback, as much as it takes to place, end and redirect a call."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import socket
from base64 import b64decode
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.simulator.twilio.api_error import TwilioApiError
from gateway.simulator.twilio.call import API_VERSION, TwilioCall
from gateway.simulator.twilio.messaging import SimMessaging
from gateway.simulator.twilio.outbound_call import OrderRefused, PlacedCall
from gateway.simulator.twilio.outbound_call import OutboundRequest as Placing
from gateway.simulator.twilio.outcomes import CANCELED, COMPLETED, Fetch, NextStep
from gateway.simulator.twilio.queues import Queues
from gateway.simulator.twilio.ringing import ringing_call
from gateway.simulator.twilio.twiml import TwimlError, parse
from gateway.simulator.twilio.webhooks import Account

TWIML_MAX_CHARS: Final = 4000


class TwilioApi:
    """The calls of one account, and the doors to them."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.calls: dict[str, TwilioCall] = {}
        self.queues = Queues()
        self.mailbox = SimMessaging(account.sid, self._admit)
        self.requests: list[tuple[str, dict[str, str]]] = []
        """What was asked for, in order: path and form."""
        self._expected: defaultdict[str, deque[Callable[[Placing], PlacedCall]]] = defaultdict(
            deque
        )

    def expect(self, number: str, made: Callable[[Placing], PlacedCall]) -> None:
        """Somebody is there to be called: the next call that is placed to him is `made` so."""
        self._expected[number].append(made)

    def app(self) -> Starlette:
        account = f"/{API_VERSION}/Accounts/{{account_sid}}"
        calls = f"{account}/Calls"
        path = f"{calls}/{{call_sid}}.json"
        return Starlette(
            routes=[
                Route(f"{calls}.json", self._create, methods=["POST"]),
                Route(path, self._get, methods=["GET"]),
                Route(path, self._post, methods=["POST"]),
                Route(
                    f"{account}/Queues/{{queue_sid}}.json", self._delete_queue, methods=["DELETE"]
                ),
                *self.mailbox.routes(),
            ],
            exception_handlers={TwilioApiError: _answer_error, 404: _not_found},
        )

    async def _get(self, request: Request) -> JSONResponse:
        return JSONResponse(self._resource(self._find(request)))

    async def _post(self, request: Request) -> JSONResponse:
        call = self._find(request)
        async with request.form() as form:
            fields = {name: str(value) for name, value in form.multi_items()}
            self.requests.append((request.url.path, fields))
            order = _order(form, call)
        if order is not None and not call.update(order):
            raise TwilioApiError(400, 21220, "Call is not in-progress. Cannot redirect.")
        return JSONResponse(self._resource(call))

    async def _create(self, request: Request) -> JSONResponse:
        self._admit(request)
        async with request.form() as form:
            fields = {name: str(value) for name, value in form.multi_items()}
            self.requests.append((request.url.path, fields))
            try:
                order = Placing.of(form)
            except OrderRefused as error:
                raise TwilioApiError(400, error.code, error.problem) from error
        if self._expected[order.to]:
            call = self._expected[order.to].popleft()(order)
        else:
            call = self._summon(order)
        self.calls[call.call_sid] = call
        return JSONResponse(self._resource(call), 201)

    def _summon(self, order: Placing) -> PlacedCall:
        """Somebody is rung up for a caller that waits for him, and nobody else has his hands."""
        for caller in list(self.calls.values()):
            if (call := ringing_call(caller, order)) is not None:
                caller.keep(_whole(call))
                return call
        raise TwilioApiError(400, 21211, f"Nobody is at {order.to} in this rehearsal")

    async def _delete_queue(self, request: Request) -> Response:
        self._admit(request)
        self.requests.append((request.url.path, {}))
        queue = self.queues.with_sid(request.path_params["queue_sid"])
        if queue is None:
            raise _nothing_at(request)
        if queue.members:
            raise TwilioApiError(400, 20001, "Only an empty queue can be deleted")
        del self.queues.by_name[queue.name]
        return Response(status_code=204)

    def _find(self, request: Request) -> TwilioCall:
        self._admit(request)
        call = self.calls.get(request.path_params["call_sid"])
        if call is None:
            raise _nothing_at(request)
        return call

    def _admit(self, request: Request) -> None:
        """Raises ApiError for a request that is not the account's."""
        if not self._authorised(request.headers.get("authorization", "")):
            raise TwilioApiError(401, 20003, "Authenticate")
        if request.path_params["account_sid"] != self.account.sid:
            raise _nothing_at(request)

    def _authorised(self, header: str) -> bool:
        scheme, _, coded = header.partition(" ")
        expected = f"{self.account.sid}:{self.account.token}".encode()
        try:
            given = b64decode(coded, validate=True)
        except ValueError:
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(given, expected)

    def _resource(self, call: TwilioCall) -> dict[str, Any]:
        over = call.line.over.is_set()
        path = f"/{API_VERSION}/Accounts/{self.account.sid}/Calls/{call.call_sid}"
        return {
            "sid": call.call_sid,
            "account_sid": self.account.sid,
            "api_version": API_VERSION,
            "direction": call.direction,
            "duration": str(round(call.line.now_ms / 1000)) if over else None,
            "from": call.parties.caller,
            "to": call.parties.called,
            "parent_call_sid": None,
            "status": call.status,
            "uri": path + ".json",
            "subresource_uris": {"streams": path + "/Streams.json"},
        }


async def _whole(call: TwilioCall) -> None:
    await call.run()


def _order(form: FormData, call: TwilioCall) -> NextStep | None:
    """What an update asks for. Raises ApiError for what Twilio refuses."""
    status, url, twiml = (str(form.get(name, "")) for name in ("Status", "Url", "Twiml"))
    if status:
        return _status_order(status, call)
    if url:
        if not url.startswith(("https://", "http://")):
            raise TwilioApiError(400, 21205, f"Url is not a valid URL: {url}")
        return Fetch(url, str(form.get("Method", "POST")).upper())
    if not twiml:
        return None
    if len(twiml) > TWIML_MAX_CHARS:
        raise TwilioApiError(400, 21612, f"Twiml is longer than {TWIML_MAX_CHARS} characters")
    try:
        return parse(twiml, "")
    except TwimlError as error:
        raise TwilioApiError(400, error.code, error.problem) from error


def _status_order(status: str, call: TwilioCall) -> NextStep:
    if status == "completed":
        return COMPLETED
    if status == "canceled":
        if call.line.answered.is_set():
            raise TwilioApiError(
                400, 21220, "Call is in-progress: only queued or ringing is canceled"
            )
        return CANCELED
    raise TwilioApiError(400, 21218, f"Invalid Status {status!r}: completed or canceled")


def _nothing_at(request: Request) -> TwilioApiError:
    return TwilioApiError(404, 20404, f"The requested resource {request.url.path} was not found")


async def _answer_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TwilioApiError)  # noqa: S101 - registered for this type only
    return error.response()


async def _not_found(request: Request, _error: Exception) -> JSONResponse:
    return _nothing_at(request).response()


class _QuietServer(uvicorn.Server):
    """Leaves the process's signals to whoever started the rehearsal."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def listening(app: ASGIApp, port: int, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serves an app in this process; yields its URL. Port 0 takes a free one. Raises OSError."""
    # Bound before uvicorn begins, so that whoever connects early waits and is not refused.
    listener = socket.create_server((host, port), backlog=1024)
    config = uvicorn.Config(app, log_level="warning", lifespan="off", access_log=False)
    server = _QuietServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
