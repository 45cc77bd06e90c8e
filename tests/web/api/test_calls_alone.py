"""The operators' API handler by handler, with doubles of what each of them asks."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from starlette.requests import Request
from structlog.testing import capture_logs

from gateway import limits
from gateway.bridge.operators.actions import ActionOutcome, OperatorAction
from gateway.call.briefing import NO_BRIEFING
from gateway.errors import LinkError, NotDialled, PeerError, StoreError
from gateway.imaging.upload_budget import UploadBudget
from gateway.ops.records.history import Position
from gateway.ops.records.record import CallSummary
from gateway.web.api import forget
from gateway.web.api.calls import CallsEndpoints
from gateway.web.api.paging import cursor_of, first_cursor
from gateway.web.http.problems import RequestRefused


def summary_of(name: str, began: int = 0, **more: Any) -> CallSummary:
    known: dict[str, Any] = {
        "id": name,
        "call_sid": name,
        "agent": "desk",
        "model": "m",
        "path": "media-streams",
        "caller": "",
        "dialled": "",
        "began_at": f"2026-01-01T10:00:{began:02}Z",
    }
    return CallSummary(**known | more)


class Endpoints:
    """Doubles of what the handlers use; a name in `live` runs here, in `ended` has ended."""

    def __init__(self, **what: Any) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.live: list[CallSummary] = what.get("live", [])
        self.remote_live: list[CallSummary] = what.get("remote", [])
        self.page = SimpleNamespace(
            calls=what.get("ended", []), after=what.get("after"), complete=True
        )
        self.record: Any = what.get("record")
        self.here: ActionOutcome | Exception | None = what.get("here")
        self.there: ActionOutcome | None = what.get("there")
        self.records = SimpleNamespace(
            live=lambda _: list(self.live),
            ended=self._ended,
            find_live=self._find,
            find_ended=self._past,
        )
        self.remote = SimpleNamespace(
            live=self._remote_live, record=self._elsewhere, perform=self._there
        )
        self.actions = SimpleNamespace(perform=self._here)
        self.outbound = SimpleNamespace(place=self._place)
        self.event_stream = SimpleNamespace(subscribe=lambda: what.get("subscription"))
        self.forgetting = SimpleNamespace(caller=self._forget, call=self._forget)
        self.report: Any = what.get("report")

    def __getattr__(self, name: str) -> Any:
        return getattr(CallsEndpoints, name).__get__(self)

    async def _ended(self, _wanted: object, left: int, after: object) -> Any:
        self.asked.append(("ended", left, after))
        return self.page

    def _find(self, key: str) -> Any:
        return self.record if self.record == ("here", key) else None

    async def _past(self, key: str) -> Any:
        return self.record if isinstance(self.record, SimpleNamespace) else None

    async def _remote_live(self, _wanted: object) -> list[CallSummary]:
        return self.remote_live

    async def _elsewhere(self, key: str) -> Any:
        return self.record if self.record == ("there", key) else None

    async def _here(self, key: str, action: OperatorAction) -> ActionOutcome | None:
        self.asked.append(("here", key, action))
        if isinstance(self.here, Exception):
            raise self.here
        return self.here

    async def _there(self, key: str, action: OperatorAction) -> ActionOutcome | None:
        self.asked.append(("there", key, action))
        return self.there

    async def _place(self, *order: Any) -> str:
        self.asked.append(order)
        if isinstance(self.here, Exception):
            raise self.here
        return "CA7"

    async def _forget(self, whom: str) -> Any:
        self.asked.append((whom,))
        if isinstance(self.report, Exception):
            raise self.report
        return self.report


def request_of(
    query: str = "",
    body: bytes = b"",
    key: str = "CA1",
    kind: str = "application/json",
    **headers: str,
) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    sent = {
        "content-type": kind,
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": query.encode(),
        "path_params": {"id": key},
        "state": {"operator": SimpleNamespace(sees_words=True)},
        "headers": [(name.encode(), text.encode()) for name, text in sent.items()],
    }
    return Request(scope, receive)


async def listed(endpoints: Endpoints, query: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(bytes((await endpoints.calls(request_of(query))).body))
    answer["calls"] = [call["id"] for call in answer["calls"]]
    return answer


async def test_running_calls_stand_first_and_those_elsewhere_are_named() -> None:
    endpoints = Endpoints(
        live=[summary_of("a", 1), summary_of("b", 3)],
        remote=[summary_of("c", 2), summary_of("a", 9)],  # `a` has just come here
        ended=[summary_of("d"), summary_of("c")],  # and `c` has just moved
        after=Position(7, "x"),
    )
    page = await listed(endpoints)
    assert page["calls"] == ["b", "c", "a", "d"]
    assert page["elsewhere"] == ["c"]
    assert page["next"] == cursor_of(Position(7, "x"))
    assert endpoints.asked == [("ended", limits.api.CALLS_DEFAULT - 3, None)]
    running = await listed(endpoints, "state=live")
    assert (running["calls"], running["next"]) == (["b", "c", "a"], None)
    assert running["complete"], "of those no database is asked"
    assert len(endpoints.asked) == 1, "those that have ended are not looked up"


async def test_a_page_is_no_longer_than_was_asked_and_the_next_begins_with_the_ended() -> None:
    endpoints = Endpoints(
        live=[summary_of("a", 1), summary_of("b", 3)], remote=[summary_of("c", 2)]
    )
    page = await listed(endpoints, "limit=2")
    assert (page["calls"], page["elsewhere"]) == (["b", "c"], ["c"])
    assert (page["next"], endpoints.asked) == (first_cursor(), [])
    await listed(endpoints, "limit=4")
    assert endpoints.asked == [("ended", 1, None)]


@pytest.mark.parametrize("query", ["state=ended", f"cursor={cursor_of(Position(7, 'x'))}"])
async def test_later_pages_have_no_running_calls(query: str) -> None:
    endpoints = Endpoints(live=[summary_of("a")], ended=[summary_of("d")])
    page = await listed(endpoints, query)
    assert (page["calls"], page["elsewhere"]) == (["d"], [])
    after = Position(7, "x") if "cursor" in query else None
    assert endpoints.asked == [("ended", limits.api.CALLS_DEFAULT, after)]


DONE = ActionOutcome(202, action="hangup", call="CA1")
OVER = SimpleNamespace(state="ended")
RUNS = SimpleNamespace(state="talking")
PERFORMED: dict[str, tuple[dict[str, Any], int, str]] = {
    "here": ({"here": DONE}, 202, ""),
    "there": ({"there": DONE}, 202, ""),
    "refused": ({"here": ActionOutcome(409, "Not now.")}, 409, "Not now."),
    "refused there": ({"there": ActionOutcome(422, "No.")}, 422, "No."),
    "unknown": ({}, 404, "There is no such call."),
    "over": ({"record": OVER}, 409, "The call has ended, or was not answered yet."),
    "no answer": ({"record": RUNS}, 503, "The process that has the call does not answer."),
    "carrier away": ({"here": NotDialled("unreachable", "Away.")}, 502, "Away."),
}


@pytest.mark.parametrize(("what", "status", "why"), PERFORMED.values(), ids=PERFORMED)
async def test_what_becomes_of_an_action(what: dict[str, Any], status: int, why: str) -> None:
    endpoints = Endpoints(**what)
    with capture_logs() as lines:
        if status == 202:
            response = await endpoints.hangup(request_of())
            assert json.loads(bytes(response.body)) == {"call": "CA1", "action": "hangup"}
            assert response.status_code == 202
        else:
            with pytest.raises(RequestRefused) as refused:
                await endpoints.hangup(request_of())
            assert (refused.value.status, refused.value.detail) == (status, why)
    assert len(lines) == (status == 202)
    places = [one[0] for one in endpoints.asked]
    assert places == ["here"] + ["there"] * ("here" not in what)


NOT_DIALLED = {
    "no_agent": 404,
    "off": 403,
    "not_outbound": 403,
    "country": 403,
    "not_e164": 422,
    "key_reused": 422,
    "refused": 422,
    "outside_hours": 409,
    "under_way": 409,
    "agent_full": 409,
    "caller_busy": 409,
    "too_fast": 429,
    "unreachable": 502,
    "unknown": 504,
    "draining": 503,
    "full": 503,
}
ORDER = b'{"to": "+15550199", "agent": "desk"}'


@pytest.mark.parametrize(("reason", "status"), NOT_DIALLED.items(), ids=NOT_DIALLED)
async def test_why_nobody_was_called(reason: str, status: int) -> None:
    endpoints = Endpoints(here=NotDialled(reason, "Not so.", 1.2))
    with pytest.raises(RequestRefused) as refused:
        await endpoints.dial(request_of(body=ORDER))
    assert (refused.value.status, refused.value.detail) == (status, "Not so.")
    assert refused.value.headers == ({"Retry-After": "2"} if status == 429 else {})


async def test_an_order_is_passed_on_and_its_key_is_bounded() -> None:
    endpoints = Endpoints()
    most = limits.web.IDEMPOTENCY_KEY_MAX_CHARS
    response = await endpoints.dial(request_of(body=ORDER, idempotency_key="k" * most))
    assert response.status_code == 202
    assert json.loads(bytes(response.body)) == {"call": "CA7", "action": "dial"}
    [(to, agent, _from, key, briefing)] = endpoints.asked
    assert (to, agent, key, briefing) == ("+15550199", "desk", "k" * most, NO_BRIEFING)
    with pytest.raises(RequestRefused) as refused:
        await endpoints.dial(request_of(body=ORDER, idempotency_key="k" * (most + 1)))
    assert refused.value.status == 422
    assert refused.value.detail == f"Idempotency-Key may have {most} characters."
    facts = b'{"to": "+15550199", "agent": "desk", "facts": {"a b": "c"}}'
    with pytest.raises(RequestRefused) as refused:
        await endpoints.dial(request_of(body=facts))
    assert refused.value.status == 422


BODIES = {
    "another type": ("text/plain", b"{}", 415, "Send application/json."),
    "no JSON": ("application/json", b"{", 400, "The body is not JSON."),
    "no UTF-8": ("application/json", b'{"text": "\xff"}', 400, "The body is not JSON."),
    "not as its type": ("application/json", b'{"text": 1}', 422, ""),
}


@pytest.mark.parametrize(("kind", "body", "status", "why"), BODIES.values(), ids=BODIES)
async def test_a_body_that_cannot_be_used(kind: str, body: bytes, status: int, why: str) -> None:
    endpoints = Endpoints()
    with pytest.raises(RequestRefused) as refused:
        await endpoints.say(request_of(body=body, kind=kind))
    assert refused.value.status == status
    assert why in refused.value.detail
    assert endpoints.asked == []


@pytest.mark.parametrize(("place", "found"), [("here", True), ("there", True), ("", False)])
async def test_where_a_record_is_looked_for(place: str, found: bool) -> None:
    longest = "C" * limits.web.CALL_ID_MAX_CHARS
    endpoints = Endpoints(record=(place, longest))
    if found:
        assert bytes((await endpoints.call(request_of(key=longest))).body) == msgspec.json.encode(
            (place, longest)
        )
    else:
        with pytest.raises(RequestRefused) as refused:
            await endpoints.call(request_of(key=longest))
        assert refused.value.status == 404
    endpoints.record = OVER
    with pytest.raises(RequestRefused) as refused:
        await endpoints.call(request_of(key=longest + "C"))
    assert refused.value.status == 404


async def test_too_many_consoles() -> None:
    with pytest.raises(RequestRefused) as refused:
        await Endpoints().events(request_of())
    assert refused.value.status == 503


async def test_a_picture_of_an_ended_call_or_with_too_many_words_is_not_read() -> None:
    endpoints = Endpoints(record=OVER)
    about = limits.api.ABOUT_MAX_CHARS
    for query, kind, status in (
        ("", "image/gif", 415),
        (f"about={'x' * (about + 1)}", "image/png", 422),
        (f"about={'x' * about}", "image/png", 409),
    ):
        with pytest.raises(RequestRefused) as refused:
            await endpoints.image(request_of(query, kind=kind))
        assert refused.value.status == status


@pytest.mark.parametrize(
    ("kind", "status", "retry"),
    [("heic", 422, None), ("overloaded", 503, str(limits.images.UPLOADS_RETRY_S))],
)
async def test_a_picture_that_cannot_be_shown(kind: str, status: int, retry: str | None) -> None:
    endpoints, counted = Endpoints(record=RUNS), list[str]()

    async def shrink_photo(_body: bytes) -> str:
        raise PeerError(kind)

    uploads = UploadBudget(lambda: None)
    endpoints.image_processor = SimpleNamespace(uploads=uploads, shrink_photo=shrink_photo)
    endpoints.on_image_refused = counted.append
    with pytest.raises(RequestRefused) as refused:
        await endpoints.image(request_of(body=b"a picture", kind="image/png"))
    assert (refused.value.status, refused.value.headers.get("Retry-After")) == (status, retry)
    assert counted == [kind]


@pytest.mark.parametrize(("agent", "status"), [("desk", 201), ("nobody", 404)])
async def test_a_link_to_the_browser_phone(agent: str, status: int) -> None:
    endpoints, asked = Endpoints(), list[tuple[str, float]]()

    def link(*of: Any) -> tuple[str, float]:
        asked.append(of)
        return "https://gw/phone#token", 1_790_000_000.0

    endpoints.registry = SimpleNamespace(book=SimpleNamespace(agents={"desk": object()}))
    endpoints.phone_link = link
    request = request_of(body=msgspec.json.encode({"agent": agent, "seconds": 600}))
    if status == 404:
        with pytest.raises(RequestRefused) as refused:
            await endpoints.phone(request)
        assert (refused.value.status, asked) == (404, [])
        return
    with capture_logs():
        answer = await endpoints.phone(request)
    assert answer.status_code == 201
    assert json.loads(answer.body) == {
        "url": "https://gw/phone#token",
        "agent": "desk",
        "expires_at": "2026-09-21T14:13:20+00:00",
    }
    assert asked == [("desk", 600.0)]


# --- Deletion ---

AWAY = "Not all places can be reached (gone): nothing that hangs on them was forgotten."
DELETED: dict[str, tuple[dict[str, Any], int, str]] = {
    "runs here": ({"record": ("here", "CA1")}, 409, "The call runs: hang up first."),
    "runs there": (
        {"record": ("there", "CA1")},
        409,
        "The call runs in another process: hang up first.",
    ),
    "unknown": ({}, 404, "There is no such call."),
    "store away": ({"report": StoreError("gone")}, 503, AWAY),
    "folder away": ({"report": LinkError("gone", retryable=True)}, 503, AWAY),
}


@pytest.mark.parametrize(("what", "status", "why"), DELETED.values(), ids=DELETED)
async def test_why_a_call_is_not_deleted(what: dict[str, Any], status: int, why: str) -> None:
    endpoints: Any = Endpoints(**what)
    with pytest.raises(RequestRefused) as refused:
        await forget.delete_call(endpoints, request_of())
    assert (refused.value.status, refused.value.detail) == (status, why)
    assert bool(endpoints.asked) == (status != 409)


async def test_a_caller_is_not_forgotten_where_a_place_is_away() -> None:
    endpoints: Any = Endpoints(report=StoreError("gone"))
    body = b'{"caller": "+15550199"}'
    with pytest.raises(RequestRefused) as refused:
        await forget.forget(endpoints, request_of(body=body))
    assert (refused.value.status, refused.value.detail) == (503, AWAY)
    assert endpoints.asked == [("+15550199",)]
