"""Running bills of calls, and the sum of the day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Protocol

from gateway import limits
from gateway.call import events
from gateway.ops.billing.prices import MINUTE_S, Charge, Prices

DAY_S: Final = 86_400
MICRO: Final = 1_000_000
_CARRIER: Final = "twilio"
"""Value of the label `model` for the carrier's charges."""


@dataclass(slots=True)
class Bill:
    """Cost of one call so far; `limit_usd` is the most that it may cost."""

    agent: str
    path: str
    direction: str = "inbound"
    limit_usd: Decimal | None = None
    usd: Decimal = Decimal()
    by_kind: dict[str, Decimal] = field(default_factory=dict)
    answered_at: float | None = None
    minutes: int = 0
    talked_s: float = 0.0
    """Seconds of the call in another stream or process before this one."""
    _share_taken: float = 0.0

    def change_agent(self, agent: str, limit_usd: Decimal | None) -> None:
        """Charge another agent from now on; its limit is for the whole call."""
        self.agent, self.limit_usd, self._share_taken = agent, limit_usd, 0.0

    def add(self, kind: str, usd: Decimal) -> None:
        self.by_kind[kind] = self.by_kind.get(kind, Decimal()) + usd
        self.usd += usd

    def carry_on(self, micro_usd: Mapping[str, int], minutes: int, talked_s: float) -> None:
        """Continue the bill of a call that began in another stream or process."""
        self.by_kind = {kind: Decimal(spent) / MICRO for kind, spent in micro_usd.items()}
        self.usd = sum(self.by_kind.values(), Decimal())
        self.minutes, self.talked_s = minutes, talked_s

    @property
    def micro_usd(self) -> dict[str, int]:
        return {kind: round(usd * MICRO) for kind, usd in self.by_kind.items()}

    def take_share(self) -> float | None:
        """Return 0.8 or 1.0, each once, when the call has reached that share of its limit."""
        if self.limit_usd is None:
            return None
        used = self.usd / self.limit_usd
        share = 1.0 if used >= 1 else limits.call.SPEND_WARN_SHARE
        if used < Decimal(str(share)) or share <= self._share_taken:
            return None
        self._share_taken = share
        return share


COSTS: Final = frozenset(
    {events.UsageCounted, events.TranscriptionCounted, events.CallerConnected, events.CallEnded}
)
"""Call events that add to a bill."""


class SharedCounters(Protocol):
    """Where charges are counted."""

    def charged(self, agent: str, model: str, kind: str, usd: Decimal) -> None: ...

    def unpriced(self, model: str, kind: str) -> None: ...


class Bills:
    """`clock` tells monotonic seconds, `wall_clock` Unix seconds: a day is one of UTC's."""

    def __init__(
        self,
        prices: Prices,
        counters: SharedCounters,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        budget_usd: Decimal | None = None,
    ) -> None:
        self._prices, self._counters = prices, counters
        self._clock, self._wall_clock = clock, wall_clock
        self._budget_usd = budget_usd
        self._day = self._day_now()
        self._today_usd = self._all_usd = Decimal()
        """Of all processes today, as far as it is known here."""
        self._unshared: dict[int, Decimal] = {}
        """By day: what other processes do not know of yet."""

    @property
    def today_usd(self) -> Decimal:
        """Since midnight, UTC: of all processes that share a store, or since this one began."""
        self._turn_page()
        known = self._all_usd + self._unshared.get(self._day, Decimal())
        return max(self._today_usd, known)

    @property
    def spent_out(self) -> bool:
        """Whether the day's budget is used up."""
        return self._budget_usd is not None and self.today_usd >= self._budget_usd

    @property
    def share_of_budget(self) -> float:
        """0 without a budget."""
        return 0.0 if self._budget_usd is None else float(self.today_usd / self._budget_usd)

    def on_event(self, bill: Bill, event: events.CallEvent) -> None:
        match event:
            case events.UsageCounted(model, usage):
                self._charge(bill, model, self._prices.of_response(model, usage))
            case events.TranscriptionCounted(model, transcribed):
                self._charge(bill, model, self._prices.of_transcript(model, transcribed))
            case events.CallerConnected():
                bill.answered_at = self._clock() - bill.talked_s
                self.pass_time(bill)
            case events.CallEnded():
                self.pass_time(bill)
                bill.answered_at = None

    def pass_time(self, bill: Bill) -> None:
        """The carrier is paid for each minute that has begun."""
        if bill.answered_at is None:
            return
        minutes = int(Decimal(self._clock() - bill.answered_at) // MINUTE_S) + 1
        begun, bill.minutes = minutes - bill.minutes, minutes
        charge = self._prices.of_minutes(bill.path, bill.direction, begun)
        self._charge(bill, _CARRIER, charge)

    def _charge(self, bill: Bill, model: str, charge: Charge) -> None:
        for kind in charge.unpriced:
            self._counters.unpriced(model, kind)
        self._turn_page()
        for kind, usd in charge.usd.items():
            bill.add(kind, usd)
            self._today_usd += usd
            self._unshared[self._day] = self._unshared.get(self._day, Decimal()) + usd
            self._counters.charged(bill.agent, model, kind, usd)

    def _day_now(self) -> int:
        return int(self._wall_clock()) // DAY_S

    def _turn_page(self) -> None:
        day = self._day_now()
        if day != self._day:
            self._day, self._today_usd, self._all_usd = day, Decimal(), Decimal()

    # --- All processes together ---

    def unshared(self) -> dict[int, int]:
        """Return the micro-dollars not shared yet, by day; today is always there."""
        self._turn_page()
        days = {self._day: Decimal()} | self._unshared
        return {day: int(usd * MICRO) for day, usd in days.items()}

    def acknowledge_shared(self, day: int, micro_usd: int, all_micro_usd: int) -> None:
        """Take that `micro_usd` were added to the shared sum of a day, now `all_micro_usd`."""
        unshared = self._unshared.pop(day, Decimal()) - Decimal(micro_usd) / MICRO
        if day == self._day:
            self._unshared[day] = unshared
            self._all_usd = Decimal(all_micro_usd) / MICRO
