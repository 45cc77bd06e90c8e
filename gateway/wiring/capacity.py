"""Bounds on new calls: slots, budget, and what the model can take."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from time import monotonic, time

import structlog

from gateway.agents.config.agent import Agent
from gateway.bridge.spend_limits import SpendLimits
from gateway.call.call_info import CallInfo
from gateway.ops.billing.bills import Bill, Bills
from gateway.ops.billing.prices import Prices
from gateway.ops.limits.admission import Admission, RateWatch, shed_reason
from gateway.ops.limits.circuit_breaker import CircuitBreaker
from gateway.ops.startup_checks import prices_for
from gateway.ops.telemetry.metrics import Metrics
from gateway.transports.connection_limits import descriptors_left
from gateway.wiring.resources import Resources

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bounds on new calls: slots, budget, and what the model can take."""

    admission: Admission
    breaker: CircuitBreaker
    rates: RateWatch
    prices: Prices
    bills: Bills
    spend: SpendLimits

    def shed(self) -> str | None:
        """Return why no further call is connected to the model, or None."""
        return shed_reason(self.breaker, self.rates)


def capacity(r: Resources) -> Capacity:
    settings, metrics = r.settings, r.metrics
    budget = None if settings.budget_usd is None else Decimal(str(settings.budget_usd))
    prices = prices_for(r.book, settings)
    bills = Bills(prices, metrics, monotonic, time, budget)
    metrics.budget.set_function(lambda: bills.share_of_budget)
    metrics.descriptors_left.set_function(descriptors_left)
    metrics.expect(r.book.agents.values())
    metrics.capacity.labels("media-streams").set(settings.max_calls)
    metrics.capacity.labels("sip").set(r.tuning.sip_calls_max if settings.sip_uri else 0)
    return Capacity(
        Admission(settings.max_calls_per_caller, r.remote),
        CircuitBreaker(
            monotonic,
            partial(_breaker_changed, metrics),
            failures_max=r.tuning.breaker_failures_max,
        ),
        RateWatch(monotonic),
        prices,
        bills,
        SpendLimits(bills, lambda: r.table.calls, r.store, metrics.share_reached, r.remote),
    )


def _breaker_changed(metrics: Metrics, is_open: bool, reason: str) -> None:
    metrics.breaker_open.set(is_open)
    if is_open:
        log.error("breaker_opened", reason=reason or "see the last `ended` lines")
    else:
        log.info("breaker_closed")


def open_bill(facts: CallInfo, agent: Agent) -> Bill:
    limit = None if agent.spend_usd is None else Decimal(str(agent.spend_usd))
    return Bill(agent.name, facts.path, facts.direction, limit)
