"""OpenAI's webhook, signed by `standardwebhooks`: who is believed, what is counted and done."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from running_gateway import GatewayRig, running_gateway
from starlette.applications import Starlette
from starlette.routing import Route
from structlog.testing import capture_logs
from vendor import SECRET, SIP_SETTINGS, Line, Vendor, incoming, new_id, running_vendor, signed

from gateway import limits
from gateway.errors import SettingsError
from gateway.tuning import Tuning
from gateway.web.openai.webhook import OpenAISignature, OpenAIWebhookEndpoint

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEWER = "whsec_" + b64encode(b"the secret after the next rotation").decode()


@dataclass
class Desk:
    vendor: Vendor
    rig: GatewayRig

    async def post(self, body: bytes, headers: dict[str, str] | None = None) -> httpx2.Response:
        headers = signed(body) if headers is None else headers
        # As raw bytes: the client would refuse what a stranger may well send.
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        return await self.rig.client.post("/openai/webhook", content=body, headers=raw)

    async def answered(self, *lines: Line) -> None:
        """Each call has its sideband; then its caller hangs up, and nothing is left of it."""
        for line in lines:
            await self.vendor.sideband(line)
            line.end()
        await self.rig.until(lambda: self.rig.gateway.registry.active == 0)

    async def counted(self, result: str) -> float:
        return await self.rig.metric("webhooks_total", endpoint="openai", result=result)


UNHURRIED = Tuning(sip_accept_max_s=30.0, sip_decide_max_s=60.0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(agents_file: Path) -> AsyncIterator[Desk]:
    secrets = SIP_SETTINGS | {"OPENAI_WEBHOOK_SECRET": f"{NEWER},{SECRET}"}
    async with (
        running_vendor() as vendor,
        # Decisions are not given up on a machine that is busy otherwise.
        running_gateway(agents_file, vendor.base_url, UNHURRIED, **secrets) as rig,
    ):
        yield Desk(vendor, rig)


async def test_a_call_is_taken_once_its_webhook_is_believed(desk: Desk) -> None:
    before = await desk.counted("ok")
    line, body = desk.vendor.rings()
    response = await desk.post(body)
    assert (response.status_code, response.content) == (200, b"")
    await desk.answered(line)
    assert await desk.counted("ok") == before + 1


async def test_each_of_several_secrets_verifies(desk: Desk) -> None:
    for secret in (SECRET, NEWER):
        line, body = desk.vendor.rings()
        assert (await desk.post(body, signed(body, secret=secret))).status_code == 200
        await desk.answered(line)


async def test_one_good_signature_among_several_will_do(desk: Desk) -> None:
    line, body = desk.vendor.rings()
    headers = signed(body)
    headers["webhook-signature"] = f"v1,AAAA v2,x {headers['webhook-signature']} v1,"
    assert (await desk.post(body, headers)).status_code == 200
    await desk.answered(line)


# --- Who is not believed ---


@dataclass(frozen=True)
class Knock:
    """A delivery that gets no call answered."""

    result: str
    status: int = 403
    body: bytes = field(default_factory=lambda: incoming("rtc_of_nobody"))
    headers: dict[str, str] | None = None

    def but(self, **changes: str | None) -> Knock:
        """The good signature of the body, with other headers."""
        kept = signed(self.body.decode("latin-1").encode()) | {
            name.replace("_", "-"): value for name, value in changes.items()
        }
        return replace(self, headers={k: v for k, v in kept.items() if v is not None})


def tampered() -> Knock:
    knock = Knock("bad_signature").but()
    return replace(knock, body=knock.body.replace(b"srtp", b"none"))


def at(moment: float, result: str) -> Knock:
    body = incoming("rtc_of_nobody")
    return Knock(result, body=body, headers=signed(body, at=moment))


def oversized() -> Knock:
    body = incoming("rtc_of_nobody", [("X", "x" * limits.web.WEBHOOK_BODY_MAX_BYTES)])
    return Knock("oversized", 413, body, signed(body))


REFUSED = {
    "not a header": lambda: Knock("unsigned", headers={}),
    "no id": lambda: Knock("unsigned").but(webhook_id=None),
    "no timestamp": lambda: Knock("unsigned").but(webhook_timestamp=None),
    "no signature": lambda: Knock("unsigned").but(webhook_signature=None),
    "empty signature": lambda: Knock("unsigned").but(webhook_signature=""),
    "another secret": lambda: Knock(
        "bad_signature",
        headers=signed(incoming("rtc_x"), secret="whsec_" + b64encode(b"guessed").decode()),
    ),
    "another body": tampered,
    "another id": lambda: Knock("bad_signature").but(webhook_id="wh_other"),
    "another timestamp": lambda: Knock("bad_signature").but(
        webhook_timestamp=str(int(time.time()) - 5)
    ),
    "another signature": lambda: Knock("bad_signature").but(webhook_signature="v1,AAAA"),
    "a signature of nothing": lambda: Knock("bad_signature").but(webhook_signature="v1,"),
    "only a version that we do not know": lambda: Knock("bad_signature").but(
        webhook_signature="v2,AAAA"
    ),
    "a signature beyond ASCII": lambda: Knock("bad_signature").but(webhook_signature="v1,\xe9\xff"),
    "an id beyond ASCII": lambda: Knock("bad_signature").but(webhook_id="\xe9"),
    "a timestamp that is none": lambda: Knock("bad_signature").but(webhook_timestamp="now"),
    "a timestamp in other digits": lambda: Knock("bad_signature").but(webhook_timestamp="\xb2"),
    "a timestamp with a fraction": lambda: Knock("bad_signature").but(webhook_timestamp="1e9"),
    "a timestamp beyond all time": lambda: Knock("bad_signature").but(webhook_timestamp="9" * 4000),
    "a timestamp before all time": lambda: Knock("bad_signature").but(webhook_timestamp="-1"),
    "the year 33658": lambda: Knock("stale").but(webhook_timestamp="9" * 12),
    "stale": lambda: at(time.time() - limits.sip.WEBHOOK_TOLERANCE_S - 2, "stale"),
    "of the future": lambda: at(time.time() + limits.sip.WEBHOOK_TOLERANCE_S + 5, "stale"),
    "oversized": oversized,
    "not UTF-8": lambda: Knock("bad_signature", body=b"\xff\xfe" * 20).but(
        webhook_signature="v1,AAAA"
    ),
    "not JSON": lambda: Knock("malformed", 400, b"{"),
    "not an object": lambda: Knock("malformed", 400, b"[1]"),
    "no body": lambda: Knock("malformed", 400, b""),
    "very deep": lambda: Knock("malformed", 400, b'{"type":"x","y":' + b"[" * 50_000),
    "no call_id": lambda: Knock("malformed", 400, incoming("")),
    "call_id with a path in it": lambda: Knock("malformed", 400, incoming("../../x")),
    "too many headers": lambda: Knock("malformed", 400, incoming("rtc_x", [("X", "")] * 200)),
    "older than 30 s": lambda: Knock("too_old", 200, incoming("rtc_of_nobody", age_s=33)),
    "another type": lambda: Knock(
        "other_event", 200, incoming("rtc_of_nobody", kind="batch.completed")
    ),
    "the other product": lambda: Knock(
        "live_event", 200, incoming("live_1", kind="live.transport.incoming")
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_it_is_counted_by_its_name_and_nothing_is_done(desk: Desk, name: str) -> None:
    knock = REFUSED[name]()
    before, asked = await desk.counted(knock.result), len(desk.vendor.asked)
    response = await desk.post(knock.body, knock.headers)
    assert response.status_code == knock.status, response.text
    assert await desk.counted(knock.result) == before + 1
    assert desk.rig.gateway.registry.active == 0
    assert len(desk.vendor.asked) == asked


async def test_events_that_wait_a_little_are_taken(desk: Desk) -> None:
    line, body = desk.vendor.rings(age_s=20)
    assert (await desk.post(body)).status_code == 200
    await desk.answered(line)


class Claimed:
    """A store in which everything is claimed for the first time."""

    async def claim(self, _key: str, _ttl_s: float) -> bool:
        return True


def knocks(
    off_s: float, clock: Callable[[], float] = time.time
) -> tuple[httpx2.AsyncClient, list[str], list[str], list[float]]:
    """An endpoint whose clock is that far ahead: what it took, counted and measured."""
    taken, counted, skews = list[str](), list[str](), list[float]()
    endpoint = OpenAIWebhookEndpoint(
        OpenAISignature([SECRET]),
        Claimed(),  # type: ignore[arg-type]
        lambda call: taken.append(call.call_id),
        counted.append,
        clock=lambda: clock() + off_s,
        on_skew=skews.append,
    )
    app = Starlette(routes=[Route("/", endpoint.webhook, methods=["POST"])])
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="https://gateway")
    return client, taken, counted, skews


@pytest.mark.parametrize("off_s", [-200.0, -45.0, 0.0, limits.sip.CLOCK_SKEW_WARN_S, 45.0, 200.0])
async def test_a_clock_that_is_off_turns_no_call_away(off_s: float) -> None:
    """Age is the difference of the vendor's own two times."""
    client, taken, counted, skews = knocks(off_s)
    body = incoming("rtc_1", age_s=20)
    with capture_logs() as lines:
        for _ in range(2):
            answer = await client.post("/", content=body, headers=signed(body))
            assert answer.status_code == 200
    assert (taken, counted) == (["rtc_1"] * 2, ["ok"] * 2)
    assert skews == pytest.approx([off_s] * 2, abs=3)
    warned = [line["ahead_s"] for line in lines if line["event"] == "clock_skew"]
    assert len(warned) == (1 if off_s else 0), "once, not with each call"


