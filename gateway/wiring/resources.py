"""Clients and stores, on which everything else is built."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Self

import structlog

from gateway import limits
from gateway.agents.routing import AgentBook
from gateway.bridge.calls.call_table import CallTable
from gateway.bridge.calls.tasks import Tasks
from gateway.imaging.image_processor import ImageProcessor, image_processor
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Remote, Store
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.ops.telemetry.metrics import Metrics
from gateway.settings import Settings
from gateway.transports.openai_calls import OpenAICalls
from gateway.transports.twilio_media import TwilioMedia
from gateway.transports.twilio_recordings import TwilioRecordings
from gateway.transports.twilio_rest import TwilioRest
from gateway.tuning import Tuning

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Resources:
    """Parts that everything else is built on; closed, in `async with`, when the process ends.

    Clients connect when they are first used, so that a gateway can be built without a loop.
    """

    settings: Settings
    tuning: Tuning
    book: AgentBook
    auth_tokens: list[str]
    table: CallTable
    tasks: Tasks
    added: AddedLatency
    metrics: Metrics
    remote: Remote | None
    store: Store
    states: Store
    rest: TwilioRest
    media: TwilioMedia
    recordings: TwilioRecordings
    openai: OpenAICalls
    images: ImageProcessor

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        async with AsyncExitStack() as stack:
            if self.remote is not None:
                stack.push_async_callback(self.remote.redis.close)
            for client in (self.images, self.openai, self.recordings, self.media, self.rest):
                stack.push_async_callback(client.close)


def resources(settings: Settings, book: AgentBook, tuning: Tuning) -> Resources:
    """Return clients and stores that these settings name."""
    table, tasks, added = CallTable(), Tasks(), AddedLatency()
    metrics = Metrics(added, lambda: [call.machine for call in table.calls])
    remote = _remote(settings, metrics, tuning.store_max_s)
    account = settings.twilio_account_sid
    auth_tokens = [token.get_secret_value() for token in settings.twilio_auth_token]
    return Resources(
        settings,
        tuning,
        book,
        auth_tokens,
        table,
        tasks,
        added,
        metrics,
        remote,
        Store(MemoryStore(monotonic), remote, tasks.start),
        Store(MemoryStore(monotonic, limits.store.STATES_MAX), remote, tasks.start),
        TwilioRest(settings.twilio_base_url, account, auth_tokens[0]),
        TwilioMedia(settings.twilio_base_url, account, auth_tokens[0]),
        TwilioRecordings(settings.twilio_base_url, account, auth_tokens[0]),
        OpenAICalls(settings.openai_base_url, settings.openai_api_key.get_secret_value()),
        image_processor(
            lambda reason: metrics.image_workers_ended.labels(reason).inc(),
            metrics.image_uploads_refused.inc,
        ),
    )


def _remote(settings: Settings, metrics: Metrics, max_s: float) -> Remote | None:
    url = settings.store.get_secret_value()
    if url == "memory://":
        return None
    # The client of Redis and the cipher take 13 MB, which a process of its own can do without.
    from gateway.ops.store.encryption import Encryptor  # noqa: PLC0415
    from gateway.ops.store.redis import RedisStore  # noqa: PLC0415

    keys = [key.get_secret_value() for key in settings.store_key]
    if not keys:
        log.warning("store_not_encrypted", hint="set GATEWAY_STORE_KEY: calls' words are in Redis")
    return Remote(RedisStore(url, Encryptor(keys), max_s), on_failure=metrics.store_errors.inc)
