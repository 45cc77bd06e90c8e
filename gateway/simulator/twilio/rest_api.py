"""Twilio's REST API on loopback: placing, ending and redirecting calls, messages, queues."""

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

from gateway.simulator.twilio import recordings
from gateway.simulator.twilio.api_error import TwilioApiError
from gateway.simulator.twilio.call import API_VERSION, TwilioCall
from gateway.simulator.twilio.dial_recording import DialRecording
from gateway.simulator.twilio.messaging import SimMessaging
from gateway.simulator.twilio.outbound_call import (
    OutboundRequest,
    PlacementRefused,
    call_for_waiting,
)
from gateway.simulator.twilio.outcomes import CANCELED, COMPLETED, Fetch, NextStep
from gateway.simulator.twilio.queues import Queues
from gateway.simulator.twilio.twiml import TwimlError, parse
from gateway.simulator.twilio.webhooks import Account

TWIML_MAX_CHARS: Final = 4000


class TwilioApi:
    """Calls, messages and queues of one account, and their routes."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.calls: dict[str, TwilioCall] = {}
        self.queues = Queues()
        self.messaging = SimMessaging(account.sid, self._admit)
        self.requests: list[tuple[str, dict[str, str]]] = []
        """Path and form of each request, in order."""
        self._expected: defaultdict[str, deque[Callable[[OutboundRequest], TwilioCall]]] = (
            defaultdict(deque)
        )

    def expect(self, number: str, build: Callable[[OutboundRequest], TwilioCall]) -> None:
        """Build the next call that is placed to this number with `build`."""
        self._expected[number].append(build)

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
                *self.messaging.routes(),
                *recordings.routes(self._admit, self._recordings),
            ],
            exception_handlers={TwilioApiError: _answer_error, 404: _not_found},
        )

    def _recordings(self) -> list[tuple[str, DialRecording]]:
        """Return the recordings that there are, with the calls that they are of."""
        return [(sid, one) for sid, call in self.calls.items() for one in call.recordings]

    async def _get(self, request: Request) -> JSONResponse:
        return JSONResponse(self._resource(self._find(request)))

    async def _post(self, request: Request) -> JSONResponse:
        call = self._find(request)
        async with request.form() as form:
            fields = {name: str(value) for name, value in form.multi_items()}
            self.requests.append((request.url.path, fields))
            step = _next_step(form, call)
        if step is not None and not call.update(step):
            raise TwilioApiError(400, 21220, "Call is not in-progress. Cannot redirect.")
        return JSONResponse(self._resource(call))

    async def _create(self, request: Request) -> JSONResponse:
        self._admit(request)
        async with request.form() as form:
            fields = {name: str(value) for name, value in form.multi_items()}
            self.requests.append((request.url.path, fields))
            try:
                placed = OutboundRequest.of(form)
            except PlacementRefused as error:
                raise TwilioApiError(400, error.code, error.problem) from error
        if self._expected[placed.to]:
            call = self._expected[placed.to].popleft()(placed)
        else:
            call = self._ring_for_waiting(placed)
        self.calls[call.call_sid] = call
        return JSONResponse(self._resource(call), 201)

    def _ring_for_waiting(self, placed: OutboundRequest) -> TwilioCall:
        """Return the call to a person for the first caller who waits for them in a queue."""
        for caller in list(self.calls.values()):
            if (call := call_for_waiting(caller, placed)) is not None:
                caller.run_in_background(_run(call))
                return call
        raise TwilioApiError(400, 21211, f"Nobody is at {placed.to} in this rehearsal")

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
        """Raises TwilioApiError for a request without the account's credentials."""
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


async def _run(call: TwilioCall) -> None:
    await call.run()


def _next_step(form: FormData, call: TwilioCall) -> NextStep | None:
    """Return what an update asks for. Raises TwilioApiError for what Twilio refuses."""
    status, url, twiml = (str(form.get(name, "")) for name in ("Status", "Url", "Twiml"))
    if status:
        return _status_step(status, call)
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


def _status_step(status: str, call: TwilioCall) -> NextStep:
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
    """Server that leaves the process's signals to the rehearsal."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def listening(app: ASGIApp, port: int, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve an app in this process and yield its URL; port 0 is a free one. Raises OSError."""
    # Bound before uvicorn begins, so that an early connection waits and is not refused.
    listener = socket.create_server((host, port), backlog=1024)
    config = uvicorn.Config(app, log_level="warning", lifespan="off", access_log=False)
    server = _QuietServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
