"""Executor of TwiML verbs on a call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urljoin
from uuid import uuid4

from gateway.simulator.audio import analysis
from gateway.simulator.twilio import dial, enqueue, gather, sip_trunk
from gateway.simulator.twilio.call import TwilioCall
from gateway.simulator.twilio.media_stream import MediaStream, StreamError, StreamIds
from gateway.simulator.twilio.outcomes import CallOutcome, NextStep, Trunk
from gateway.simulator.twilio.twiml import TwimlVerb, stream_parameters

HANGUP: Final = CallOutcome("gateway", "hangup_verb")
REJECTED: Final = {
    "rejected": CallOutcome("gateway", "rejected", "no-answer"),
    "busy": CallOutcome("gateway", "rejected_busy", "busy"),
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
    "Gather": gather.gather,
    "Hangup": _hang_up,
    "Pause": _pause,
    "Pay": gather.pay,
    "Play": _play,
    "Redirect": _redirect,
    "Say": _say,
}
