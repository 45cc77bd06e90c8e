"""The composition root: settings in, ASGI application out. The only file that knows every room."""

from __future__ import annotations

import hmac
import secrets as secrets_
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic, time

import structlog
from starlette.applications import Starlette

from gateway.agents.builtin import definitions
from gateway.agents.config import DEFAULT_MODEL
from gateway.agents.loader import DEFAULT_AGENTS, load_agents
from gateway.agents.routing import AgentBook
from gateway.agents.session import session_of
from gateway.agents.templates import load_templates
from gateway.bridge.keeper import Keeper
from gateway.bridge.live_call import CallFacts, Hands, LiveCall
from gateway.bridge.probe import watch_model
from gateway.bridge.publisher import Publisher
from gateway.bridge.sip_desk import SipDesk
from gateway.bridge.switchboard import Sessions, Switchboard
from gateway.bridge.tasks import Tasks
from gateway.errors import SettingsError
from gateway.limits import ENDINGS_KEPT_S, STATES_MAX
from gateway.ops.admission import Admission, RateWatch
from gateway.ops.breaker import Breaker
from gateway.ops.latency import AddedLatency
from gateway.ops.loop_lag import watch_loop
from gateway.ops.metrics import Metrics
from gateway.ops.sealing import Sealer
from gateway.ops.store import Remote, Store
from gateway.ops.store_memory import MemoryStore
from gateway.ops.store_redis import RedisStore
from gateway.ops.tokens import DialTokens, StreamTokens
from gateway.settings import Settings
from gateway.transports.openai_calls import OpenAICalls
from gateway.transports.twilio_rest import TwilioRest
from gateway.web.desk import Desk
from gateway.web.guards import TwilioGuard
from gateway.web.openai import OpenAIDoor, OpenAIGuard
from gateway.web.routes import routes
from gateway.web.rungs import DRAIN

log = structlog.get_logger()

