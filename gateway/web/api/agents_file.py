"""`POST /api/reload`: the agents file read again, for calls that begin from now on."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import structlog
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from gateway.bridge.agents_reload import ReloadRefused
from gateway.web.api.calls import CallsEndpoints
from gateway.web.http.problems import ProblemPart, RequestRefused

log = structlog.get_logger()
_NOT_NOW = "too_many_versions"


class AgentsFileVersion(Struct):
    """The version of the agents file that new calls of this process take."""

    version: str
    """Short hash of the file."""
    since: str
    """RFC 3339, UTC."""
    agents: list[str]
    warnings: list[str]


async def reload(endpoints: CallsEndpoints, _request: Request) -> Response:
    """Answer with the version in use; of a file that cannot be used, with all that is wrong."""
    try:
        version = await endpoints.agents_reload.reload()
    except ReloadRefused as refused:
        parts = [ProblemPart(one.problem, one.line, one.key) for one in refused.problems]
        status = 503 if refused.reason == _NOT_NOW else 422
        raise RequestRefused(status, str(refused), errors=parts) from refused
    log.info("operator_action", action="reload", version=version.name)
    since = datetime.fromtimestamp(version.since_unix_s, UTC).isoformat()
    body = AgentsFileVersion(
        version.name, since, sorted(version.book.agents), list(version.book.warnings)
    )
    return Response(msgspec.json.encode(body), media_type="application/json")
