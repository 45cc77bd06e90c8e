"""Named deadlines: once each, the earliest first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from call import vendor_events
from call.play import Book, answered, last_mark, wait
from gateway.call.timers import Timer, Timers


def heard_out(book: Book) -> Book:
    """The farewell is said and heard."""
    (
        book
        >> vendor_events.response_created("bye")
        >> vendor_events.audio_delta("bye", ms=20, response_id="bye")
    )
    (
        book
        << ...
        >> vendor_events.audio_done("bye", "bye")
        >> vendor_events.response_done("bye")
        >> wait(0.02)
    )
    return book >> last_mark << ...


def idle() -> Book:
    book = answered(idle={"nudge_after_s": 1.0, "end_after_s": 2.0}) >> wait(1.1) << ...
    book >> vendor_events.response_created() >> vendor_events.response_done() >> wait(1.1) << ...
    return heard_out(book)


def test_timers_come_once_and_the_earliest_first() -> None:
    timers = Timers()
    timers.set(Timer.NUDGE, 3.0)
    timers.set(Timer.MEDIA, 2.0)
    timers.set(Timer.LENGTH, 9.0)
    assert timers.next() == 2.0
    assert timers.pop_due(1.9) is None
    assert timers.pop_due(5.0) is Timer.MEDIA
    timers.clear(Timer.NUDGE, Timer.GOODBYE)
    assert timers.pop_due(5.0) is None
    assert Timer.LENGTH in timers
    timers.clear_all()
    assert timers.next() is None


def test_a_timer_that_another_cleared_does_not_come_in_the_same_tick() -> None:
    """The process slept through the nudge and the longest time: nobody is nudged into goodbye."""
    book = answered(max_call_s=5.0, idle={"nudge_after_s": 4.9999, "end_after_s": 20.0})
    book.now += 5.0
    book.line_stalls()
    book >> vendor_events.frame(20) << ...
    outs = book.call.tick(book.now + 1.0)
    book.umpire.after(outs, book.now)
    assert sum("response.create" in str(out) for out in outs) == 1


_STEPS = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(list(Timer)[:4]), st.integers(0, 5)),
    st.tuples(st.just("clear"), st.sampled_from(list(Timer)[:4]), st.just(0)),
    st.tuples(st.just("clear_all"), st.just(Timer.MEDIA), st.just(0)),
    st.tuples(st.just("pop"), st.just(Timer.MEDIA), st.integers(0, 5)),
)


@given(st.lists(_STEPS, max_size=30), st.lists(st.booleans(), min_size=30, max_size=30))
def test_the_next_deadline_is_the_earliest_of_those_set(
    steps: list[tuple[str, Timer, int]], looked: list[bool]
) -> None:
    timers, expected = Timers(), dict[Timer, int]()
    for (step, timer, at), looks in zip(steps, looked, strict=False):
        if step == "set":
            timers.set(timer, at)
            expected[timer] = at
        elif step == "clear":
            timers.clear(timer)
            expected.pop(timer, None)
        elif step == "clear_all":
            timers.clear_all()
            expected.clear()
        else:
            popped = timers.pop_due(at)
            earliest = min(expected, key=expected.__getitem__, default=None)
            assert popped == (earliest if earliest and expected[earliest] <= at else None)
            expected.pop(popped, None)
        if looks:
            assert timers.next() == min(expected.values(), default=None)