async def test_a_clock_that_was_right_meanwhile_is_reported_once_more() -> None:
    sent_at, just_off_s = int(time.time()), limits.sip.CLOCK_SKEW_WARN_S + 0.5
    off_s = iter([just_off_s, just_off_s, 0.0, just_off_s])
    client, *_ = knocks(0.0, lambda: sent_at + next(off_s))
    body, warned = incoming("rtc_1"), []
    for _ in range(4):
        with capture_logs() as lines:
            await client.post("/", content=body, headers=signed(body, at=sent_at))
        warned.append("clock_skew" in [line["event"] for line in lines])
    assert warned == [True, False, False, True]


@pytest.mark.parametrize("off_s", [-45.0, 0.0, 45.0])
async def test_an_event_that_was_sent_late_is_old_by_any_clock(off_s: float) -> None:
    client, taken, counted, _ = knocks(off_s)
    body = incoming("rtc_1", age_s=33)
    with capture_logs() as lines:
        await client.post("/", content=body, headers=signed(body))
    assert (taken, counted) == ([], ["too_old"])
    assert [line["call_id"] for line in lines if line["event"] == "webhook_too_old"] == ["rtc_1"]


async def test_only_posts_are_heard(desk: Desk) -> None:
    assert (await desk.rig.client.get("/openai/webhook")).status_code == 405


