"""Logs: JSON for machines, columns for people. Two INFO lines for each call.

Never sound, full numbers, instructions or what people said.
"""

from __future__ import annotations

import logging
import sys
from decimal import Decimal
from statistics import quantiles
from typing import Any, Final

import structlog

from gateway.call import events
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.ops.telemetry.log_flood import LogFlood

log = structlog.get_logger()
_debugged = logging.getLogger(__name__)  # asked before a line is made that nobody reads


def set_up(log_format: str | None, level: str) -> None:
    """Once, before the server starts; standard logging takes the same way out."""
    as_json = log_format == "json" or (log_format is None and not sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,  # first, so that what is not logged costs little
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        last += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # The default shows local variables: sound, secrets and numbers among them.
        plain = structlog.dev.plain_traceback
        colours = sys.stderr.isatty()
        last += [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last)
    )
    handler.addFilter(LogFlood())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers[:] = []
        logging.getLogger(name).propagate = True
    # Their INFO lines tell of each socket, request and step: what matters has a line of ours.
    for name in ("uvicorn.error", "uvicorn.access", "websockets", "httpx2", "httpcore2", "alembic"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # What an MCP server says wrongly is told with a traceback for each line: we say it once.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)


def masked(party: str) -> str:
    """A caller's or dialled number as it may stand in a log: its last two digits."""
    digits = "".join(c for c in party if c.isdigit())
    return f"...{digits[-2:]}" if len(digits) > 4 else "..."


def _ids(facts: CallInfo) -> dict[str, str]:
    """Twilio's, and on the SIP path OpenAI's too: over a trunk it is the only one."""
    known = {"call_sid": facts.call_sid}
    return known | {"call_id": facts.call_id} if facts.call_id else known


class _Shown:
    """Text of a call event, made only when the log line is written."""

    __slots__ = ("_event",)

    def __init__(self, event: events.CallEvent) -> None:
        self._event = event

    def __repr__(self) -> str:
        return repr(self._event)


_WORDS: Final = frozenset({events.TranscriptLine, events.MessageTaken})
"""Events that are people's words, and little else."""


class CallLog:
    """*answered*, *ended*, results and the vendor's errors; everything else of a call is DEBUG."""

    def on_event(self, facts: CallInfo, event: events.CallEvent, cost_usd: Decimal) -> None:
        """`cost_usd` is what the call has cost so far."""
        if isinstance(event, events.CallerConnected):
            log.info(
                "answered",
                **_ids(facts),
                agent=facts.agent,
                path=facts.path,
                caller=masked(facts.caller),
                dialled=masked(facts.dialled),
            )
        elif isinstance(event, events.CallEnded):
            self._ended(facts, event, cost_usd)
        elif isinstance(event, events.ModelErrorReported) and event.fault != "benign":
            # The vendor's words about one request might quote what somebody said in the call.
            log.warning(
                "model_refused" if event.refused else "model_error",
                **_ids(facts),
                fault=event.fault,
                code=event.code,
                **({"words": event.words} if event.refused else {}),
            )
        elif isinstance(event, events.ResultFiled):
            (log.warning if event.status == "failed" else log.info)(
                "result_collected",
                **_ids(facts),
                agent=facts.agent,
                status=event.status,
                reason=event.reason,
                tries=event.tries,
                unproven=len(event.unproven),
            )
        elif _debugged.isEnabledFor(logging.DEBUG) and type(event) not in _WORDS:
            log.debug(type(event).__name__, **_ids(facts), fields=_Shown(event))

    def _ended(self, facts: CallInfo, event: events.CallEnded, cost_usd: Decimal) -> None:
        if not event.arrived:
            log.debug("call_not_connected", **_ids(facts), ending=event.ending)
            return
        p50, p95 = percentiles(event.waits_s)
        goes_on = event.ending is Ending.SECRET_INPUT
        (log.info if event.ending.well or goes_on else log.warning)(
            "ended",
            **_ids(facts),
            agent=facts.agent,
            path=facts.path,
            ending=event.ending,
            reason=event.reason,
            seconds=round(event.seconds, 1),
            turns=event.turns,
            wait_p50_ms=p50,
            wait_p95_ms=p95,
            barge_ins=event.barge_ins,
            tools=event.tools,
            tokens=event.tokens,
            cost_usd=float(round(cost_usd, 6)),
        )


def percentiles(waits_s: tuple[float, ...]) -> tuple[int | None, int | None]:
    """p50 and p95 in milliseconds; None without a turn."""
    if not waits_s:
        return None, None
    if len(waits_s) == 1:
        return round(waits_s[0] * 1000), round(waits_s[0] * 1000)
    cuts = quantiles(waits_s, n=20, method="inclusive")
    return round(cuts[9] * 1000), round(cuts[18] * 1000)
