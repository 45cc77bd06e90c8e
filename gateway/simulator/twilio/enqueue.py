"""A queue in which a caller waits, with music, for somebody who dials it.

Sources: Twilio docs "TwiML Voice: <Enqueue>", "<Leave>", "<Queue>".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from gateway.audio.tones import hold_mulaw
from gateway.simulator.audio.analysis import milliseconds
from gateway.simulator.twilio import reachable
from gateway.simulator.twilio.outcomes import CallOutcome, NextStep
from gateway.simulator.twilio.queues import NAME_MAX_CHARS, QueuePosition
from gateway.simulator.twilio.reachable import Outcome
from gateway.simulator.twilio.twiml import TwimlDocument, TwimlError, TwimlVerb
from gateway.simulator.twilio.webhooks import WebhookFailed

if TYPE_CHECKING:
    from gateway.simulator.twilio.call import TwilioCall

Execute = Callable[["TwilioCall", TwimlVerb, str], Awaitable[NextStep | None]]
ALLOWED: Final = frozenset({"Gather", "Hangup", "Leave", "Pause", "Play", "Redirect", "Say"})
"""In the document of a `waitUrl`."""
GIVES_UP_S: Final = 20.0
"""Somebody who never comes to the queue: the operator takes the caller out of it by then."""
AGAIN_AFTER_S: Final = 0.1
"""The document has come to its end, and is asked for anew."""


async def wait(call: TwilioCall, verb: TwimlVerb, base: str, execute: Execute) -> CallOutcome | str:
    """Twilio's QueueResult; an Ending when the document hangs up."""
    call.line.note("enqueued", verb.text)
    party = f"queue:{verb.text}"
    person = call.exchange.people.get(party)
    if len(verb.text) > NAME_MAX_CHARS:
        call.line.warn(12200, f"the queue's name has {len(verb.text)} characters")
        return "error"
    if person is None and not verb.get("waitUrl"):
        return "bridged"  # a scenario says nothing of it: that he went there is on record
    if person is not None and person.busy:
        return "queue-full"
    call.place = place = call.exchange.queues.named(verb.text).enter()
    hears = asyncio.create_task(_hears(call, verb, base, execute))
    taken = asyncio.create_task(place.taken.wait())
    comes = asyncio.create_task(_comes(call, place, party))
    try:
        await asyncio.wait({hears, taken, comes}, return_when=asyncio.FIRST_COMPLETED)
        if not place.taken.is_set():
            return hears.result() if hears.done() else "error"
    finally:
        await _stopped(hears, taken, comes)
        call.line.hush()
        place.leave()
        call.line.note("left_queue")
    return await _talk(call, place)


async def _stopped(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _comes(call: TwilioCall, place: QueuePosition, party: str) -> None:
    """Somebody of the scenario's who sits at the queue's other end; else only calls dial it."""
    person = call.exchange.people.get(party)
    if person is None:
        await place.taken.wait()
    elif await reachable.ring(person, GIVES_UP_S):
        place.take(party, person)


async def _talk(call: TwilioCall, place: QueuePosition) -> str:
    assert place.taker is not None  # noqa: S101 - he has been taken
    party, person = place.taker
    reachable.connect(call, party)
    talk = asyncio.create_task(reachable.talk(call, person))
    over = asyncio.create_task(place.over.wait())
    try:
        await asyncio.wait({talk, over}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        place.over.set()
        await _stopped(talk, over)
    return place.result


async def _hears(
    call: TwilioCall, verb: TwimlVerb, base: str, execute: Execute
) -> CallOutcome | str:
    """Until the document has him leave; Twilio's own music where there is no `waitUrl`."""
    url, method = verb.get("waitUrl"), verb.get("waitUrlMethod", "POST")
    if not url:
        await _own_music(call)
    try:
        while True:
            document = await _fetch(call, url, method, base)
            result = await _run(call, document, execute)
            if result is not None:
                return result
            await asyncio.sleep(AGAIN_AFTER_S)
    except (WebhookFailed, TwimlError) as error:
        call.warn_of(error)
        return "error"


async def _fetch(call: TwilioCall, url: str, method: str, base: str) -> TwimlDocument:
    assert call.place is not None  # noqa: S101 - he waits
    return await call.fetch(url, call.place.asked(), method=method, base=base)


async def _run(
    call: TwilioCall, document: TwimlDocument, execute: Execute
) -> CallOutcome | str | None:
    for verb in document.verbs:
        if verb.name not in ALLOWED:
            raise TwimlError(12200, f"<{verb.name}> is not allowed in the document of a waitUrl")
        if verb.name == "Leave":
            return "leave"
        following = await execute(call, verb, document.base_url)
        if isinstance(following, TwimlDocument):
            return await _run(call, following, execute)
        if isinstance(following, CallOutcome):
            return following
    return None


async def _own_music(call: TwilioCall) -> None:
    line, music = call.line, hold_mulaw()
    while True:
        line.ear.media(music, line.now)
        await asyncio.sleep(milliseconds(len(music)) / 1000)


async def take(call: TwilioCall, name: str, timeout_s: float, outcome: Outcome) -> None:
    """`<Dial><Queue>`: whoever is first in it, until one of the two hangs up."""
    queue = call.exchange.queues.by_name.get(name)
    if queue is None:
        return
    place = await queue.first(timeout_s)
    if place is None:
        outcome.status = "no-answer"
        return
    place.take(call.parties.called, call.person)
    outcome.bridge()
    try:
        await place.over.wait()
    finally:
        place.over.set()
