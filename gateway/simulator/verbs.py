"""Executes TwiML verbs on a call, each returning what follows, or None for the next verb."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin
from uuid import uuid4

from gateway.simulator import dial, exchange, queue, telephone
from gateway.simulator.endings import Ending, Order
from gateway.simulator.media_client import MediaStream, StreamError, StreamIds
from gateway.simulator.twiml import Verb, stream_parameters

if TYPE_CHECKING:
    from gateway.simulator.twilio_call import TwilioCall

HANGUP: Final = Ending("gateway", "hangup_verb")
REJECTED: Final = {
    "rejected": Ending("gateway", "rejected", "no-answer"),
    "busy": Ending("gateway", "rejected_busy", "busy"),
}


async def execute(call: TwilioCall, verb: Verb, base: str) -> Order | None:
    """One verb. The first that is no `<Reject>` answers the call, or whoever is dialled does."""
    if verb.name == "Reject":
        return REJECTED.get(verb.get("reason", "rejected"), REJECTED["rejected"])
    if not (verb.name == "Dial" and verb.get("answerOnBridge") == "true"):
        exchange.answer(call)
    handler = _HANDLERS.get(verb.name)
    if handler is None:
        call.line.warn(12200, f"<{verb.name}> cannot be rehearsed here")
        return None
    return await handler(call, verb, base)


async def _connect(call: TwilioCall, verb: Verb, base: str) -> Order | None:
    stream = verb.first("Stream")
    if stream is None:
        call.line.warn(12200, "<Connect> without a <Stream> cannot be rehearsed here")
        return None
    await _run_stream(call, stream, base)
    return await _action(call, verb, base)


async def _run_stream(call: TwilioCall, verb: Verb, base: str) -> None:
    account = call.webhooks.account
    ids = StreamIds(account.sid, call.call_sid, "MZ" + uuid4().hex, stream_parameters(verb))
    stream = MediaStream(call.line, ids, call.faults, call.frame_ms)
    call.stream = stream
    call.streams.append(stream)
    watch = asyncio.create_task(_announce(call, verb, ids.stream_sid))
    event, problem = "stream-stopped", ""
    try:
        await stream.run(urljoin(base, verb.get("url")), account, call.webhooks.reach)
    except StreamError as error:
        event, problem = "stream-error", str(error)
        call.line.warn(error.code, error.problem)
    finally:
        watch.cancel()
        _stream_callback(call, verb, ids.stream_sid, event, problem)


async def _announce(call: TwilioCall, verb: Verb, stream_sid: str) -> None:
    await call.line.streaming.wait()
    call.line.note("stream_started", stream_sid)
    _stream_callback(call, verb, stream_sid, "stream-started")


def _stream_callback(
    call: TwilioCall, verb: Verb, stream_sid: str, event: str, problem: str = ""
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
    call: TwilioCall, verb: Verb, base: str, extra: dict[str, str] | None = None
) -> Order | None:
    if not (url := verb.get("action")):
        return None
    return await call.fetch(url, extra, method=verb.get("method", "POST"), base=base)


async def _say(call: TwilioCall, verb: Verb, _base: str) -> None:
    language = verb.get("language", "en").partition("-")[0]
    words = await call.speak(verb.text, language)
    call.line.note("said_by_twilio", verb.text)
    await _let_hear(call, words * max(int(verb.seconds("loop", 1)), 1))


async def _play(call: TwilioCall, verb: Verb, base: str) -> None:
    if digits := verb.get("digits"):
        await _let_hear(call, telephone.keypad(digits))
        return
    answer = await call.webhooks.request(verb.text, {}, method="GET", base=base)
    try:
        music = telephone.read_mulaw(answer.content)
    except ValueError as error:
        call.line.warn(12400, f"{verb.text} cannot be played: {error}")
        return
    await _let_hear(call, music * max(int(verb.seconds("loop", 1)), 1))


async def _let_hear(call: TwilioCall, mulaw: bytes) -> None:
    """Plays to the caller, to the end."""
    line = call.line
    line.ear.media(mulaw, line.now)
    try:
        await asyncio.sleep(telephone.milliseconds(line.ear.buffered(line.now)) / 1000)
    finally:
        line.hush()


async def _pause(_call: TwilioCall, verb: Verb, _base: str) -> None:
    await asyncio.sleep(verb.seconds("length", 1))


async def _hang_up(_call: TwilioCall, _verb: Verb, _base: str) -> Order:
    return HANGUP


async def _redirect(call: TwilioCall, verb: Verb, base: str) -> Order:
    return await call.fetch(verb.text, method=verb.get("method", "POST"), base=base)


async def _gather(call: TwilioCall, verb: Verb, base: str) -> Order | None:
    prompt = asyncio.create_task(_prompt(call, verb, base))
    try:
        digits = await _digits(call, verb, prompt)
    finally:
        prompt.cancel()
    if not digits:
        return None
    url = verb.get("action") or base
    return await call.fetch(url, {"Digits": digits}, method=verb.get("method", "POST"), base=base)


async def _prompt(call: TwilioCall, verb: Verb, base: str) -> None:
    for child in verb.children:
        await execute(call, child, base)
    call.prompted()


async def _digits(call: TwilioCall, verb: Verb, prompt: asyncio.Task[None]) -> str:
    """Keys until enough, the finishing key, or nothing within the timeout after the prompt."""
    wanted, finish = int(verb.seconds("numDigits", 1000)), verb.get("finishOnKey", "#")
    digits = ""
    while len(digits) < wanted:
        key = asyncio.ensure_future(call.keys.get())
        if not digits:
            await asyncio.wait({key, prompt}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({key}, timeout=verb.seconds("timeout", 5))
        if not key.done():
            key.cancel()
            break
        prompt.cancel()
        if key.result() in finish:
            break
        digits += key.result()
    return digits


async def _dial(call: TwilioCall, verb: Verb, base: str) -> Order | None:
    outcome = await dial.dial(call, verb, base)
    return outcome.order or await _action(call, verb, base, outcome.fields())


async def _enqueue(call: TwilioCall, verb: Verb, base: str) -> Order | None:
    result = await queue.wait(call, verb, base, execute)
    if isinstance(result, Ending):
        return result
    fields = call.place.fields(result) if call.place is not None else {"QueueResult": result}
    return await _action(call, verb, base, fields)


_HANDLERS: Final[dict[str, Callable[[TwilioCall, Verb, str], Awaitable[Order | None]]]] = {
    "Connect": _connect,
    "Dial": _dial,
    "Enqueue": _enqueue,
    "Gather": _gather,
    "Hangup": _hang_up,
    "Pause": _pause,
    "Play": _play,
    "Redirect": _redirect,
    "Say": _say,
}
