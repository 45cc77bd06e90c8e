"""A warm transfer step by step in one process: what is asked of Twilio, and what is kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from call_doubles import CALL_SID, Orders
from structlog.testing import capture_logs

from gateway import limits
from gateway.bridge.calls.tasks import Tasks
from gateway.bridge.outbound.warm_transfer import WarmTransfer, WarmTransfers
from gateway.call.commands import TransferCaller
from gateway.errors import LinkError
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.ops.telemetry.metrics import Metrics

TO = TransferCaller("+15550199", "warm", "Mister Lee.")
OURS, PERSON = "+15550100", "CA" + "7" * 32
LAST_S = limits.outbound.WARM_WAIT_MAX_S - 1
AFTER = "https://gw/twilio/after?leg=warm&transfer=w1#rc=2&rp=all"


class Twilio(Orders):
    """Twilio's REST, by which each call that is placed has the same CallSid."""

    async def dial(self, fields: Any) -> str:
        await self.__getattr__("dial")(fields)
        return PERSON


class Rig:
    """Warm transfers of one process without a shared store, and what Twilio was asked."""

    def __init__(self, *failures: Exception | None) -> None:
        self.rest, self.tasks = Twilio(*failures), Tasks()
        self.store = Store(MemoryStore(lambda: 0.0))
        self.metrics = Metrics(AddedLatency())
        rest: Any = self.rest
        self.warm = WarmTransfers(
            "https://gw", self.store, self.metrics, self.tasks, rest, lambda: "w1"
        )

    async def begun(self, ours: str = OURS) -> WarmTransfer:
        return await self.warm.begin(CALL_SID, ours, TO, "en")

    async def rung(self) -> WarmTransfer:
        """A transfer whose person is being called."""
        one = await self.begun()
        assert await self.warm.waits_on(one, 0)
        await self.settled()
        self.rest.asked.clear()
        return one

    async def settled(self) -> list[tuple[Any, ...]]:
        await self.tasks.stop()
        return self.rest.asked

    def counted(self, outcome: str) -> float:
        value: float = self.metrics.warm_transfers.labels(outcome)._value.get()
        return value


async def test_a_transfer_is_found_by_its_id_and_by_nothing_else() -> None:
    rig = Rig()
    one = await rig.begun()
    assert one == WarmTransfer("w1", CALL_SID, TO.to, OURS, "Mister Lee.", "en")
    assert one.queue == "warm-w1"
    assert rig.warm.after_url(one) == AFTER
    assert await rig.warm.find("w1") == one
    assert await rig.warm.find("") is None
    assert await rig.warm.find("w2") is None
    assert await rig.store.get(f"warm-of:{CALL_SID}") == "w1"


async def test_the_person_is_called_once_with_everything_that_twilio_needs() -> None:
    rig = Rig()
    one = await rig.begun()
    assert await rig.warm.waits_on(one, 0)
    assert await rig.warm.waits_on(one, LAST_S)
    assert await rig.settled() == [
        (
            "dial",
            {
                "To": "+15550199",
                "From": OURS,
                "Url": "https://gw/twilio/whisper?transfer=w1",
                "Method": "POST",
                "StatusCallback": "https://gw/twilio/person?transfer=w1",
                "StatusCallbackMethod": "POST",
                "StatusCallbackEvent": ["completed"],
                "Timeout": str(limits.outbound.WARM_RING_S),
            },
        )
    ]


async def test_after_the_longest_wait_the_caller_comes_back_and_the_person_is_hung_up() -> None:
    rig = Rig()
    one = await rig.rung()
    with capture_logs() as logs:
        assert not await rig.warm.waits_on(one, limits.outbound.WARM_WAIT_MAX_S)
    assert [line["event"] for line in logs] == ["warm_status_missing"]
    assert await rig.settled() == [("hang_up", PERSON)]
    assert await rig.warm.outcome(one) == "failed"
    assert rig.counted("failed") == 1


async def test_a_person_who_was_taken_is_about_to_be_connected_for_so_long() -> None:
    rig = Rig()
    one = await rig.rung()
    assert await rig.warm.accept(one)
    assert await rig.warm.accept(one), "the key may be pressed twice"
    assert await rig.warm.waits_on(one, LAST_S)
    assert not await rig.warm.waits_on(one, limits.outbound.WARM_WAIT_MAX_S)
    assert await rig.settled() == []
    assert rig.counted("accepted") == 1


async def test_a_person_who_accepted_and_hung_up_does_not_come() -> None:
    rig = Rig()
    one = await rig.rung()
    await rig.warm.accept(one)
    await rig.warm.person_is_over(one, "declined")
    assert not await rig.warm.waits_on(one, 20)
    assert await rig.settled() == []
    assert await rig.warm.left_queue(one) == "declined"


