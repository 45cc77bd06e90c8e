"""Bills of running calls, the day's total, and when each of them is used up."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec
import pytest

from gateway.call import events
from gateway.call.endings import Ending
from gateway.ops.billing.bills import DAY_S, Bill, Bills
from gateway.ops.billing.price_file import DEFAULT_PRICES, load_prices
from gateway.protocols.realtime_server import TranscriptionUsage, Usage

PRICES = load_prices(DEFAULT_PRICES)
MODEL = "gpt-realtime-2.1"


def spoken(seconds: float) -> events.UsageCounted:
    """So much speech of the model's: 64 USD for 50,000 seconds, 0.00128 for one."""
    details = {"output_token_details": {"audio_tokens": int(seconds * 20)}}
    return events.UsageCounted(MODEL, msgspec.convert(details, Usage))


ARRIVED = events.CallerConnected(1.0)
ENDED = events.CallEnded(
    Ending.CALLER_HUNG_UP, "", arrived=True, seconds=0, waits_s=(), barge_ins=0, tools=0, tokens=0
)


class Till:
    def __init__(self) -> None:
        self.charges: list[tuple[str, str, str, Decimal]] = []
        self.missing: list[tuple[str, str]] = []

    def charged(self, agent: str, model: str, kind: str, usd: Decimal) -> None:
        self.charges.append((agent, model, kind, usd))

    def unpriced(self, model: str, kind: str) -> None:
        self.missing.append((model, kind))


class GatewayRig:
    """Spending with clocks that stand still until they are moved."""

    def __init__(self, budget: str | None = None) -> None:
        self.now, self.wall = 1000.0, 20_000.0 * DAY_S + 10
        self.till = Till()
        budget_usd = None if budget is None else Decimal(budget)
        self.bills = Bills(PRICES, self.till, lambda: self.now, lambda: self.wall, budget_usd)

    def hears(self, bill: Bill, *said: events.CallEvent) -> Bill:
        for note in said:
            self.bills.on_event(bill, note)
        return bill


def bill(limit: str | None = None, path: str = "media-streams", direction: str = "inbound") -> Bill:
    return Bill("desk", path, direction, None if limit is None else Decimal(limit))


def shares(bill: Bill, rig: GatewayRig, said: Iterable[events.CallEvent]) -> list[float | None]:
    return [rig.hears(bill, note).take_share() for note in said]


def test_a_call_is_billed_while_it_runs() -> None:
    rig, one = GatewayRig(), bill()
    transcript = events.TranscriptionCounted("gpt-transcribe", TranscriptionUsage("duration", 60))
    rig.hears(one, ARRIVED, spoken(10), transcript)
    assert one.by_kind == {
        "carrier": Decimal("0.0085"),
        "audio_out": Decimal("0.0128"),
        "transcription": Decimal("0.0045"),
    }
    assert one.usd == Decimal("0.0258") == rig.bills.today_usd
    assert rig.till.charges == [
        ("desk", "twilio", "carrier", Decimal("0.0085")),
        ("desk", MODEL, "audio_out", Decimal("0.0128")),
        ("desk", "gpt-transcribe", "transcription", Decimal("0.0045")),
    ]


@pytest.mark.parametrize(
    ("seconds", "minutes"), [(0, 1), (59.9, 1), (60.0, 2), (61, 2), (3540, 60), (120.5, 3)]
)
def test_a_minute_is_paid_when_it_begins(seconds: float, minutes: int) -> None:
    rig, one = GatewayRig(), bill()
    rig.hears(one, ARRIVED)
    for _ in range(3):
        rig.bills.pass_time(one)
    rig.now += seconds
    rig.hears(one, ENDED)
    rig.now += 1000
    rig.bills.pass_time(one)
    assert one.usd == minutes * Decimal("0.0085")


def test_nobody_pays_for_a_caller_who_never_came() -> None:
    rig, one = GatewayRig(), bill()
    rig.bills.pass_time(one)
    rig.hears(one, ENDED)
    assert (one.usd, rig.till.missing) == (0, [])


def test_what_has_no_price_is_counted() -> None:
    rig, one = GatewayRig(), bill(path="sip", direction="outbound")
    rig.hears(one, ARRIVED)
    assert rig.till.missing == [("twilio", "carrier")]
    assert one.usd == 0


