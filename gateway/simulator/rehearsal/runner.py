"""Runner of scenarios: a carrier, a caller for each call, and the records of the calls."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from time import monotonic

from gateway.errors import ServiceUnreachable
from gateway.simulator.audio.tts import Speaker, speak_mulaw
from gateway.simulator.audio.turn_measurement import MeasuredTurn, Utterance, turns
from gateway.simulator.caller.caller import Caller, StepFailed
from gateway.simulator.caller.handset import Handset
from gateway.simulator.caller.helper_processes import HelperProcesses
from gateway.simulator.caller.operator_api import OperatorApi
from gateway.simulator.openai_project import SIMULATED_PROJECT, sip_uri
from gateway.simulator.rehearsal import expectations
from gateway.simulator.rehearsal.record import RehearsalRecord
from gateway.simulator.scenario.faults import Faults
from gateway.simulator.scenario.parties import CallerSpec
from gateway.simulator.scenario.schema import Scenario
from gateway.simulator.twilio import webhooks
from gateway.simulator.twilio.call import Number, Parties, TwilioCall
from gateway.simulator.twilio.line import TelephoneLine
from gateway.simulator.twilio.outbound_call import (
    Opening,
    OutboundPlacement,
    OutboundRequest,
    opening,
)
from gateway.simulator.twilio.outcomes import CallOutcome, Trunk
from gateway.simulator.twilio.queues import ReachableParties
from gateway.simulator.twilio.rest_api import TwilioApi, listening
from gateway.simulator.twilio.verbs import TwimlExecutor
from gateway.simulator.twilio.webhooks import Account, GatewayAddress, Webhooks

REST_PORT = 8089


@dataclass(frozen=True)
class Watch:
    """Callbacks for what happens in a call, as it happens."""

    on_answered: Callable[[], None] = lambda: None
    on_said: Callable[[Utterance], None] = lambda _: None
    on_turn: Callable[[MeasuredTurn], None] = lambda _: None
    on_done: Callable[[RehearsalRecord], None] = lambda _: None


@dataclass
class SimulatedCarrier:
    """The simulated Twilio: one account, its REST API, and its route to the gateway."""

    api: TwilioApi
    webhooks: Webhooks
    rest_url: str
    speak: Speaker = speak_mulaw
    numbers: dict[str, Number] = field(default_factory=dict)
    reachable: ReachableParties = field(default_factory=ReachableParties)
    project: str = SIMULATED_PROJECT
    helpers: HelperProcesses | None = None
    """Helper processes of the scenario."""
    admin_token: str = ""
    """Token of the gateway's operator API."""

    def __post_init__(self) -> None:
        self.api.queues = self.reachable.queues

    def number(self, call: CallerSpec | None = None) -> Number:
        """Return the settings of the dialled number: a voice URL, or a trunk to the model."""
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
) -> AsyncIterator[SimulatedCarrier]:
    """Run the simulated Twilio. Raises ServiceUnreachable when its port is taken."""
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
        yield SimulatedCarrier(api, Webhooks(account, reach, client), rest_url, speak)


async def rehearse(
    carrier: SimulatedCarrier, scenario: Scenario, *, seed: int = 0, watch: Watch | None = None
) -> RehearsalRecord:
    """Play one call by a scenario. Raises ServiceUnreachable when no gateway answers."""
    watch = watch or Watch()
    token = scenario.environment.get("GATEWAY_ADMIN_TOKEN", carrier.admin_token)
    operator = OperatorApi(carrier.webhooks.client, carrier.webhooks.reach.url, token)
    if scenario.call.direction == "outbound":
        answer = await opening(scenario.people[scenario.call.to], carrier.speak)
        call, handset = await _placed(carrier, scenario, seed, answer, operator), None
    else:
        answer, call = Opening("", b""), _arriving(carrier, scenario, seed)
        message_url = carrier.webhooks.reach.webhook("/twilio/messages")
        handset = Handset(call, carrier.api.messaging, carrier.rest_url, message_url)
    caller = Caller(
        call,
        scenario.language,
        carrier.speak,
        opening=(answer.text, answer.mulaw),
        helpers=carrier.helpers,
        handset=handset,
        operator=operator,
        on_said=watch.on_said,
        on_heard=_turn_reporter(call, watch),
    )
    carrier.api.calls[call.call_sid] = call
    outcome, failures = await _talk(call, caller, scenario)
    record = _record(scenario, call, caller, outcome)
    if scenario.call.direction == "outbound":
        await _complete(carrier, scenario, record, operator)
    if scenario.expect.result:
        record.result = await operator.result(record.call_sid)
    record.failures = failures + expectations.failures(record, scenario.expect)
    watch.on_done(record)
    return record


