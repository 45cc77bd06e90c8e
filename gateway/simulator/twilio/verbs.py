"""Executor of TwiML verbs on a call.

Nothing is streamed while the carrier takes keys itself. Sources: Twilio docs "TwiML Voice:
<Gather>", "<Pay>".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urljoin
from uuid import uuid4

from gateway.simulator.audio import analysis
from gateway.simulator.twilio import dial, enqueue, sip_trunk
from gateway.simulator.twilio.call import TwilioCall
from gateway.simulator.twilio.media_stream import MediaStream, StreamError, StreamIds
from gateway.simulator.twilio.outcomes import CallOutcome, NextStep, Trunk
from gateway.simulator.twilio.twiml import TwimlVerb, stream_parameters

HANGUP: Final = CallOutcome("gateway", "hangup_verb")
REJECTED: Final = {
    "rejected": CallOutcome("gateway", "rejected", "no-answer"),
    "busy": CallOutcome("gateway", "rejected_busy", "busy"),
}

_FINISHING: Final = frozenset("0123456789#*")
_CARD_DIGITS: Final = range(12, 20)
_CARD_TYPES: Final = {"3": "amex", "4": "visa", "5": "mastercard"}
_PROMPTS: Final = {
    "payment-card-number": "Please enter your card number.",
    "expiration-date": "Please enter the expiration date, two digits for month and year.",
    "security-code": "Please enter the security code.",
    "postal-code": "Please enter the postal code.",
}


class TwimlExecutor:
    """Carries out verbs and trunks by the simulated carrier."""

    async def verb(self, call: TwilioCall, verb: TwimlVerb, base: str) -> NextStep | None:
        """Execute one verb. Return what follows, or None for the next verb."""
        if verb.name == "Reject":
            return REJECTED.get(verb.get("reason", "rejected"), REJECTED["rejected"])
        # Every verb but <Reject> answers the call; with answerOnBridge the dialled party does.
        if not (verb.name == "Dial" and verb.get("answerOnBridge") == "true"):
            call.answer()
        handler = _HANDLERS.get(verb.name)
        if handler is None:
            call.line.warn(12200, f"<{verb.name}> is not simulated")
            return None
        return await handler(call, verb, base)

    async def trunk(self, call: TwilioCall, trunk: Trunk) -> NextStep:
        """Carry the call over an Elastic SIP Trunk."""
        return await sip_trunk.carry(call, trunk)


async def _connect(call: TwilioCall, verb: TwimlVerb, base: str) -> NextStep | None:
    stream = verb.first("Stream")
    if stream is None:
        call.line.warn(12200, "<Connect> without a <Stream> is not simulated")
        return None
    await _run_stream(call, stream, base)
    return await _action(call, verb, base)


async def _run_stream(call: TwilioCall, verb: TwimlVerb, base: str) -> None:
    account = call.webhooks.account
    ids = StreamIds(account.sid, call.call_sid, "MZ" + uuid4().hex, stream_parameters(verb))
    stream = MediaStream(call.line, ids, call.faults, call.frame_ms)
    call.streams.append(stream)
    started = asyncio.create_task(_report_started(call, verb, ids.stream_sid))
    event, problem = "stream-stopped", ""
    try:
        await stream.run(urljoin(base, verb.get("url")), account, call.webhooks.reach)
    except StreamError as error:
        event, problem = "stream-error", str(error)
        call.line.warn(error.code, error.problem)
    finally:
        started.cancel()
        _stream_callback(call, verb, ids.stream_sid, event, problem)


async def _report_started(call: TwilioCall, verb: TwimlVerb, stream_sid: str) -> None:
    await call.line.streaming.wait()
    call.line.log("stream_started", stream_sid)
    _stream_callback(call, verb, stream_sid, "stream-started")


def _stream_callback(
    call: TwilioCall, verb: TwimlVerb, stream_sid: str, event: str, problem: str = ""
) -> None:
    if not (url := verb.get("statusCallback")):
        return
    fields = {
        "StreamSid": stream_sid,
        "StreamName": verb.get("name", stream_sid),
        "StreamEvent": event,
        "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    if problem:
        fields["StreamError"] = problem
    call.post_soon(url, fields, method=verb.get("statusCallbackMethod", "POST"))


async def _action(
    call: TwilioCall, verb: TwimlVerb, base: str, extra: dict[str, str] | None = None
) -> NextStep | None:
    if not (url := verb.get("action")):
        return None
    return await call.fetch(url, extra, method=verb.get("method", "POST"), base=base)


async def _say(call: TwilioCall, verb: TwimlVerb, _base: str) -> None:
    language = verb.get("language", "en").partition("-")[0]
    words = await call.speak(verb.text, language)
    call.line.log("said_by_twilio", verb.text)
    await _play_out(call, words * max(int(verb.seconds("loop", 1)), 1))


async def _play(call: TwilioCall, verb: TwimlVerb, base: str) -> None:
    if digits := verb.get("digits"):
        await _play_out(call, analysis.keypad(digits))
        return
    answer = await call.webhooks.request(verb.text, {}, method="GET", base=base)
    try:
        music = analysis.read_mulaw(answer.content)
    except ValueError as error:
        call.line.warn(12400, f"{verb.text} cannot be played: {error}")
        return
    await _play_out(call, music * max(int(verb.seconds("loop", 1)), 1))


async def _play_out(call: TwilioCall, mulaw: bytes) -> None:
    """Play to the caller, to the end."""
    line = call.line
    line.playback.media(mulaw, line.now)
    try:
        await asyncio.sleep(analysis.milliseconds(line.playback.buffered(line.now)) / 1000)
    finally:
        line.stop_playback()


async def _pause(_call: TwilioCall, verb: TwimlVerb, _base: str) -> None:
    await asyncio.sleep(verb.seconds("length", 1))


async def _hang_up(_call: TwilioCall, _verb: TwimlVerb, _base: str) -> NextStep:
    return HANGUP


async def _redirect(call: TwilioCall, verb: TwimlVerb, base: str) -> NextStep:
    return await call.fetch(verb.text, method=verb.get("method", "POST"), base=base)


async def gather(call: TwilioCall, verb: TwimlVerb, base: str) -> NextStep | None:
    """Take keys, and request the action; without any only if `actionOnEmptyResult` says so."""
    if verb.get("finishOnKey", "#") not in {"", *_FINISHING}:
        call.line.warn(13310, "Gather: invalid finishOnKey value")
    if verb.get("numDigits") and not verb.get("numDigits").isdecimal():
        call.line.warn(13314, "Gather: invalid numDigits value")
    prompt = asyncio.create_task(_prompt(call, verb, base))
    try:
        digits = await _digits(call, verb, prompt)
    finally:
        prompt.cancel()
    if not digits and verb.get("actionOnEmptyResult") != "true":
        return None
    url = verb.get("action") or base
    return await call.fetch(url, {"Digits": digits}, method=verb.get("method", "POST"), base=base)


async def _prompt(call: TwilioCall, verb: TwimlVerb, base: str) -> None:
    for child in verb.children:
        await call.executor.verb(call, child, base)
    call.prompt_played()


async def _digits(call: TwilioCall, verb: TwimlVerb, prompt: asyncio.Task[None]) -> str:
    """Return the keys pressed until there are enough, the finishing key, or the timeout."""
    wanted, finish = int(verb.seconds("numDigits", 1000)), verb.get("finishOnKey", "#")
    digits, wait_s = "", verb.seconds("timeout", 5)
    while len(digits) < wanted:
        key = await _key(call, None if digits else prompt, wait_s)
        if key is None:
            break
        prompt.cancel()
        if finish and key in finish:
            break
        digits += key
    return digits


async def _key(call: TwilioCall, prompt: asyncio.Task[None] | None, wait_s: float) -> str | None:
    """Return the next key; the time for the first one begins when the prompt is over."""
    key = asyncio.ensure_future(call.keys.get())
    try:
        if prompt is not None:
            await asyncio.wait({key, prompt}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({key}, timeout=wait_s)
        return key.result() if key.done() else None
    finally:
        key.cancel()


async def pay(call: TwilioCall, verb: TwimlVerb, base: str) -> NextStep | None:
    """Take a card field by field; a star ends it, and so do too many mistakes."""
    asked = ["payment-card-number", "expiration-date"]
    asked += [name for name in ("security-code", "postal-code") if _wants(verb, name)]
    fields: dict[str, str] = {}
    result = "success"
    for name in asked:
        entered = await _field(call, verb, name)
        if entered is None:
            result = "caller-interrupted-with-star"
        elif not entered:
            result = "too-many-failed-attempts"
        if not entered:
            break
        fields |= _shown(name, entered)
    extra = {"Result": result, "PaymentConnector": verb.get("paymentConnector", "Default")}
    if result == "success":
        extra |= fields | {"PaymentMethod": "credit-card", "PaymentToken": f"tok_{uuid4().hex}"}
    if not (url := verb.get("action")):
        return None
    return await call.fetch(url, extra, method=verb.get("method", "POST"), base=base)


def _wants(verb: TwimlVerb, name: str) -> bool:
    attribute = {"security-code": "securityCode", "postal-code": "postalCode"}[name]
    return verb.get(attribute, "true") != "false"


async def _field(call: TwilioCall, verb: TwimlVerb, name: str) -> str | None:
    """Return what was entered: "" when no attempt was right, None after a star."""
    for _ in range(max(int(verb.seconds("maxAttempts", 1)), 1)):
        say = TwimlVerb("Say", {"language": verb.get("language", "en-US")}, _PROMPTS[name])
        prompt = asyncio.create_task(call.executor.verb(call, say, ""))
        taking = TwimlVerb("Gather", {"timeout": verb.get("timeout", "5")})
        try:
            keys = await _digits(call, taking, prompt)  # type: ignore[arg-type] # its result is of no use
        finally:
            prompt.cancel()
        if "*" in keys:
            return None
        if _fits(name, keys):
            return keys
    return ""


def _fits(name: str, keys: str) -> bool:
    if name == "payment-card-number":
        return len(keys) in _CARD_DIGITS and _luhn(keys)
    if name == "expiration-date":
        return len(keys) == 4 and 1 <= int(keys[:2]) <= 12
    return len(keys) in (3, 4) if name == "security-code" else bool(keys)


def _luhn(number: str) -> bool:
    doubled = (int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(number)))
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def _shown(name: str, entered: str) -> dict[str, str]:
    """Return the fields of the action request: masked, as the carrier masks them."""
    if name == "payment-card-number":
        masked = "x" * (len(entered) - 4) + entered[-4:]
        return {"PaymentCardNumber": masked, "PaymentCardType": _CARD_TYPES.get(entered[0], "card")}
    if name == "expiration-date":
        return {"ExpirationDate": entered}
    return (
        {"SecurityCode": "xxx"} if name == "security-code" else {"PaymentCardPostalCode": entered}
    )


async def _dial(call: TwilioCall, verb: TwimlVerb, base: str) -> NextStep | None:
    outcome = await dial.dial(call, verb, base)
    return outcome.next_step or await _action(call, verb, base, outcome.fields())


async def _enqueue(call: TwilioCall, verb: TwimlVerb, base: str) -> NextStep | None:
    result = await enqueue.wait(call, verb, base)
    if isinstance(result, CallOutcome):
        return result
    position = call.queue_position
    fields = position.fields(result) if position is not None else {"QueueResult": result}
    return await _action(call, verb, base, fields)


_HANDLERS: Final[dict[str, Callable[[TwilioCall, TwimlVerb, str], Awaitable[NextStep | None]]]] = {
    "Connect": _connect,
    "Dial": _dial,
    "Enqueue": _enqueue,
    "Gather": gather,
    "Hangup": _hang_up,
    "Pause": _pause,
    "Pay": pay,
    "Play": _play,
    "Redirect": _redirect,
    "Say": _say,
}
