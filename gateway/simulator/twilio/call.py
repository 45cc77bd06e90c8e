"""One call as Twilio runs it: the webhook, the TwiML that it answers, and the callbacks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from urllib.parse import urljoin
from uuid import uuid4

from gateway.errors import ServiceUnreachable
from gateway.simulator.audio.tts import Speaker, speak_mulaw
from gateway.simulator.scenario.faults import Faults
from gateway.simulator.scenario.parties import PersonSpec
from gateway.simulator.twilio.dial_recording import DialRecording
from gateway.simulator.twilio.line import TelephoneLine
from gateway.simulator.twilio.media_stream import MediaStream
from gateway.simulator.twilio.outcomes import (
    APPLICATION_ERROR,
    COMPLETED,
    END_OF_DOCUMENT,
    HUNG_UP,
    CallOutcome,
    DialOutcome,
    Fetch,
    NextStep,
    Trunk,
)
from gateway.simulator.twilio.queues import BRIDGED, QueuePosition, ReachableParties
from gateway.simulator.twilio.sip_leg import CarrierSipLeg
from gateway.simulator.twilio.twiml import TwimlDocument, TwimlError, TwimlVerb, parse
from gateway.simulator.twilio.webhooks import WebhookFailed, Webhooks

API_VERSION: Final = "2010-04-01"
XML_TYPES: Final = ("text/xml", "application/xml")


@dataclass(frozen=True, slots=True)
class Number:
    """Settings of the dialled number in the Twilio console."""

    voice_url: str
    fallback_url: str = ""
    status_callback: str = ""
    trunk: Trunk | None = None
    """A trunk switches the voice URL off."""


@dataclass(frozen=True, slots=True)
class Parties:
    """Numbers of the two ends of a call."""

    caller: str
    called: str


class Executor(Protocol):
    """Carries out TwiML verbs and trunks on a call."""

    async def verb(self, call: TwilioCall, verb: TwimlVerb, base: str) -> NextStep | None:
        """Execute one verb. Return what follows, or None for the next verb."""

    async def trunk(self, call: TwilioCall, trunk: Trunk) -> NextStep:
        """Carry the call over an Elastic SIP Trunk."""


class Placement(Protocol):
    """How a call that was placed over REST reaches the called party."""

    async def ring(self, call: TwilioCall) -> NextStep:
        """Ring the called party. Return what runs on answer, or the outcome."""

    def prompt_played(self, call: TwilioCall) -> None:
        """React to a prompt that asks for a key and has been played."""


@dataclass
class TwilioCall:
    """The carrier's half of a call; the person acts on `line`, `press` and `hang_up`."""

    webhooks: Webhooks
    number: Number
    parties: Parties
    line: TelephoneLine
    executor: Executor
    faults: Faults = field(default_factory=Faults)
    speak: Speaker = speak_mulaw
    frame_ms: int = 20
    call_sid: str = field(default_factory=lambda: "CA" + uuid4().hex)
    status: str = "queued"
    direction: str = "inbound"
    placement: Placement | None = None
    """Set for calls that were placed over REST."""
    reachable: ReachableParties = field(default_factory=ReachableParties)
    person: PersonSpec = field(default_factory=PersonSpec)
    """The person at the telephone, unless it is the scenario's caller."""
    streams: list[MediaStream] = field(default_factory=list)
    sip_leg: CarrierSipLeg | None = None
    dial_outcome: DialOutcome | None = None
    queue_position: QueuePosition | None = None
    recordings: list[DialRecording] = field(default_factory=list)
    keys: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    current_action: str = ""
    _update: asyncio.Future[NextStep] | None = None
    _background: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> CallOutcome:
        """Run the whole call. Raises ServiceUnreachable when the gateway refuses connections."""
        outcome = APPLICATION_ERROR
        try:
            self.status = "ringing"
            if self.placement is not None:
                self.status = "queued"
                first = await self.placement.ring(self)
            else:
                first = self.number.trunk or Fetch(self.number.voice_url)
            outcome = await self._follow(first)
        finally:
            self.status = outcome.status
            self.line.log("ended", f"{outcome.by}: {outcome.how}")
            self.line.close()
            await self._report_end(outcome)
        return outcome

    # --- what others do to the call ---

    def begin_step(self) -> asyncio.Future[NextStep]:
        """Return the future that `update` completes: what replaces the step that begins now."""
        self._update = asyncio.get_running_loop().create_future()
        return self._update

    def update(self, step: NextStep) -> bool:
        """Replace what runs, for the REST API or the caller. Return False when it is too late."""
        if self._update is None or self._update.done() or self.line.over.is_set():
            return False
        self._update.set_result(step)
        return True

    def hang_up(self) -> None:
        """End the call as the caller."""
        self.update(HUNG_UP)

    async def press(self, digit: str) -> None:
        """Send a key of the caller's keypad to whatever listens."""
        self.line.log("pressed", digit)
        if self.stream is not None and self.line.streaming.is_set():
            await self.stream.press(digit)
        elif self.sip_leg is not None:
            await self.sip_leg.press(digit)
        else:
            self.keys.put_nowait(digit)

    @property
    def stream(self) -> MediaStream | None:
        """The newest media stream of the call."""
        return self.streams[-1] if self.streams else None

    def answer(self) -> None:
        """Answer the call: the caller no longer hears ringing."""
        if not self.line.answered.is_set():
            self.status = "in-progress"
            self.line.answer()
            self.line.log("answered")

    def connect(self, party: str) -> None:
        """Connect the caller with a person."""
        self.answer()
        self.line.log("person_answered", party)

    def prompt_played(self) -> None:
        """Report that a prompt that asks for a key has been played."""
        if self.placement is not None:
            self.placement.prompt_played(self)

    # --- running documents ---

    async def _follow(self, step: NextStep) -> CallOutcome:
        """Run documents until there is nothing left to run."""
        while not isinstance(step, CallOutcome):
            step = await self._run_until_updated(step)
        return step

    async def _run_until_updated(self, step: TwimlDocument | Fetch | Trunk) -> NextStep:
        """Return what the running document leads to, or what a REST update or the caller wants."""
        update = self.begin_step()
        verbs = asyncio.create_task(self._run(step))
        try:
            await asyncio.wait({verbs, update}, return_when=asyncio.FIRST_COMPLETED)
            if not update.done():
                return verbs.result()
        finally:
            verbs.cancel()
            await asyncio.wait({verbs})
        wanted = update.result()
        if self.queue_position is not None and not isinstance(wanted, CallOutcome):
            self._report_dequeued(self.queue_position, "redirected")
            self._end_verb()
        return wanted

    def _end_verb(self) -> None:
        self.current_action, self.dial_outcome, self.queue_position = "", None, None

    def _report_dequeued(self, position: QueuePosition, result: str) -> None:
        """Post to the action of `<Enqueue>`; its answer is ignored after a redirect."""
        if position.result == BRIDGED:
            result = f"{result}-from-bridged"
        if self.current_action:
            self.post_soon(self.current_action, position.fields(result))

    async def _run(self, step: TwimlDocument | Fetch | Trunk) -> NextStep:
        if isinstance(step, Trunk):
            return await self.executor.trunk(self, step)
        try:
            document = await self._first(step) if isinstance(step, Fetch) else step
            for verb in document.verbs:
                action = verb.get("action")
                self.current_action = urljoin(document.base_url, action) if action else ""
                following = await self.executor.verb(self, verb, document.base_url)
                self._end_verb()
                if following is not None:
                    return following
        except (WebhookFailed, TwimlError) as error:
            self.warn(error)
            return APPLICATION_ERROR
        return END_OF_DOCUMENT

    async def _first(self, step: Fetch) -> TwimlDocument:
        """Fetch the first document, with the number's fallback URL as for an arriving call."""
        try:
            return await self.fetch(step.url, method=step.method)
        except (WebhookFailed, TwimlError) as error:
            if self.number.fallback_url:
                self.warn(error)
                code = error.code if isinstance(error, TwimlError) else 11200
                extra = {"ErrorCode": str(code), "ErrorUrl": step.url}
                return await self.fetch(self.number.fallback_url, extra)
            if isinstance(error, WebhookFailed) and error.unreachable and not self._was_answered:
                raise ServiceUnreachable(f"The gateway {error}; is it running there?") from error
            raise

    @property
    def _was_answered(self) -> bool:
        return self.line.answered.is_set()

    # --- webhooks ---

    async def fetch(
        self,
        url: str,
        extra: dict[str, str] | None = None,
        *,
        method: str = "POST",
        base: str = "",
    ) -> TwimlDocument:
        """Return the TwiML of a webhook. Raises WebhookFailed and TwimlError."""
        fields = self.fields() | (extra or {})
        response = await self.webhooks.request(url, fields, method=method, base=base)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in XML_TYPES:
            raise TwimlError(12300, f"content type {kind or 'missing'} from {url}")
        self.line.log("twiml", response.text)
        return parse(response.text, str(url if "://" in url else base))

    def fields(self) -> dict[str, str]:
        """Return the form fields that every request about this call has."""
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

    def completion_fields(self) -> dict[str, str]:
        """Return the form fields of a status callback."""
        seconds = str(round(self.line.now_ms / 1000))
        return {
            "CallDuration": seconds,
            "Duration": "1",
            "Timestamp": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S +0000"),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": "0",
        }

    def post_soon(self, url: str, extra: dict[str, str], *, method: str = "POST") -> None:
        """Post a callback about this call in the background; a failure is a warning."""
        self.run_in_background(self.post(url, self.fields() | extra, method))

    async def post(self, url: str, fields: dict[str, str], method: str = "POST") -> None:
        """Post exactly these fields; a failure is a warning."""
        try:
            await self.webhooks.request(url, fields, method=method)
        except WebhookFailed as error:
            self.warn(error)

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work that the call does not wait for until it ends."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def warn(self, error: WebhookFailed | TwimlError) -> None:
        """Add the warning that Twilio's debugger shows for an error."""
        code = error.code if isinstance(error, TwimlError) else 11200
        self.line.warn(code, error.problem if isinstance(error, TwimlError) else str(error))

    async def _report_end(self, outcome: CallOutcome) -> None:
        """Post the action of a verb that the hang-up ended, and the status callback."""
        if self._was_answered and self.current_action and outcome in (HUNG_UP, COMPLETED):
            state = self.queue_position or self.dial_outcome
            self.post_soon(self.current_action, state.fields() if state else {})
        if self.number.status_callback:
            self.post_soon(self.number.status_callback, self.completion_fields())
        if self._background:
            await asyncio.wait(self._background)
