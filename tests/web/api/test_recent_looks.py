"""A look at a call is written down once in ten minutes, by each who looks."""

from __future__ import annotations

from gateway import limits
from gateway.web.api.recent_looks import Look, RecentLooks


class Looks:
    """Looks of one operator, at a clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.recent = RecentLooks(lambda: self.now_s)

    def new(self, call: int, who: str = "ann", action: str = "call") -> bool:
        look: Look = (who, action, f"CA{call}")
        return self.recent.is_new(look)


def test_a_look_is_new_again_after_ten_minutes() -> None:
    looks = Looks()
    assert looks.new(1)
    looks.now_s += limits.api.LOOKS_AUDITED_EVERY_S - 1
    assert not looks.new(1)
    looks.now_s += 2
    assert looks.new(1), "counted from the one that was written down"
    assert not looks.new(1)


def test_another_operator_action_or_call_is_another_look() -> None:
    looks = Looks()
    assert looks.new(1)
    assert looks.new(2)
    assert looks.new(1, "bob")
    assert looks.new(1, action="record")
    assert not looks.new(1)


def test_the_newest_looks_are_remembered_up_to_a_bound() -> None:
    looks, most = Looks(), limits.api.LOOKS_REMEMBERED_MAX
    assert all(looks.new(call) for call in range(most))
    assert not any(looks.new(call) for call in range(most)), "so many are remembered"
    assert looks.new(most)
    assert not looks.new(1)
    assert looks.new(0), "the oldest one was forgotten"


def test_a_look_that_is_written_down_again_is_a_new_one() -> None:
    """It is not the next to be forgotten because it was once the first."""
    looks, most = Looks(), limits.api.LOOKS_REMEMBERED_MAX
    for call in range(most):
        looks.new(call)
    looks.now_s += 2 * limits.api.LOOKS_AUDITED_EVERY_S
    assert looks.new(0)
    assert looks.new(most), "in place of the oldest"
    assert not looks.new(0)
