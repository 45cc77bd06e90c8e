"""The composition root: settings in, ASGI application out. The only file that knows every room."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic, time

import structlog
from starlette.applications import Starlette

from gateway.agents.builtin import definitions
from gateway.agents.loader import DEFAULT_AGENTS, load_agents
from gateway.agents.routing import AgentBook
from gateway.agents.session import session_of
from gateway.agents.templates import load_templates
from gateway.bridge.live_call import CallFacts, Hands, LiveCall
from gateway.bridge.switchboard import Switchboard
from gateway.bridge.tasks import Tasks
from gateway.call import notes
from gateway.ops.latency import AddedLatency
from gateway.ops.logs import CallLog
from gateway.ops.loop_lag import watch_loop
from gateway.ops.metrics import Metrics
from gateway.ops.store_memory import MemoryStore
from gateway.ops.tokens import StreamTokens
from gateway.settings import Settings
from gateway.transports.twilio_rest import TwilioRest
from gateway.web.desk import Desk
from gateway.web.guards import TwilioGuard
from gateway.web.routes import routes

log = structlog.get_logger()

_Publish = Callable[[LiveCall, notes.Note], None]
_Headers = Callable[[CallFacts], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Gateway:
    """The application, and what the server around it must reach."""

    asgi: Starlette
    switchboard: Switchboard
    metrics: Metrics


def build(settings: Settings) -> Gateway:
    """Reads and checks every file before a port opens. Raises AgentFileError, TemplateError."""
    book = load_agents(settings.agents or DEFAULT_AGENTS)
    templates = load_templates(settings.twiml_dir)
    secrets = [token.get_secret_value() for token in settings.twilio_auth_token]
    added, store = AddedLatency(), MemoryStore(monotonic)
    metrics = Metrics(added)
    sessions = {a.name: session_of(a, definitions(a)) for a in book.agents.values()}
    switchboard = Switchboard(book, sessions, settings.max_calls, store)
    metrics.watch(lambda: {sid: call.mind for sid, call in switchboard.calls.items()})
    desk = Desk(
        public_url=settings.public_url,
        media_url=settings.media_url,
        account_sid=settings.twilio_account_sid,
        overflow=settings.overflow,
        switchboard=switchboard,
        templates=templates,
        guard=TwilioGuard(settings.public_url, settings.media_url, secrets),
        tokens=StreamTokens(secrets, store, time),
        store=store,
        metrics=metrics,
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        rest = TwilioRest(settings.twilio_base_url, settings.twilio_account_sid, secrets[0])
        tasks = Tasks()
        switchboard.employ(
            Hands(
                realtime_url=settings.realtime_url,
                model_headers=_model_headers(settings),
                rest=rest,
                tasks=tasks,
                publish=_publisher(metrics, switchboard),
                added=added,
            )
        )
        tasks.start(watch_loop(metrics.lag.observe), "event loop lag")
        _announce(settings, book)
        yield
        await tasks.stop()
        await rest.close()

    return Gateway(Starlette(routes=routes(desk), lifespan=lifespan), switchboard, metrics)


def _publisher(metrics: Metrics, switchboard: Switchboard) -> _Publish:
    call_log = CallLog()

    def publish(call: LiveCall, note: notes.Note) -> None:
        metrics.on_note(call.facts, note)
        call_log.on_note(call.facts, note)
        if isinstance(note, notes.Ended):
            metrics.call_over(call.mind)
        switchboard.on_note(call, note)

    return publish


def _model_headers(settings: Settings) -> _Headers:
    """The safety identifier is the caller's number behind a keyed hash: stable, and not his."""
    key = settings.openai_api_key.get_secret_value()

    def headers(facts: CallFacts) -> dict[str, str]:
        found = {"Authorization": f"Bearer {key}"}
        if facts.caller:
            digest = hmac.digest(key.encode(), facts.caller.encode(), "sha256").hex()
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