async def test_that_both_products_are_subscribed_is_said_once(agents_file: Path) -> None:
    async with running_gateway(agents_file, **SIP_SETTINGS) as rig:
        body = incoming("live_1", kind="live.transport.incoming")
        with capture_logs() as told:
            for _ in range(3):
                await rig.client.post("/openai/webhook", content=body, headers=signed(body))
    warnings = [one["event"] for one in told if one["log_level"] == "warning"]
    assert warnings.count("webhook_subscribed_twice") == 1


async def test_what_is_refused_is_told_without_a_secret_or_a_number(desk: Desk) -> None:
    with capture_logs() as told:
        for name in ("another body", "stale", "too many headers", "no call_id"):
            knock = REFUSED[name]()
            await desk.post(knock.body, knock.headers)
    assert len(told) == 4
    for secret in (SECRET, NEWER, SECRET.removeprefix("whsec_"), "4155550123", "5550100"):
        assert secret not in json.dumps(told, default=str)


# --- Once, and only once ---


async def test_what_cannot_be_read_of_a_call_is_counted_by_field(desk: Desk) -> None:
    line, body = desk.vendor.rings()
    event = json.loads(body)
    event["data"]["sip_headers"] += [{"name": "X-Odd", "value": None}, {"name": "X", "value": [1]}]
    event["data"]["sip_media_security"] = 7
    assert (await desk.post(json.dumps(event).encode())).status_code == 200
    await desk.answered(line)
    for name in ("sip_headers", "sip_headers.value", "sip_media_security"):
        counted = await desk.rig.metric("fields_left_out_total", peer="openai_webhook", field=name)
        assert counted >= 1, name