_Headers = Callable[[CallFacts], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Gateway:
    """The application, and what the server around it must reach."""

    asgi: Starlette
    switchboard: Switchboard
    metrics: Metrics


def build(settings: Settings) -> Gateway:
    """Reads and checks every file before a port opens.

    Raises AgentFileError, TemplateError, SettingsError.
    """
    book = load_agents(settings.agents or DEFAULT_AGENTS)
    _require_sip_for(book, settings)
    secrets = [token.get_secret_value() for token in settings.twilio_auth_token]
    added, tasks = AddedLatency(), Tasks()
    metrics = Metrics(added)
    remote = _remote(settings, metrics)
    store = Store(MemoryStore(monotonic), remote, tasks.start)
    states = Store(MemoryStore(monotonic, STATES_MAX), remote, tasks.start)
    per_caller = settings.max_calls_per_caller
    admission = Admission(secrets_.token_hex(4), per_caller, remote)
    breaker = Breaker(monotonic, lambda is_open: _tell_breaker(metrics, is_open))
    rates = RateWatch(monotonic)
    switchboard = Switchboard(book, _sessions(book), settings.max_calls, store)
    metrics.watch(lambda: [call.mind for call in switchboard.calls])
    keeper = Keeper(states, lambda: switchboard.calls)
    dial_tokens = DialTokens(secrets, store, time)
    desk = Desk(
        public_url=settings.public_url,
        media_url=settings.media_url,
        account_sid=settings.twilio_account_sid,
        overflow=settings.overflow,
        sip_uri=settings.sip_uri,
        switchboard=switchboard,
        templates=load_templates(settings.twiml_dir),
        guard=TwilioGuard(settings.public_url, settings.media_url, secrets),
        tokens=StreamTokens(secrets, store, time),
        dial_tokens=dial_tokens,
        store=store,
        keeper=keeper,
        admission=admission,
        breaker=breaker,
        rates=rates,
        metrics=metrics,
    )
    calls = OpenAICalls(settings.openai_base_url, settings.openai_api_key.get_secret_value())
    sip_desk = SipDesk(
        switchboard,
        calls,
        dial_tokens,
        allow_rtp=settings.sip_allow_rtp,
        counted=lambda decision: metrics.sip_decisions.labels(decision).inc(),
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        rest = TwilioRest(settings.twilio_base_url, settings.twilio_account_sid, secrets[0])
        publisher = Publisher(metrics, switchboard, keeper, admission, breaker, rates, tasks)
        after_url = f"{settings.public_url}/twilio/after?leg={DRAIN}"

        async def hand_over(call: LiveCall) -> None:
            await keeper.save(call)
            await rest.redirect_to(call.facts.call_sid, after_url)

        switchboard.employ(
            Hands(
                realtime_url=settings.realtime_url,
                model_headers=_model_headers(settings),
                rest=rest,
                transfer_document=desk.transfer_document,
                referred=lambda sid, to: store.remember(f"refer:{sid}", to, ENDINGS_KEPT_S),
                tasks=tasks,
                hand_over=hand_over,
                publish=publisher.publish,
                added=added,
            )
        )
        tasks.start(watch_loop(metrics.lag.observe), "event loop lag")
        tasks.start(keeper.run(), "state of calls")
        tasks.start(admission.run(), "leases")
        model_url = f"{settings.realtime_url}?model={_any_model(book)}"
        tasks.start(watch_model(breaker, model_url, _bearer(settings)), "circuit breaker")
        _announce(settings, book)
        yield
        await tasks.stop()
        await rest.close()
        await calls.close()
        if remote is not None:
            await remote.redis.close()

    door = _openai_door(settings, store, sip_desk, tasks, metrics)
    return Gateway(Starlette(routes=routes(desk, door), lifespan=lifespan), switchboard, metrics)


def _sessions(book: AgentBook) -> Sessions:
    """What each agent asks of the model; on the SIP path without audio formats."""
    return {
        (agent.name, path): session_of(agent.model_copy(update={"path": path}), definitions(agent))
        for agent in book.agents.values()
        for path in ("media-streams", "sip")
    }


def _require_sip_for(book: AgentBook, settings: Settings) -> None:
    by_sip = [agent.name for agent in book.agents.values() if agent.path == "sip"]
    if by_sip and settings.sip_uri is None:
        raise SettingsError(
            f"agent {by_sip[0]} has path: sip, which needs OPENAI_PROJECT_ID and "
            "OPENAI_WEBHOOK_SECRET: set both."
        )


def _openai_door(
    settings: Settings, store: Store, sip_desk: SipDesk, tasks: Tasks, metrics: Metrics
) -> OpenAIDoor | None:
    if not settings.openai_webhook_secret:
        return None
    return OpenAIDoor(
        OpenAIGuard([secret.get_secret_value() for secret in settings.openai_webhook_secret]),
        store,
        lambda call: tasks.start(sip_desk.take(call), f"incoming {call.call_id}"),
        lambda result: metrics.webhooks.labels("openai", result).inc(),
    )


def _remote(settings: Settings, metrics: Metrics) -> Remote | None:
    url = settings.store.get_secret_value()
    if url == "memory://":
        return None
    keys = [key.get_secret_value() for key in settings.store_key]
    if not keys:
        log.warning("GATEWAY_STORE_KEY is not set: what is said in calls is not sealed in Redis")
    return Remote(RedisStore(url, Sealer(keys)), failed=metrics.store_errors.inc)


def _tell_breaker(metrics: Metrics, is_open: bool) -> None:
    metrics.breaker_open.set(is_open)
    if is_open:
        log.error("the model fails for one call after another; new ones are kept from it")
    else:
        log.info("the model is back; calls reach it again")


def _any_model(book: AgentBook) -> str:
    return next((agent.model for agent in book.agents.values()), DEFAULT_MODEL)


def _bearer(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.openai_api_key.get_secret_value()}"}


def _model_headers(settings: Settings) -> _Headers:
    """The safety identifier is the caller's number behind a keyed hash: stable, and not his."""
    key = settings.openai_api_key.get_secret_value()

    def headers(facts: CallFacts) -> dict[str, str]:
        found = {"Authorization": f"Bearer {key}"}
        if facts.caller:
            caller = facts.caller.encode("utf-8", "replace")
            digest = hmac.digest(key.encode(), caller, "sha256").hex()
            found["OpenAI-Safety-Identifier"] = digest[:32]
        return found

    return headers


def _announce(settings: Settings, book: AgentBook) -> None:
    for warning in book.warnings:
        log.warning(warning)
    log.info(
        "ready for calls",
        public_url=settings.public_url,
        agents=sorted(book.agents),
        max_calls=settings.max_calls,
        simulated=settings.simulated,
    )
