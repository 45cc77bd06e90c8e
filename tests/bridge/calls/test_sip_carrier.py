"""A SIP leg is ended by the vendor, else by Twilio, else by the vendor after all."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from call_doubles import CALL_ID, CALL_SID, SIP_CALL, TRUNK_CALL, CallDouble, Orders
from structlog.testing import capture_logs

from gateway.bridge.calls.sip_carrier import SipCarrier
from gateway.call import inputs
from gateway.call.commands import CollectSecret, TransferCaller
from gateway.call.endings import Ending
from gateway.errors import LinkError

TransferWay = Literal["dial", "warm", "queue"]
QUEUE = "sip:queue@gateway.invalid"

AWAY = LinkError("http_503", retryable=True)
AFTER = "https://gw.example.com/twilio/after?leg=sip"


async def typing(_call: object, secret: CollectSecret) -> str:
    return f"<Gather>{secret.name}</Gather>"


def carrier(
    calls: Orders, rest: Orders | None = None, started: list[Any] | None = None, lease: Any = None
) -> SipCarrier:
    def refer_started(call_sid: str, to: TransferCaller) -> None:
        if started is not None:
            started.append((call_sid, to.to, list(calls.asked)))

    return SipCarrier(
        calls,  # type: ignore[arg-type]
        rest or Orders(),  # type: ignore[arg-type]
        refer_started,
        (lease or Orders()).release,
        AFTER,
        typing,
        hangup_first_pause_s=0.0,
    )


async def test_the_vendor_hangs_up_its_leg() -> None:
    calls, rest = Orders(), Orders()
    await carrier(calls, rest).hang_up(CallDouble(SIP_CALL, Ending.AGENT_HUNG_UP, media=None))
    assert calls.asked == [("hang_up", CALL_ID)]
    assert rest.asked == []


@pytest.mark.parametrize(
    ("ending", "order"),
    [
        (Ending.AGENT_HUNG_UP, ("hang_up", CALL_SID)),
        (Ending.MODEL_LOST, ("redirect_to", CALL_SID, AFTER)),
        (None, ("redirect_to", CALL_SID, AFTER)),
    ],
)
async def test_else_twilio_ends_it_or_takes_the_next_failover_step(
    ending: Ending | None, order: tuple[str, ...]
) -> None:
    calls, rest = Orders(AWAY), Orders()
    await carrier(calls, rest).hang_up(CallDouble(SIP_CALL, ending, media=None))
    assert rest.asked == [order]
    assert len(calls.asked) == 1


async def test_where_both_fail_the_vendor_is_asked_again_until_it_works() -> None:
    calls, rest = Orders(AWAY, AWAY, AWAY), Orders(AWAY)
    with capture_logs() as lines:
        await carrier(calls, rest).hang_up(CallDouble(SIP_CALL, Ending.AGENT_HUNG_UP, media=None))
    assert calls.asked == [("hang_up", CALL_ID)] * 4
    assert [line["event"] for line in lines] == [
        "sip_hangup_failed",
        "sip_hangup_failed",
        "sip_hangup_retrying",
        "sip_hangup_retrying",
    ]


async def test_over_a_trunk_there_is_only_the_vendor() -> None:
    calls, rest = Orders(AWAY), Orders()
    await carrier(calls, rest).hang_up(CallDouble(TRUNK_CALL, Ending.AGENT_HUNG_UP, media=None))
    assert rest.asked == []
    assert calls.asked == [("hang_up", CALL_ID)] * 2


async def test_the_target_is_known_before_the_refer() -> None:
    calls, started = Orders(), []
    await carrier(calls, started=started).transfer(
        CallDouble(SIP_CALL), TransferCaller("+15550111")
    )
    assert started == [(CALL_SID, "+15550111", [])]
    assert calls.asked == [("refer", CALL_ID, "tel:+15550111")]


async def test_a_refer_that_fails_comes_back_to_the_core() -> None:
    call = CallDouble(SIP_CALL)
    await carrier(Orders(AWAY)).transfer(call, TransferCaller("+15550111"))
    assert call.notified == [inputs.TransferFailed("http_503")]


@pytest.mark.parametrize(
    ("way", "target"), [("dial", "tel:+15550111"), ("warm", "tel:+15550111"), ("queue", QUEUE)]
)
async def test_a_leg_that_twilio_dialled_goes_every_way(way: TransferWay, target: str) -> None:
    calls, call = Orders(), CallDouble(SIP_CALL)
    with capture_logs() as lines:
        await carrier(calls).transfer(call, TransferCaller("+15550111", way))
    assert (calls.asked, call.notified) == ([("refer", CALL_ID, target)], [])
    assert lines == []


@pytest.mark.parametrize(("way", "warned"), [("dial", 0), ("warm", 1)])
async def test_over_a_trunk_a_transfer_is_cold(way: TransferWay, warned: int) -> None:
    calls, call = Orders(), CallDouble(TRUNK_CALL)
    with capture_logs() as lines:
        await carrier(calls).transfer(call, TransferCaller("+15550111", way))
    assert calls.asked == [("refer", CALL_ID, "tel:+15550111")]
    assert [line["event"] for line in lines] == ["sip_transfer_limited"] * warned


async def test_a_trunk_has_no_queue() -> None:
    calls, call = Orders(), CallDouble(TRUNK_CALL)
    await carrier(calls).transfer(call, TransferCaller("support", "queue"))
    assert call.notified == [inputs.TransferFailed("trunk")]
    assert calls.asked == []


async def test_a_released_call_goes_on_elsewhere() -> None:
    call = CallDouble(SIP_CALL)
    await carrier(Orders()).release(call)
    assert call.released
    assert call.notified == [inputs.SipCallEnded()]


async def test_a_lease_that_cannot_be_left_keeps_the_call_here() -> None:
    call = CallDouble(SIP_CALL)
    lease = Orders(LinkError("no_store", retryable=False))
    await carrier(Orders(), lease=lease).release(call)
    assert not call.released
    assert call.notified == [inputs.TransferFailed("no_store")]


@pytest.mark.parametrize(
    ("ending", "released", "hang_ups"),
    [
        (Ending.AGENT_HUNG_UP, False, 1),
        (Ending.MODEL_LOST, False, 1),
        (Ending.DRAINED, True, 0),
        (Ending.CALLER_HUNG_UP, False, 0),
        (Ending.TRANSFERRED, False, 0),
        (Ending.NEVER_ARRIVED, False, 0),
    ],
)
def test_closing_hangs_up_a_leg_that_is_still_there(
    ending: Ending, released: bool, hang_ups: int
) -> None:
    call = CallDouble(SIP_CALL, ending, released=released)
    carrier(Orders()).close(call)
    assert call.hang_ups == hang_ups


async def test_a_caller_who_types_is_taken_off_the_models_leg_where_twilio_dialled_it() -> None:
    rest, calls = Orders(), Orders()
    by_dial, by_trunk = CallDouble(SIP_CALL), CallDouble(TRUNK_CALL)
    for call in (by_dial, by_trunk):
        await carrier(calls, rest).collect(call, CollectSecret("digits", "pin"))
    assert rest.asked == [("redirect", SIP_CALL.call_sid, "<Gather>pin</Gather>")]
    assert (by_dial.notified, by_trunk.notified) == ([], [inputs.TransferFailed("trunk")])
    assert calls.asked == [], "the leg ends by itself"
