"""Runs calls: the carrier's machinery and a person for each, and the record that is left."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from time import monotonic

from gateway.errors import ServiceUnreachable
from gateway.simulator.audio.synthesis import Speaker, speak_mulaw
from gateway.simulator.audio.turn_measurement import MeasuredTurn, Utterance, turns
from gateway.simulator.caller.caller import Caller, StepFailed
from gateway.simulator.caller.handset import Handset
from gateway.simulator.caller.helper_processes import HelperProcesses
from gateway.simulator.caller.operator_api import Operator
from gateway.simulator.openai_project import SIMULATED_PROJECT, sip_uri
from gateway.simulator.rehearsal import expectations, operator_dial
from gateway.simulator.rehearsal.record import RehearsalRecord
from gateway.simulator.scenario.faults import Faults
from gateway.simulator.scenario.schema import CallerSpec, Scenario
from gateway.simulator.twilio import webhooks
from gateway.simulator.twilio.call import Number, Parties, TwilioCall
from gateway.simulator.twilio.line import CallerEnd
from gateway.simulator.twilio.outbound_call import OutboundRequest, PlacedCall, opening
from gateway.simulator.twilio.outcomes import CallOutcome, Trunk
from gateway.simulator.twilio.reachable import ReachableParties
from gateway.simulator.twilio.rest_api import TwilioApi, listening
from gateway.simulator.twilio.webhooks import Account, GatewayAddress, Webhooks

REST_PORT = 8089


@dataclass(frozen=True)
class Watch:
    """Told what happens in a call, as it happens."""

    on_answered: Callable[[], None] = lambda: None
    on_said: Callable[[Utterance], None] = lambda _: None
    on_turn: Callable[[MeasuredTurn], None] = lambda _: None
    on_done: Callable[[RehearsalRecord], None] = lambda _: None


@dataclass
class Carrier:
    """The simulated Twilio: one account, its REST API, and its way to the gateway."""

    api: TwilioApi
    webhooks: Webhooks
    rest_url: str
    speak: Speaker = speak_mulaw
    numbers: dict[str, Number] = field(default_factory=dict)
    exchange: ReachableParties = field(default_factory=ReachableParties)
    project: str = SIMULATED_PROJECT
    helpers: HelperProcesses | None = None
    """Processes of the scenario's, for its steps."""
    admin_token: str = ""
    """Of the gateway's operators, who have it place calls."""

    def __post_init__(self) -> None:
        self.api.queues = self.exchange.queues

    def number(self, call: CallerSpec | None = None) -> Number:
        """How the dialled number is set up: a voice URL, or a trunk to the model."""
        reach = self.webhooks.reach
        if call and call.path == "trunk":
            fallback = call.disaster_recovery
            trunk = Trunk(
                sip_uri(self.project),
                call.media,
                call.transfer_mode,
                reach.webhook(fallback) if fallback.startswith("/") else fallback,
                call.diversion,
            )
            return Number("", trunk=trunk)
        return Number(
            voice_url=reach.webhook("/twilio/voice"),
            status_callback=reach.webhook("/twilio/status"),
        )


@contextlib.asynccontextmanager
async def carrier(
    account: Account,
    reach: GatewayAddress,
    *,
    rest_port: int = REST_PORT,
    speak: Speaker = speak_mulaw,
) -> AsyncIterator[Carrier]:
    """Twilio, as long as it is needed. Raises ServiceUnreachable when its port is taken."""
    api = TwilioApi(account)
    async with contextlib.AsyncExitStack() as stack:
        try:
            rest_url = await stack.enter_async_context(listening(api.app(), rest_port))
        except OSError as error:
            raise ServiceUnreachable(
                f"Port {rest_port} for the simulated Twilio API is not free ({error.strerror}); "
                "choose another with --rest-port and set TWILIO_BASE_URL to it."
            ) from error
        client = await stack.enter_async_context(webhooks.client())
        yield Carrier(api, Webhooks(account, reach, client), rest_url, speak)


async def rehearse(
    carrier: Carrier, scenario: Scenario, *, seed: int = 0, watch: Watch | None = None
) -> RehearsalRecord:
    """One call by a scenario. Raises ServiceUnreachable when nobody answers the webhook."""
    watch = watch or Watch()
    out = scenario.call.direction == "outbound"
    call = await _placed(carrier, scenario, seed) if out else _call(carrier, scenario, seed)
    person = Caller(call, scenario.language, carrier.speak, on_said=watch.on_said)
    person.helpers = carrier.helpers
    if isinstance(call, PlacedCall):
        person.opening = call.opening.text, call.opening.mulaw
    else:
        message_url = carrier.webhooks.reach.webhook("/twilio/messages")
        person.handset = Handset(call, carrier.api.mailbox, carrier.rest_url, message_url)
    token = scenario.environment.get("GATEWAY_ADMIN_TOKEN", carrier.admin_token)
    client, url = carrier.webhooks.client, carrier.webhooks.reach.url
    person.operator = Operator(client, url, token, call.call_sid)
    person.on_heard = _turn_reporter(call, person, watch)
    carrier.api.calls[call.call_sid] = call
    ending, failures = await _talk(call, person, scenario)
    record = _record(scenario, call, person, ending)
    if out:
        await _complete(carrier, scenario, record)
    record.failures = failures + expectations.failures(record, scenario.expect)
    watch.on_done(record)
    return record


