"""Declarations of series in the body of a class, and what makes each instance its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

# The creation time of each series would be another series, and no rule or dashboard uses it.
disable_created_metrics()  # type: ignore[no-untyped-call]

PREFIX: Final = "gateway_"
S = TypeVar("S", Counter, Gauge, Histogram)


class DeclaredSeries(Generic[S]):
    """One series of a class, which `make_series` makes for each instance.

    The instance's own attribute hides the declaration, so that a use costs no look-up here.
    """

    def __init__(self, make: Callable[[CollectorRegistry], S]) -> None:
        self.make: Callable[[CollectorRegistry], S] = make

    def __get__(self, owner: object, kind: type | None = None) -> S:
        raise AttributeError("a series is made by make_series, for one registry")


def counter(name: str, text: str, *labels: str) -> DeclaredSeries[Counter]:
    """Declare a counter, `gateway_<name>_total`, with its help text."""
    return DeclaredSeries(lambda into: Counter(PREFIX + name, text, labels, registry=into))


def gauge(name: str, text: str, *labels: str) -> DeclaredSeries[Gauge]:
    """Declare a gauge, `gateway_<name>`, with its help text."""
    return DeclaredSeries(lambda into: Gauge(PREFIX + name, text, labels, registry=into))


def histogram(
    name: str, text: str, *labels: str, buckets: tuple[float, ...]
) -> DeclaredSeries[Histogram]:
    """Declare a histogram, `gateway_<name>`, with its help text and the bounds of its buckets."""
    return DeclaredSeries(
        lambda into: Histogram(PREFIX + name, text, labels, buckets=buckets, registry=into)
    )


def make_series(owner: object, declaring: type, registry: CollectorRegistry) -> None:
    """Make every series that a class declares, in a registry, as attributes of `owner`.

    Raises ValueError for a name that the registry has already.
    """
    for attribute, declared in vars(declaring).items():
        if isinstance(declared, DeclaredSeries):
            setattr(owner, attribute, declared.make(registry))
