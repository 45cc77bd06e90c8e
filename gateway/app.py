"""The composition root: settings in, ASGI application out. The only file that knows every room."""

from __future__ import annotations

import hmac
import os
from collections.abc import AsyncIterator, Callable, Mapping
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
from gateway.bridge.sip_desk import SipDesk
from gateway.bridge.switchboard import Sessions, Switchboard
from gateway.bridge.tasks import Tasks
from gateway.call import notes
from gateway.errors import SettingsError
from gateway.limits import ENDINGS_KEPT_S
from gateway.ops.latency import AddedLatency
from gateway.ops.logs import CallLog
from gateway.ops.loop_lag import watch_loop
from gateway.ops.metrics import Metrics
from gateway.ops.store_memory import MemoryStore
from gateway.ops.tokens import DialTokens, StreamTokens
from gateway.protocols.openai_webhooks import IncomingCall
from gateway.settings import Settings
from gateway.tools.toolbox import Toolbox
from gateway.transports.openai_calls import OpenAICalls
from gateway.transports.twilio_rest import TwilioRest
from gateway.web.desk import Desk
from gateway.web.guards import TwilioGuard
from gateway.web.openai import OpenAIDoor, OpenAIGuard
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


def build(settings: Settings, environ: Mapping[str, str] | None = None) -> Gateway:
    """Reads and checks every file before a port opens.

    Raises AgentFileError, TemplateError, SettingsError.
    """
    book = load_agents(settings.agents or DEFAULT_AGENTS)
    _require_sip_for(book, settings)
    environ = os.environ if environ is None else environ
    secrets = [token.get_secret_value() for token in settings.twilio_auth_token]
    added, store, tasks = AddedLatency(), MemoryStore(monotonic), Tasks()
    metrics = Metrics(added)
    toolbox = Toolbox(book, environ)
    switchboard = Switchboard(book, _sessions(book, toolbox), settings.max_calls, store)
    metrics.watch(lambda: [call.mind for call in switchboard.calls])
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
        switchboard.employ(
            Hands(
                realtime_url=settings.realtime_url,
                model_headers=_model_headers(settings),
                rest=rest,
                transfer_document=desk.transfer_document,
                referred=lambda sid, to: store.put(f"refer:{sid}", to, ENDINGS_KEPT_S),
                toolbox=toolbox,
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
        await calls.close()
        await toolbox.close()

    door = _openai_door(settings, store, sip_desk, tasks, metrics)
    return Gateway(Starlette(routes=routes(desk, door), lifespan=lifespan), switchboard, metrics)


def _sessions(book: AgentBook, toolbox: Toolbox) -> Sessions:
    """What each agent asks of the model; on the SIP path without audio formats."""
    return {
        (agent.name, path): session_of(
            agent.model_copy(update={"path": path}),
            [*definitions(agent), *toolbox.definitions(agent)],
        )
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
    settings: Settings, store: MemoryStore, sip_desk: SipDesk, tasks: Tasks, metrics: Metrics
) -> OpenAIDoor | None:
    if not settings.openai_webhook_secret:
        return None

    def take(call: IncomingCall) -> None:
        tasks.start(sip_desk.take(call), f"incoming {call.call_id}")

    return OpenAIDoor(
        OpenAIGuard([secret.get_secret_value() for secret in settings.openai_webhook_secret]),
        store,
        take,
        lambda result: metrics.webhooks.labels("openai", result).inc(),
    )


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