def _arriving(carrier: SimulatedCarrier, scenario: Scenario, seed: int) -> TwilioCall:
    return TwilioCall(
        carrier.webhooks,
        carrier.number(scenario.call),
        Parties(scenario.call.from_, scenario.call.to),
        TelephoneLine(monotonic),
        TwimlExecutor(),
        _faults(scenario, seed),
        carrier.speak,
        scenario.call.frame_ms,
        reachable=replace(carrier.reachable, people=scenario.people),
    )


async def _placed(
    carrier: SimulatedCarrier, scenario: Scenario, seed: int, answer: Opening, operator: OperatorApi
) -> TwilioCall:
    """Have the gateway place a call, and return the call that it asks the carrier for."""

    def build(request: OutboundRequest) -> TwilioCall:
        completed = request.callback if "completed" in request.events else ""
        return TwilioCall(
            carrier.webhooks,
            Number(request.url, status_callback=completed),
            Parties(request.caller, request.to),
            TelephoneLine(monotonic),
            TwimlExecutor(),
            _faults(scenario, seed),
            carrier.speak,
            scenario.call.frame_ms,
            direction="outbound-api",
            placement=OutboundPlacement(request, answer),
            reachable=replace(carrier.reachable, people=scenario.people),
            person=scenario.people[scenario.call.to],
        )

    carrier.api.expect(scenario.call.to, build)
    return carrier.api.calls[await operator.dial(scenario.call)]


async def _complete(
    carrier: SimulatedCarrier, scenario: Scenario, record: RehearsalRecord, operator: OperatorApi
) -> None:
    """Add what the sound of an outbound call is compared with, and the gateway's record."""
    record.beep_ms = next((one.at_ms for one in record.moments if one.kind == "beep"), None)
    if message := scenario.expect.after_beep:
        record.message = await carrier.speak(message, scenario.language)
    record.of_gateway = await operator.record(record.call_sid)


def _faults(scenario: Scenario, seed: int) -> Faults:
    return Faults(
        jitter_ms=scenario.faults.jitter_ms,
        stall_at_s=scenario.faults.stall_at_s,
        stall_ms=scenario.faults.stall_ms,
        drop_socket_after_s=scenario.faults.drop_socket_after_s,
        chance=random.Random(seed),
    )


async def _talk(
    call: TwilioCall, caller: Caller, scenario: Scenario
) -> tuple[CallOutcome, list[str]]:
    await caller.prepare(scenario.steps)
    steps = asyncio.create_task(caller.perform(scenario.steps))
    failures: list[str] = []
    try:
        async with asyncio.timeout(scenario.max_s):
            outcome = await call.run()
            await steps
    except StepFailed as error:
        failures.append(str(error))
    except TimeoutError:
        failures.append(f"the call took longer than {scenario.max_s:g} s")
        outcome = CallOutcome("failure", "took_too_long")
    finally:
        steps.cancel()
    return outcome, failures


def _record(
    scenario: Scenario, call: TwilioCall, caller: Caller, outcome: CallOutcome
) -> RehearsalRecord:
    line = call.line
    spoken, heard = line.spoken.between(0, line.now), line.playback.heard(line.now)
    return RehearsalRecord(
        scenario=scenario.name,
        call_sid=call.call_sid,
        ending=outcome,
        spoken=spoken,
        heard=heard,
        utterances=caller.utterances,
        turns=turns(spoken, heard, caller.utterances),
        warnings=line.warnings,
        moments=line.moments,
        gaps=line.playback.gaps,
        texts=caller.handset.texts if caller.handset else [],
        traffic=[stream.traffic for stream in call.streams],
        unheard_ms=line.unheard_ms,
    )


def _turn_reporter(call: TwilioCall, watch: Watch) -> Callable[[list[Utterance]], None]:
    """Return a callback that reports each turn once, measured on the sound so far."""
    reported: set[int] = set()

    def report(utterances: list[Utterance]) -> None:
        line = call.line
        spoken, heard = line.spoken.between(0, line.now), line.playback.heard(line.now)
        last = turns(spoken, heard, utterances)[-1]
        if last.number not in reported:
            reported.add(last.number)
            watch.on_turn(last)

    return report


async def rehearse_many(
    carrier: SimulatedCarrier,
    scenario: Scenario,
    *,
    calls: int,
    concurrency: int,
    watch: Watch | None = None,
) -> list[RehearsalRecord]:
    """Play many calls, at most `concurrency` at a time. Return their records in order."""
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