def taken(desk: Desk, line: Line) -> int:
    return len(desk.vendor.of("accept", line.call_id))


async def test_a_delivery_that_is_repeated_is_a_duplicate(desk: Desk) -> None:
    line, body = desk.vendor.rings()
    headers, before = signed(body), await desk.counted("duplicate")
    statuses = [(await desk.post(body, headers)).status_code for _ in range(3)]
    assert statuses == [200, 200, 200]
    assert await desk.counted("duplicate") == before + 2
    await desk.answered(line)
    assert taken(desk, line) == 1


async def test_another_delivery_about_the_same_call_is_a_duplicate(desk: Desk) -> None:
    line, body = desk.vendor.rings()
    before = await desk.counted("duplicate")
    assert [(await desk.post(body)).status_code for _ in range(3)] == [200, 200, 200]
    assert await desk.counted("duplicate") == before + 2
    await desk.answered(line)
    assert taken(desk, line) == 1


async def test_the_same_delivery_about_another_call_is_a_duplicate(desk: Desk) -> None:
    """An id is never used twice; whoever does so is not believed the second time."""
    line, body = desk.vendor.rings()
    other, other_body = desk.vendor.rings()
    webhook_id = new_id("wh")
    await desk.post(body, signed(body, webhook_id=webhook_id))
    await desk.post(other_body, signed(other_body, webhook_id=webhook_id))
    await desk.answered(line)
    assert taken(desk, other) == 0


async def test_refused_deliveries_do_not_spoil_the_good_one(desk: Desk) -> None:
    line, body = desk.vendor.rings()
    webhook_id = new_id("wh")
    forged = signed(body, webhook_id=webhook_id) | {"webhook-signature": "v1,AAAA"}
    assert (await desk.post(body, forged)).status_code == 403
    assert (await desk.post(body, signed(body, webhook_id=webhook_id))).status_code == 200
    await desk.answered(line)


async def test_two_hundred_at_once_about_forty_calls(desk: Desk) -> None:
    calls = [desk.vendor.rings() for _ in range(40)]
    again = [(body, signed(body)) for _, body in calls]
    deliveries = again + again + [(body, signed(body)) for _, body in calls * 3]
    before = await desk.counted("duplicate")
    responses = await asyncio.gather(*(desk.post(*delivery) for delivery in deliveries))
    assert [response.status_code for response in responses] == [200] * 200
    assert await desk.counted("duplicate") == before + 160
    await desk.answered(*(line for line, _ in calls))
    assert [taken(desk, line) for line, _ in calls] == [1] * 40


async def test_it_is_answered_before_the_work_is_done(desk: Desk) -> None:
    released, so_far = asyncio.Event(), len(desk.vendor.of("accept"))
    desk.vendor.answers["accept"].append(released)
    line, body = desk.vendor.rings()
    assert (await desk.post(body)).status_code == 200
    await desk.vendor.hears("accept", so_far + 1)
    assert line.state == "ringing"
    released.set()
    await desk.answered(line)


# --- Set up or not ---


async def test_without_a_secret_there_is_no_such_endpoint(agents_file: Path) -> None:
    body = incoming("rtc_1")
    async with running_gateway(agents_file) as rig:
        response = await rig.client.post("/openai/webhook", content=body, headers=signed(body))
    assert response.status_code == 404


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64!", "whsec_YWJ"])
async def test_a_secret_that_cannot_verify_is_refused_at_the_start(secret: str) -> None:
    with pytest.raises(SettingsError, match="OPENAI_WEBHOOK_SECRET"):
        OpenAISignature([SECRET, secret])
