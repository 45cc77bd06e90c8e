"""`<Enqueue>` and `<Dial><Queue>`: a caller waits with music for a person who dials the queue.

Sources: Twilio docs "TwiML Voice: <Enqueue>", "<Leave>", "<Queue>".
"""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.audio.tones import hold_mulaw
from gateway.simulator.audio.analysis import milliseconds
from gateway.simulator.twilio import reachable
from gateway.simulator.twilio.call import TwilioCall
from gateway.simulator.twilio.outcomes import CallOutcome, DialOutcome
from gateway.simulator.twilio.queues import NAME_MAX_CHARS, QueuePosition
from gateway.simulator.twilio.twiml import TwimlDocument, TwimlError, TwimlVerb
from gateway.simulator.twilio.webhooks import WebhookFailed

ALLOWED: Final = frozenset({"Gather", "Hangup", "Leave", "Pause", "Play", "Redirect", "Say"})
"""Verbs that Twilio allows in the document of a `waitUrl`."""
GIVES_UP_S: Final = 20.0
"""How long a person of the scenario has to come to the queue."""
AGAIN_AFTER_S: Final = 0.1
"""Pause before a document that has ended is fetched again."""


async def wait(call: TwilioCall, verb: TwimlVerb, base: str) -> CallOutcome | str:
    """Return Twilio's QueueResult, or an outcome when the document hangs up."""
    call.line.log("enqueued", verb.text)
    party = f"queue:{verb.text}"
    person = call.reachable.people.get(party)
    if len(verb.text) > NAME_MAX_CHARS:
        call.line.warn(12200, f"the queue's name has {len(verb.text)} characters")
        return "error"
    if person is None and not verb.get("waitUrl"):
        return "bridged"  # the scenario describes nobody in this queue: the moment is recorded
    if person is not None and person.busy:
        return "queue-full"
    call.queue_position = position = call.reachable.queues.named(verb.text).enter()
    hold = asyncio.create_task(_hold(call, verb, base, position))
    dequeued = asyncio.create_task(position.dequeued.wait())
    arrival = asyncio.create_task(_arrival(call, position, party))
    try:
        await asyncio.wait({hold, dequeued, arrival}, return_when=asyncio.FIRST_COMPLETED)
        if not position.dequeued.is_set():
            return hold.result() if hold.done() else "error"
    finally:
        await _stopped(hold, dequeued, arrival)
        call.line.stop_playback()
        position.remove()
        call.line.log("left_queue")
    return await _talk(call, position)


async def _stopped(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _arrival(call: TwilioCall, position: QueuePosition, party: str) -> None:
    """Wait for the scenario's person at the queue, or else for a call that dials it."""
    person = call.reachable.people.get(party)
    if person is None:
        await position.dequeued.wait()
    elif await reachable.ring(person, GIVES_UP_S):
        position.dequeue(party, person)


async def _talk(call: TwilioCall, position: QueuePosition) -> str:
    assert position.taker is not None  # noqa: S101 - set by `dequeue`
    party, person = position.taker
    call.connect(party)
    talk = asyncio.create_task(reachable.talk(call, person))
    over = asyncio.create_task(position.over.wait())
    try:
        await asyncio.wait({talk, over}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        position.over.set()
        await _stopped(talk, over)
    return position.result


async def _hold(
    call: TwilioCall, verb: TwimlVerb, base: str, position: QueuePosition
) -> CallOutcome | str:
    """Run the `waitUrl` document over and over, or play Twilio's own music without one."""
    url, method = verb.get("waitUrl"), verb.get("waitUrlMethod", "POST")
    if not url:
        await _own_music(call)
    try:
        while True:
            document = await call.fetch(url, position.wait_fields(), method=method, base=base)
            result = await _run(call, document)
            if result is not None:
                return result
            await asyncio.sleep(AGAIN_AFTER_S)
    except (WebhookFailed, TwimlError) as error:
        call.warn(error)
        return "error"


async def _run(call: TwilioCall, document: TwimlDocument) -> CallOutcome | str | None:
    for verb in document.verbs:
        if verb.name not in ALLOWED:
            raise TwimlError(12200, f"<{verb.name}> is not allowed in the document of a waitUrl")
        if verb.name == "Leave":
            return "leave"
        following = await call.executor.verb(call, verb, document.base_url)
        if isinstance(following, TwimlDocument):
            return await _run(call, following)
        if isinstance(following, CallOutcome):
            return following
    return None


async def _own_music(call: TwilioCall) -> None:
    line, music = call.line, hold_mulaw()
    while True:
        line.playback.media(music, line.now)
        await asyncio.sleep(milliseconds(len(music)) / 1000)


async def dequeue(call: TwilioCall, name: str, timeout_s: float, outcome: DialOutcome) -> None:
    """Connect `<Dial><Queue>` with the first caller in it, until one of the two hangs up."""
    queue = call.reachable.queues.by_name.get(name)
    if queue is None:
        return
    position = await queue.first(timeout_s)
    if position is None:
        outcome.status = "no-answer"
        return
    position.dequeue(call.parties.called, call.person)
    outcome.bridge()
    try:
        await position.over.wait()
    finally:
        position.over.set()
