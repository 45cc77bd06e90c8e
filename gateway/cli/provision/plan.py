"""Plan of changes: the present state, the wanted state, and the steps between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PlanStep:
    """Step that makes or changes one thing; `changes` are name -> (now, then)."""

    what: str
    changes: Mapping[str, tuple[Any, Any]]
    apply: Callable[[], None]
    new: bool = False


@dataclass
class ProvisionPlan:
    steps: list[PlanStep] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    """What is as it should be."""
    warnings: list[str] = field(default_factory=list)

    def change(
        self, what: str, now: Mapping[str, Any], then: Mapping[str, Any], apply: Callable[[], None]
    ) -> None:
        """Add a step if anything differs."""
        changes = differences(now, then)
        if changes:
            self.steps.append(PlanStep(what, changes, apply))
        else:
            self.settled.append(what)

    def make(self, what: str, then: Mapping[str, Any], apply: Callable[[], None]) -> None:
        changes = {name: (None, value) for name, value in then.items()}
        self.steps.append(PlanStep(what, changes, apply, new=True))


def differences(now: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what differs; None equals the empty text."""
    return {
        name: (now.get(name), value)
        for name, value in then.items()
        if (now.get(name) or None) != (value or None)
    }