@pytest.mark.parametrize("outcome", ["busy", "declined"])
async def test_a_person_who_does_not_come_brings_the_caller_back(outcome: str) -> None:
    rig = Rig()
    one = await rig.rung()
    await rig.warm.person_is_over(one, outcome)
    await rig.warm.person_is_over(one, "no-answer")
    assert not await rig.warm.accept(one)
    assert await rig.settled() == [("redirect_to", CALL_SID, AFTER)]
    assert await rig.warm.left_queue(one) == outcome
    assert (rig.counted(outcome), rig.counted("no-answer")) == (1, 0)
    # The redirect is the only way out, until it has surely failed.
    assert await rig.warm.waits_on(one, 20)
    assert not await rig.warm.waits_on(one, 20)


async def test_a_redirect_that_fails_leaves_the_way_by_the_queue() -> None:
    rig = Rig(None, LinkError("http_500", retryable=True))
    one = await rig.rung()
    with capture_logs() as logs:
        await rig.warm.nobody_comes(one, "busy")
        await rig.settled()
    assert [line["event"] for line in logs] == ["warm_redirect_failed"]
    assert await rig.store.get("warm:w1:back") is None
    assert not await rig.warm.waits_on(one, 20)


async def test_whom_twilio_dials_itself_is_not_redirected() -> None:
    rig = Rig()
    one = await rig.begun("sip:desk@example.com")
    assert one.ours == ""
    await rig.warm.nobody_comes(one, "busy")
    assert await rig.settled() == []


async def test_a_person_who_cannot_be_called_does_not_come() -> None:
    rig = Rig(LinkError("twilio_21211", retryable=False))
    one = await rig.begun()
    with capture_logs() as logs:
        await rig.warm.waits_on(one, 0)
        while len(rig.tasks):
            await rig.settled()
    assert [(line["event"], line["reason"]) for line in logs] == [
        ("warm_dial_failed", "twilio_21211")
    ]
    assert [order for order, *_ in rig.rest.asked] == ["dial", "redirect_to"]
    assert await rig.warm.outcome(one) == "failed"


@pytest.mark.parametrize(
    ("settles", "hung_up"),
    [
        (lambda warm, one: warm.settle(one, "caller_hung_up"), True),
        (lambda warm, one: warm.accept(one), False),
    ],
)
async def test_who_is_called_when_it_is_over_already_is_hung_up(
    settles: Callable[[WarmTransfers, WarmTransfer], Awaitable[object]], hung_up: bool
) -> None:
    rig = Rig()
    one = await rig.begun()
    await rig.warm.waits_on(one, 0)
    await settles(rig.warm, one)
    asked = await rig.settled()
    assert asked[1:] == [("hang_up", PERSON)] * hung_up


@pytest.mark.parametrize("over", [False, True])
async def test_the_person_is_hung_up_with_the_caller_unless_they_have_gone(over: bool) -> None:
    rig = Rig()
    one = await rig.rung()
    if over:
        await rig.warm.person_is_over(one, "busy")
        await rig.settled()
        rig.rest.asked.clear()
    await rig.warm.call_is_over(CALL_SID)
    await rig.warm.call_is_over("CA0")
    assert await rig.settled() == ([] if over else [("hang_up", PERSON)])
    assert await rig.warm.outcome(one) == ("busy" if over else "caller_hung_up")


async def test_a_hang_up_that_fails_is_an_error_in_the_log() -> None:
    rig = Rig(None, LinkError("http_500", retryable=True))
    one = await rig.rung()
    with capture_logs() as logs:
        await rig.warm.caller_is_over(one)
        await rig.settled()
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("warm_hangup_failed", "error")
    ]


async def test_whoever_leaves_the_queue_unconnected_ends_the_transfer() -> None:
    rig = Rig()
    one = await rig.rung()
    assert await rig.warm.left_queue(one) == "failed"
    assert await rig.warm.left_queue(one) == "failed"
    assert await rig.settled() == [("hang_up", PERSON)]
    assert rig.counted("failed") == 1


@pytest.mark.parametrize("failure", [None, LinkError("http_500", retryable=True)])
async def test_a_queue_is_deleted_once(failure: Exception | None) -> None:
    rig = Rig(failure)
    with capture_logs() as logs:
        rig.warm.forget_queue("QU1")
        assert await rig.settled() == [("delete_queue", "QU1")]
    assert [line["event"] for line in logs] == ["queue_not_deleted"] * bool(failure)