def test_each_share_is_told_once() -> None:
    """Of 0.128 dollars, a hundred seconds of speech, each answer takes twenty."""
    rig, one = GatewayRig(), bill("0.128")
    assert shares(one, rig, [spoken(20)] * 6) == [None, None, None, 0.8, 1.0, None]


def test_a_dear_answer_leaps_over_the_warning() -> None:
    rig, one = GatewayRig(), bill("0.128")
    assert shares(one, rig, [spoken(79.9), spoken(300), spoken(1)]) == [None, 1.0, None]


def test_without_a_limit_nothing_is_reached() -> None:
    assert shares(bill(), GatewayRig(), [spoken(100_000)]) == [None]


def test_the_minutes_alone_use_a_call_up() -> None:
    rig, one = GatewayRig(), bill("0.0340")  # four minutes
    told = shares(one, rig, [ARRIVED])
    for _ in range(4):
        rig.now += 60
        rig.bills.pass_time(one)
        told.append(one.take_share())
    assert told == [None, None, None, 1.0, None]


def test_a_budget_is_used_up_by_all_calls_and_is_new_at_midnight() -> None:
    rig = GatewayRig(budget="0.0256")
    rig.hears(bill(), spoken(10))
    assert not rig.bills.spent_out
    assert rig.bills.share_of_budget == 0.5
    rig.hears(bill(), spoken(10))
    assert rig.bills.spent_out
    rig.wall += DAY_S - 11
    assert rig.bills.spent_out
    rig.wall += 1
    assert not rig.bills.spent_out
    assert (rig.bills.today_usd, rig.bills.share_of_budget) == (0, 0)


def test_without_a_budget_nothing_is_used_up() -> None:
    rig = GatewayRig()
    rig.hears(bill(), spoken(1_000_000))
    assert not rig.bills.spent_out
    assert rig.bills.share_of_budget == 0


# --- Several processes ---


def tell(rig: GatewayRig, total: dict[int, int]) -> None:
    """As Redis adds."""
    for day, micro_usd in rig.bills.unshared().items():
        total[day] = total.get(day, 0) + micro_usd
        rig.bills.acknowledge_shared(day, micro_usd, total[day])


def test_the_budget_is_that_of_all_processes() -> None:
    one, other, total = GatewayRig("0.01"), GatewayRig("0.01"), dict[int, int]()
    one.hears(bill(), spoken(5))
    other.hears(bill(), spoken(5))
    assert not one.bills.spent_out
    tell(one, total)
    tell(other, total)
    assert other.bills.spent_out
    tell(one, total)
    assert one.bills.spent_out
    assert one.bills.today_usd == other.bills.today_usd == Decimal("0.0128")


def test_what_was_spent_while_the_store_was_away_is_told_later() -> None:
    rig, total = GatewayRig("1"), dict[int, int]()
    tell(rig, total)
    rig.hears(bill(), spoken(5))
    assert rig.bills.unshared() == rig.bills.unshared(), "asked for, and not yet told"
    rig.hears(bill(), spoken(5))
    tell(rig, total)
    tell(rig, total)
    assert set(total.values()) == {12_800}


def test_each_day_has_a_sum_of_its_own() -> None:
    rig, total = GatewayRig("1"), dict[int, int]()
    rig.hears(bill(), spoken(5))
    rig.wall += DAY_S
    rig.hears(bill(), spoken(10))
    tell(rig, total)
    assert sorted(total.values()) == [6_400, 12_800]
    assert rig.bills.today_usd == Decimal("0.0128")
    tell(rig, total)
    assert sorted(total.values()) == [6_400, 12_800]


def test_the_next_agent_of_a_call_is_charged_for_what_it_costs() -> None:
    rig = GatewayRig()
    bill = Bill("front", "media-streams", limit_usd=Decimal("0.001"))
    rig.bills.on_event(bill, spoken(1))
    assert bill.take_share() == 1.0
    bill.change_agent("billing", Decimal("0.003"))
    assert bill.take_share() is None, "its limit is for the whole call"
    rig.bills.on_event(bill, spoken(2))
    assert [agent for agent, *_ in rig.till.charges] == ["front", "billing"]
    assert bill.take_share() == 1.0
