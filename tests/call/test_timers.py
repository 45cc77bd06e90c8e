"""Named deadlines: once each, the earliest first."""

from __future__ import annotations

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