async def _placed(carrier: Carrier, scenario: Scenario, seed: int) -> PlacedCall:
    """The gateway is asked to call, and asks the carrier."""
    person = scenario.people[scenario.call.to]
    taken = await opening(person, carrier.speak)

    def made(order: OutboundRequest) -> PlacedCall:
        completed = order.callback if "completed" in order.events else ""
        return PlacedCall(
            carrier.webhooks,
            Number(order.url, status_callback=completed),
            Parties(order.caller, order.to),
            CallerEnd(monotonic),
            _faults(scenario, seed),
            carrier.speak,
            scenario.call.frame_ms,
            direction="outbound-api",
            exchange=replace(carrier.exchange, people=scenario.people),
            order=order,
            person=person,
            opening=taken,
        )

    carrier.api.expect(scenario.call.to, made)
    office = operator_dial.OperatorDial(
        carrier.webhooks.client, carrier.webhooks.reach.url, carrier.admin_token
    )
    call = carrier.api.calls[await office.dial(scenario.call.to, scenario.call.agent)]
    assert isinstance(call, PlacedCall)  # noqa: S101 - made above
    return call


async def _complete(carrier: Carrier, scenario: Scenario, record: RehearsalRecord) -> None:
    """What the sound of a call out is held against, and what the gateway says of it."""
    record.beep_ms = next((one.at_ms for one in record.moments if one.kind == "beep"), None)
    if message := scenario.expect.after_beep:
        record.message = await carrier.speak(message, scenario.language)
    office = operator_dial.OperatorDial(
        carrier.webhooks.client, carrier.webhooks.reach.url, carrier.admin_token
    )
    record.of_gateway = await office.record(record.call_sid)


def _faults(scenario: Scenario, seed: int) -> Faults:
    return Faults(
        jitter_ms=scenario.faults.jitter_ms,
        stall_at_s=scenario.faults.stall_at_s,
        stall_ms=scenario.faults.stall_ms,
        drop_socket_after_s=scenario.faults.drop_socket_after_s,
        chance=random.Random(seed),
    )


def _call(carrier: Carrier, scenario: Scenario, seed: int) -> TwilioCall:
    return TwilioCall(
        carrier.webhooks,
        carrier.number(scenario.call),
        Parties(scenario.call.from_, scenario.call.to),
        CallerEnd(monotonic),
        _faults(scenario, seed),
        carrier.speak,
        scenario.call.frame_ms,
        exchange=replace(carrier.exchange, people=scenario.people),
    )


async def _talk(
    call: TwilioCall, person: Caller, scenario: Scenario
) -> tuple[CallOutcome, list[str]]:
    await person.prepare(scenario.steps)
    steps = asyncio.create_task(person.perform(scenario.steps))
    failures: list[str] = []
    try:
        async with asyncio.timeout(scenario.max_s):
            ending = await call.run()
            await steps
    except StepFailed as error:
        failures.append(str(error))
    except TimeoutError:
        failures.append(f"the call went on for longer than {scenario.max_s:g} s")
        ending = CallOutcome("failure", "took_too_long")
    finally:
        steps.cancel()
    return ending, failures


def _record(
    scenario: Scenario, call: TwilioCall, person: Caller, ending: CallOutcome
) -> RehearsalRecord:
    line = call.line
    spoken, heard = line.mouth.between(0, line.now), line.ear.heard(line.now)
    return RehearsalRecord(
        scenario=scenario.name,
        call_sid=call.call_sid,
        ending=ending,
        spoken=spoken,
        heard=heard,
        utterances=person.utterances,
        turns=turns(spoken, heard, person.utterances),
        warnings=line.warnings,
        moments=line.moments,
        gaps=line.ear.gaps,
        texts=person.handset.texts if person.handset else [],
        traffic=[stream.traffic for stream in call.streams],
        unheard_ms=line.unheard_ms,
    )


def _turn_reporter(call: TwilioCall, person: Caller, watch: Watch) -> Callable[[], None]:
    """Reports each turn once it has been heard, measured on what there is of the tracks."""
    reported: set[int] = set()

    def report() -> None:
        line = call.line
        spoken, heard = line.mouth.between(0, line.now), line.ear.heard(line.now)
        last = turns(spoken, heard, person.utterances)[-1]
        if last.number not in reported:
            reported.add(last.number)
            watch.on_turn(last)

    return report


async def rehearse_many(
    carrier: Carrier,
    scenario: Scenario,
    *,
    calls: int,
    concurrency: int,
    watch: Watch | None = None,
) -> list[RehearsalRecord]:
    """So many calls, no more than `concurrency` at a time, in the order they were begun."""
    free = asyncio.Semaphore(concurrency)

    async def one(seed: int) -> RehearsalRecord:
        async with free:
            return await rehearse(carrier, scenario, seed=seed, watch=watch)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(seed)) for seed in range(calls)]
    except* ServiceUnreachable as group_error:
        raise group_error.exceptions[0] from None
    return [task.result() for task in tasks]
