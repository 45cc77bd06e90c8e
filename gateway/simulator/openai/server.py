"""Server of the simulated model: handshakes, sessions, sidebands of calls, the journal."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from gateway.simulator.audio.tts import Voice
from gateway.simulator.openai.realtime.connection import SessionDriver, SimConnection
from gateway.simulator.openai.realtime.handshake import (
    AcceptedThenClosed,
    Admitted,
    HandshakeRejected,
    SidebandRequest,
    admit,
)
from gateway.simulator.openai.realtime.journal import Entry, Journal
from gateway.simulator.openai.realtime.mcp_network import Network
from gateway.simulator.openai.realtime.responder import AudioSink
from gateway.simulator.openai.realtime.script import FaultBudget, OnConnect, Script
from gateway.simulator.openai.realtime.session import SimModelSession
from gateway.simulator.openai.sip.connector import MEDIA_PATH, Connector

JOURNAL_BACKLOG_MAX: Final = 10_000
JOURNAL_PATH: Final = "/journal"
PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}
NO_CALLS: Final = HandshakeRejected(404, "call_id_not_found", "No session found for this call_id.")


class ModelServer:
    """Running server, with its address, journal and open sessions."""

    def __init__(self, script: Script, voice: Voice, journal: Journal) -> None:
        self.script, self.voice, self.journal = script, voice, journal
        self.url = ""
        self.drivers: dict[str, SessionDriver] = {}
        """Open sessions by session id."""
        self.sip: Connector | None = None
        self._faults = FaultBudget()
        self._sessions_begun = 0
        self._stopping = asyncio.Event()

    @property
    def base_url(self) -> str:
        """Value for `OPENAI_BASE_URL`."""
        return f"{self.url}/v1"

    def stop_waiting(self) -> None:
        """Release handshakes that a script leaves unanswered."""
        self._stopping.set()

    # --- before the upgrade ---

    async def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer an HTTP request; None continues with the upgrade."""
        path = urlsplit(request.path).path
        if path == f"{JOURNAL_PATH}.json":
            entries = [entry for _, entry in self.journal.entries(_from(request.path))]
            return _json(HTTPStatus.OK, entries)
        if path == JOURNAL_PATH or path.startswith(MEDIA_PATH):
            return None
        fault = self._fault()
        if fault and fault.refuse:
            self.journal.log("", "refused", status=fault.refuse)
            return _json(fault.refuse, _error("server_error", "Scripted refusal."))
        if fault and fault.hang:
            self.journal.log("", "hanging")
            await self._hang(connection)
        verdict = admit(request.path, request.headers)
        if isinstance(verdict, SidebandRequest):
            refused = self.sip.admit_sideband(verdict.call_id) if self.sip else NO_CALLS
            if refused:  # no violation: the protocol has clients try again
                self.journal.log("", "sideband_refused", call_id=verdict.call_id)
                return _json(refused.status, _error(refused.code, refused.message))
        if isinstance(verdict, HandshakeRejected):
            self.journal.log("", "violation", code=verdict.code, message=verdict.message)
            return _json(verdict.status, _error(verdict.code, verdict.message))
        if fault and fault.error:
            error = fault.error
            verdict = AcceptedThenClosed(4000, error.code, error.message, error.type)
        cast("SimConnection", connection).verdict = verdict
        return None

    def _fault(self) -> OnConnect | None:
        fault = self.script.on_connect
        return fault if fault and self._faults.consume(fault) else None

    async def _hang(self, connection: ServerConnection) -> None:
        gone = asyncio.create_task(self._stopping.wait())
        lost = asyncio.create_task(connection.wait_closed())
        await asyncio.wait([gone, lost], return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        lost.cancel()

    # --- after the upgrade ---

    async def serve(self, connection: ServerConnection) -> None:
        connection = cast("SimConnection", connection)
        verdict, request = connection.verdict, connection.request
        path = request.path if request else ""
        if verdict is None and path.startswith(MEDIA_PATH):
            await self._serve_leg(connection, path.removeprefix(MEDIA_PATH))
        elif verdict is None:
            await self._serve_journal(connection, _from(path))
        elif isinstance(verdict, SidebandRequest) and self.sip:
            await self.sip.serve_sideband(connection, verdict.call_id)
        elif isinstance(verdict, Admitted):
            await self._serve_session(connection, verdict.model)
        elif isinstance(verdict, AcceptedThenClosed):
            await self._close_with_error(connection, verdict)

    async def _serve_leg(self, connection: SimConnection, call_id: str) -> None:
        if self.sip:
            await self.sip.serve_leg(connection, call_id)
        else:
            await connection.close(4404, "no SIP here")

    def new_session(self, model: str, sink: AudioSink | None = None) -> SimModelSession:
        self._sessions_begun += 1

        def log(kind: str, **facts: Any) -> None:
            self.journal.log(session.id, kind, **facts)

        session: SimModelSession = SimModelSession(
            model=model,
            script=self.script,
            faults=self._faults,
            voice=self.voice,
            log=log,
            unix_s=time.time(),
            seed=self._sessions_begun,
            sink=sink,
        )
        session.hosted.network = Network(session.run_step)
        return session

    async def _serve_session(self, connection: SimConnection, model: str) -> None:
        session = self.new_session(model)
        driver = self.drivers[session.id] = SessionDriver(connection, session)
        headers = connection.request.headers if connection.request else {}
        safety = headers.get("OpenAI-Safety-Identifier")
        self.journal.log(session.id, "opened", model=model, safety_identifier=safety)
        try:
            await driver.run()
        finally:
            del self.drivers[session.id]
            self.journal.log(
                session.id,
                "closed",
                code=connection.close_code,
                heard_bytes=session.heard_bytes,
            )

    async def _close_with_error(
        self, connection: SimConnection, verdict: AcceptedThenClosed
    ) -> None:
        body = {
            "type": verdict.kind,
            "code": verdict.code,
            "message": verdict.message,
            "param": None,
            "event_id": None,
        }
        event = {"type": "error", "event_id": "event_admission", "error": body}
        kind = "violation" if verdict.kind == "invalid_request_error" else "error_sent"
        self.journal.log("", kind, code=verdict.code, message=verdict.message)
        with suppress(ConnectionClosed):
            await connection.send(json.dumps(event))
        await connection.close(verdict.close_code, f"{verdict.kind}.{verdict.code}")

    async def _serve_journal(self, connection: SimConnection, start: int) -> None:
        """Stream the journal to a reader; one that falls too far behind is disconnected."""
        queue: asyncio.Queue[Entry] = asyncio.Queue(JOURNAL_BACKLOG_MAX)
        past = [entry for _, entry in self.journal.entries(start)]

        def listen(_number: int, entry: Entry) -> None:
            if queue.full():
                connection.transport.abort()
            else:
                queue.put_nowait(entry)

        unsubscribe = self.journal.listen(listen)
        streaming = asyncio.create_task(_stream_journal(connection, past, queue))
        try:
            await connection.wait_closed()
        finally:
            unsubscribe()
            streaming.cancel()


async def _stream_journal(
    connection: SimConnection, past: list[Entry], entries: asyncio.Queue[Entry]
) -> None:
    with suppress(ConnectionClosed):
        for entry in past:
            await connection.send(json.dumps(entry))
        while True:
            await connection.send(json.dumps(await entries.get()))


def _from(target: str) -> int:
    """Return `from` of the query: the number of the first entry."""
    values = parse_qs(urlsplit(target).query).get("from", ["0"])
    return int(values[0]) if values[0].isdigit() else 0


def _error(code: str, message: str) -> dict[str, Any]:
    body = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return {"error": body}


def _json(status: int, document: Any) -> Response:
    body = json.dumps(document).encode()
    headers = Headers(
        {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
    )
    return Response(status, PHRASES.get(status, "Refused"), headers, body)
