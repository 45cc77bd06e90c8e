"""Operations on the outbox of events: list, send again."""

from __future__ import annotations

from typing import Final

import msgspec
import structlog
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from gateway import limits
from gateway.ops.delivery.delivery_queue import STATES, DeliveryInfo
from gateway.ops.records.history import Position
from gateway.web.api.calls import CallsEndpoints
from gateway.web.api.paging import (
    Parameters,
    cursor_of,
    limit_of,
    page_parameters,
    position_of,
)
from gateway.web.http.problems import RequestRefused

log = structlog.get_logger()


class DeliveryList(Struct):
    deliveries: list[DeliveryInfo]
    """Newest first."""
    next: str | None
    """Cursor of the next page; null behind the last."""


class RetriedDelivery(Struct):
    """Event that is sent again now."""

    id: str


QUERY: Final[Parameters] = {
    "state": ({"enum": list(STATES)}, "Only those in this state."),
    **page_parameters(
        "events", limits.database.DELIVERY_PAGE_DEFAULT, limits.database.DELIVERY_PAGE_MAX
    ),
}


async def deliveries(endpoints: CallsEndpoints, request: Request) -> Response:
    """Answer with a page of events, without their content."""
    state = request.query_params.get("state") or None
    if state is not None and state not in STATES:
        raise RequestRefused(422, f"state is one of {', '.join(STATES)}.")
    page = limits.database.DELIVERY_PAGE_DEFAULT, limits.database.DELIVERY_PAGE_MAX
    limit = limit_of(request, *page)
    after = position_of(request)
    listed, following = await endpoints.deliveries.listed(state, limit, after)
    found = DeliveryList(listed, cursor_of(Position(*following) if following else None))
    return Response(msgspec.json.encode(found), media_type="application/json")


async def retry(endpoints: CallsEndpoints, request: Request) -> Response:
    """Have a parked or pending event sent now."""
    event_id = request.path_params["id"][: limits.web.CALL_ID_MAX_CHARS].replace("\0", "")
    if not await endpoints.deliveries.retry(event_id):
        raise RequestRefused(404, "There is no such event, or it was delivered.")
    log.info("operator_action", action="retry_delivery", event_id=event_id)
    body = msgspec.json.encode(RetriedDelivery(event_id))
    return Response(body, 202, media_type="application/json")
