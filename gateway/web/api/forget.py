"""Deletion in the operators' API: every trace of a caller, or of one call."""

from __future__ import annotations

from typing import Annotated

import msgspec
import structlog
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from gateway import limits
from gateway.errors import LinkError, StoreError
from gateway.ops.records.forgetting import Forgotten
from gateway.web.api.calls import CallsEndpoints, parsed
from gateway.web.http.problems import RequestRefused

log = structlog.get_logger()


class ForgetBody(Struct, forbid_unknown_fields=True):
    caller: Annotated[str, Meta(min_length=1, max_length=limits.database.CALLER_MAX_CHARS)]
    """A number in full, like +14155550123."""


async def forget(endpoints: CallsEndpoints, request: Request) -> Response:
    """Delete every trace of a caller, and answer with what was found and what is left."""
    body = await parsed(request, ForgetBody)
    try:
        report = await endpoints.forgetting.caller(body.caller)
    except (LinkError, StoreError) as error:
        raise _away(error) from error
    log.info("operator_action", action="forget", calls=len(report.calls))
    return _answer(report)


async def delete_call(endpoints: CallsEndpoints, request: Request) -> Response:
    """Delete one call that has ended."""
    call_id = request.path_params["id"][: limits.web.CALL_ID_MAX_CHARS].replace("\0", "")
    if endpoints.records.find_live(call_id) is not None:
        raise RequestRefused(409, "The call runs: hang up first.")
    if await endpoints.remote.record(call_id) is not None:
        raise RequestRefused(409, "The call runs in another process: hang up first.")
    try:
        report = await endpoints.forgetting.call(call_id)
    except (LinkError, StoreError) as error:
        raise _away(error) from error
    if report is None:
        raise RequestRefused(404, "There is no such call.")
    log.info("operator_action", action="delete_call", call_id=call_id)
    return _answer(report)


def _away(error: Exception) -> RequestRefused:
    return RequestRefused(
        503, f"Not all places can be reached ({error}): nothing that hangs on them was forgotten."
    )


def _answer(report: Forgotten) -> Response:
    return Response(msgspec.json.encode(report), media_type="application/json")
