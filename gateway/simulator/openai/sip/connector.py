"""OpenAI's SIP connector on loopback: INVITEs in, webhooks out, control calls, sidebands.

An INVITE is a POST to `/simulator/invite`; sound and signals of the call then go over a private
WebSocket, `/simulator/media/{call_id}`, as mu-law frames in real time and JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import httpx2

from gateway.simulator import sip_uri
from gateway.simulator.openai.realtime.connection import SimConnection
from gateway.simulator.openai.realtime.handshake import HandshakeRejected
from gateway.simulator.openai.realtime.journal import Journal
from gateway.simulator.openai.realtime.script import Script, Webhook
from gateway.simulator.openai.realtime.session import SimModelSession
from gateway.simulator.openai.sip.call import SimSipCall
from gateway.simulator.openai.sip.playback import OutputBuffer
from gateway.simulator.openai.sip.webhooks import CallAnnouncement, Delivery, WebhookSender
from gateway.simulator.openai_project import SIP_HOSTS, SipAccount

MEDIA_PATH: Final = "/simulator/media/"
DEFAULT_MODEL: Final = "gpt-realtime"
CALLS_KEPT: Final = 10_000
AUTHORIZATION: Final = frozenset({"authorization", "proxy-authorization"})

NewSession = Callable[[str, OutputBuffer], SimModelSession]


class Connector:
    """SIP calls of one project."""

    def __init__(
        self,
        account: SipAccount,
        script: Script,
        journal: Journal,
        client: httpx2.AsyncClient,
        new_session: NewSession,
    ) -> None:
        self.account, self.script, self.journal = account, script.sip, journal
        self.calls: dict[str, SimSipCall] = {}
        self._new_session = new_session
        self._sender = WebhookSender(
            account.webhook_url, account.webhook_secrets, client, self._log
        )
        self._failed: dict[str, int] = {}
        self._work: set[asyncio.Task[Any]] = set()

    def _log(self, kind: str, **facts: Any) -> None:
        self.journal.log("", kind, **facts)

    def violation(self, code: str, message: str, **facts: Any) -> None:
        self._log("violation", code=code, message=message, **facts)

    # --- an INVITE arrives ---

    def refuse_invite(self, uri: str) -> int:
        """Return the SIP status that refuses an INVITE to this address; 0 accepts it."""
        try:
            address = sip_uri.parse(uri)
        except ValueError as error:
            self.violation("invalid_sip_uri", str(error))
            return 400
        host = address.host.partition(":")[0].lower()
        if host not in SIP_HOSTS:
            self.violation("unknown_sip_host", f"{address.host} is no SIP host of OpenAI's.")
            return 503
        if address.parameters.get("transport", "").lower() != "tls":
            self.violation("no_tls", f"{uri}: signalling is over TLS only: add ;transport=tls.")
            return 503
        if address.user != self.account.project:
            self.violation("unknown_project", f"{address.user} is not {self.account.project}.")
            return 404
        return 0

    def invite(
        self, headers: list[dict[str, str]], media: str, webhooks: tuple[Webhook, ...] | None
    ) -> SimSipCall:
        """Begin a call: it rings and is announced by webhook."""
        security = self.script.media_security
        shown = tuple(h for h in headers if h["name"].lower() not in AUTHORIZATION)
        incoming = CallAnnouncement(
            f"rtc_u1_{uuid4().hex}", shown, media if security is None else security
        )
        call = SimSipCall(incoming, self.script, self._log)
        self._remember(call)
        self._log("invited", call_id=call.call_id, headers=list(shown), media=media)
        self._keep(self._announce(call, webhooks or self.script.webhooks))
        return call

    def _remember(self, call: SimSipCall) -> None:
        self.calls[call.call_id] = call
        if len(self.calls) > CALLS_KEPT:
            oldest = next(iter(self.calls))
            if self.calls[oldest].ended.is_set():
                del self.calls[oldest]

    async def _announce(self, call: SimSipCall, webhooks: tuple[Webhook, ...]) -> None:
        """Announce a call until it has ended."""
        streaming = asyncio.create_task(self._sender.announce(call.incoming, webhooks))
        ended = asyncio.create_task(call.ended.wait())
        await asyncio.wait({streaming, ended}, return_when=asyncio.FIRST_COMPLETED)
        streaming.cancel()
        ended.cancel()

    def _keep(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def announce(self, call_id: str, webhooks: tuple[Webhook, ...]) -> list[Delivery]:
        """Send webhooks about any call or none. Return how each was answered."""
        call = self.calls.get(call_id)
        incoming = call.incoming if call else CallAnnouncement(call_id, (), "srtp")
        return await self._sender.announce(incoming, webhooks)

    # --- control calls ---

    def control_fails(self, verb: str) -> int:
        """Return the script's status for a control call; 0 lets it succeed."""
        status = getattr(self.script, f"{verb}_status")
        if not status:
            return 0
        self._failed[verb] = self._failed.get(verb, 0) + 1
        times = self.script.times
        return int(status) if times is None or self._failed[verb] <= times else 0

    def accept(self, call: SimSipCall, session: dict[str, Any]) -> None:
        """Accept a call with a session. Raises InvalidValue before anything has happened."""
        new = self._new_session(session.get("model") or DEFAULT_MODEL, call.buffer)
        call.buffer.bind(new)
        new.open(asyncio.get_running_loop().time())
        new.configure(session)
        call.accept(new)

    # --- sockets ---

    def admit_sideband(self, call_id: str) -> HandshakeRejected | None:
        """Return why a sideband is rejected; None admits it."""
        call = self.calls.get(call_id)
        if call is None or call.state != "live":
            return HandshakeRejected(404, "call_id_not_found", "No session found for this call_id.")
        if call.attached and self.script.sideband_refused:
            return HandshakeRejected(
                self.script.sideband_refused, "server_error", "Scripted refusal."
            )
        return None

    async def serve_sideband(self, socket: SimConnection, call_id: str) -> None:
        call = self.calls[call_id]
        self._log("sideband_opened", call_id=call_id)
        if call.state == "live":  # it may have ended during the handshake
            call.attach(socket)
        else:
            socket.drop(1006)
        try:
            await socket.finished()
        finally:
            call.detach(socket)
            self._log("sideband_closed", call_id=call_id, code=socket.close_code)

    async def serve_leg(self, socket: SimConnection, call_id: str) -> None:
        """Serve the carrier's leg of a call; when it closes, the call has ended."""
        call = self.calls.get(call_id)
        if call is None or not call.join(socket):
            await socket.close(4404, "no such call")
            return
        ended = asyncio.create_task(call.ended.wait())
        gone = asyncio.create_task(socket.wait_closed())
        await asyncio.wait({ended, gone}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        call.leave()
        await socket.close()
        await gone

    def close(self) -> None:
        """End every call and cancel all webhooks."""
        for call in self.calls.values():
            call.finish(503)
        for task in tuple(self._work):
            task.cancel()
