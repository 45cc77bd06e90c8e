"""One call as Twilio runs it: the webhook, the TwiML it answers, and the callbacks around it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urljoin
from uuid import uuid4

from gateway.errors import ServiceUnreachable
from gateway.simulator.audio.synthesis import Speaker, speak_mulaw
from gateway.simulator.scenario.faults import Faults
from gateway.simulator.scenario.schema import PersonSpec
from gateway.simulator.twilio import sip_trunk as trunk
from gateway.simulator.twilio.line import CallerEnd
from gateway.simulator.twilio.media_stream import MediaStream
from gateway.simulator.twilio.outcomes import (
    APPLICATION_ERROR,
    COMPLETED,
    END_OF_DOCUMENT,
    HUNG_UP,
    CallOutcome,
    Fetch,
    NextStep,
    Trunk,
)
from gateway.simulator.twilio.queues import BRIDGED, QueuePosition
from gateway.simulator.twilio.reachable import Outcome, ReachableParties
from gateway.simulator.twilio.sip_leg import SipLeg
from gateway.simulator.twilio.twiml import TwimlDocument, TwimlError, parse
from gateway.simulator.twilio.verbs import execute
from gateway.simulator.twilio.webhooks import WebhookFailed, Webhooks

API_VERSION: Final = "2010-04-01"
XML_TYPES: Final = ("text/xml", "application/xml")


@dataclass(frozen=True, slots=True)
class Number:
    """How the dialled number is set up in the Twilio console."""

    voice_url: str
    fallback_url: str = ""
    status_callback: str = ""
    trunk: Trunk | None = None
    """Switches the voice URL off."""


@dataclass(frozen=True, slots=True)
class Parties:
    caller: str
    called: str


@dataclass
class TwilioCall:
    """The carrier's half of one call; the person's half acts on `line`, `press` and `hang_up`."""

    webhooks: Webhooks
    number: Number
    parties: Parties
    line: CallerEnd
    faults: Faults = field(default_factory=Faults)
    speak: Speaker = speak_mulaw
    frame_ms: int = 20
    call_sid: str = field(default_factory=lambda: "CA" + uuid4().hex)
    status: str = "queued"
    direction: str = "inbound"
    stream: MediaStream | None = None
    streams: list[MediaStream] = field(default_factory=list)
    exchange: ReachableParties = field(default_factory=ReachableParties)
    leg: SipLeg | None = None
    dialled: Outcome | None = None
    place: QueuePosition | None = None
    """In a queue."""
    person: PersonSpec = field(default_factory=PersonSpec)
    """Who has the telephone, if that is not the scenario's caller."""
    keys: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    current_action: str = ""
    _order: asyncio.Future[NextStep] | None = None
    _background: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> CallOutcome:
        """The whole call. Raises ServiceUnreachable when the gateway cannot be connected to."""
        ending = APPLICATION_ERROR
        try:
            ending = await self._whole()
        finally:
            self.status = ending.status
            self.line.note("ended", f"{ending.by}: {ending.how}")
            self.line.close()
            await self._after(ending)
        return ending

    async def _whole(self) -> CallOutcome:
        self.status = "ringing"
        return await self._follow(self.number.trunk or Fetch(self.number.voice_url))

    def update(self, order: NextStep) -> bool:
        """What the REST API or the caller's hand demands. False when the call is over."""
        if self._order is None or self._order.done() or self.line.over.is_set():
            return False
        self._order.set_result(order)
        return True

    def hang_up(self) -> None:
        self.update(HUNG_UP)

    async def press(self, digit: str) -> None:
        self.line.note("pressed", digit)
        if self.stream is not None and self.line.streaming.is_set():
            await self.stream.press(digit)
        elif self.leg is not None:
            await self.leg.press(digit)
        else:
            self.keys.put_nowait(digit)

    async def _follow(self, order: NextStep) -> CallOutcome:
        """Runs documents until there is nothing left to run."""
        while not isinstance(order, CallOutcome):
            order = await self._run_until_ordered(order)
        return order

    async def _run_until_ordered(self, order: TwimlDocument | Fetch | Trunk) -> NextStep:
        """What the running document leads to, or what a REST update or the caller demands."""
        self._order = asyncio.get_running_loop().create_future()
        verbs = asyncio.create_task(self._run(order))
        try:
            await asyncio.wait({verbs, self._order}, return_when=asyncio.FIRST_COMPLETED)
            if not self._order.done():
                return verbs.result()
        finally:
            verbs.cancel()
            await asyncio.wait({verbs})
        demanded = self._order.result()
        if self.place is not None and not isinstance(demanded, CallOutcome):
            self._tell_of_queue("redirected")
            self._verb_is_over()
        return demanded

    def _verb_is_over(self) -> None:
        self.current_action, self.dialled, self.place = "", None, None

    def _tell_of_queue(self, result: str) -> None:
        """The action is asked besides what takes its place, and nobody obeys its answer."""
        assert self.place is not None  # noqa: S101 - he was in one
        if self.place.result == BRIDGED:
            result = f"{result}-from-bridged"
        if self.current_action:
            self.post_soon(self.current_action, self.place.fields(result))

    def prompted(self) -> None:
        """All has been said that asks for a key."""

    async def _run(self, order: TwimlDocument | Fetch | Trunk) -> NextStep:
        if isinstance(order, Trunk):
            return await trunk.carry(self, order)
        try:
            document = await self._first(order) if isinstance(order, Fetch) else order
            for verb in document.verbs:
                action = verb.get("action")
                self.current_action = urljoin(document.base_url, action) if action else ""
                following = await execute(self, verb, document.base_url)
                self._verb_is_over()
                if following is not None:
                    return following
        except (WebhookFailed, TwimlError) as error:
            self.warn_of(error)
            return APPLICATION_ERROR
        return END_OF_DOCUMENT

    async def _first(self, order: Fetch) -> TwimlDocument:
        """A document with the number's fallback, as for an arriving call."""
        try:
            return await self.fetch(order.url, method=order.method)
        except (WebhookFailed, TwimlError) as error:
            if self.number.fallback_url:
                self.warn_of(error)
                code = error.code if isinstance(error, TwimlError) else 11200
                extra = {"ErrorCode": str(code), "ErrorUrl": order.url}
                return await self.fetch(self.number.fallback_url, extra)
            if isinstance(error, WebhookFailed) and error.unreachable and not self._was_answered:
                raise ServiceUnreachable(f"The gateway {error}; is it running there?") from error
            raise

    @property
    def _was_answered(self) -> bool:
        return self.line.answered.is_set()

    async def fetch(
        self,
        url: str,
        extra: dict[str, str] | None = None,
        *,
        method: str = "POST",
        base: str = "",
    ) -> TwimlDocument:
        """TwiML from a webhook. Raises WebhookFailed and TwimlError."""
        fields = self.fields() | (extra or {})
        response = await self.webhooks.request(url, fields, method=method, base=base)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in XML_TYPES:
            raise TwimlError(12300, f"content type {kind or 'missing'} from {url}")
        self.line.note("twiml", response.text)
        return parse(response.text, str(url if "://" in url else base))

    def fields(self) -> dict[str, str]:
        """What every request about this call carries."""
        caller, called = self.parties.caller, self.parties.called
        geography = {
            f"{who}{what}": value
            for who in ("From", "Caller", "To", "Called")
            for what, value in (("City", ""), ("State", "CA"), ("Zip", ""), ("Country", "US"))
        }
        return geography | {
            "AccountSid": self.webhooks.account.sid,
            "ApiVersion": API_VERSION,
            "CallSid": self.call_sid,
            "CallStatus": self.status,
            "CallToken": f'{{"parentCallInfoToken":"{self.call_sid[2:]}==","v":1}}',
            "Called": called,
            "Caller": caller,
            "Direction": self.direction,
            "From": caller,
            "StirVerstat": "TN-Validation-Passed-A",
            "To": called,
        }

    def post_soon(self, url: str, extra: dict[str, str], *, method: str = "POST") -> None:
        """A callback that the call does not wait for; one that fails is a warning."""
        fields = self.fields() | extra
        self.keep(self._callback(url, fields, method))

    async def _callback(self, url: str, fields: dict[str, str], method: str) -> None:
        try:
            await self.webhooks.request(url, fields, method=method)
        except WebhookFailed as error:
            self.warn_of(error)

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def warn_of(self, error: WebhookFailed | TwimlError) -> None:
        code = error.code if isinstance(error, TwimlError) else 11200
        self.line.warn(code, error.problem if isinstance(error, TwimlError) else str(error))

    async def _after(self, ending: CallOutcome) -> None:
        """The last words to the gateway: the verb's action when the line went dead under it."""
        if self._was_answered and self.current_action and ending in (HUNG_UP, COMPLETED):
            state = self.place or self.dialled
            self.post_soon(self.current_action, state.fields() if state else {})
        if self.number.status_callback:
            self.post_soon(self.number.status_callback, self._completion())
        if self._background:
            await asyncio.wait(self._background)

    def _completion(self) -> dict[str, str]:
        seconds = str(round(self.line.now_ms / 1000))
        return {
            "CallDuration": seconds,
            "Duration": "1",
            "Timestamp": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000"),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": "0",
        }
