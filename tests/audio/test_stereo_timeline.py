"""The time line of a recording, against a model of the carrier's buffer that knows the truth."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search import draws, search

from gateway.audio import stereo_timeline as line
from gateway.audio.g711 import CALLER_HZ
from gateway.audio.stereo_timeline import Entry, RecordingMark, StereoTimeline
from gateway.limits import recordings as limits
from gateway.simulator.twilio.playback import Playback

BEGAN = 86_413.125  # a sum of powers of two: sums with it are exact
FRAME = 160
SECOND = CALLER_HZ
SETTLED = limits.SETTLED_AFTER_MS * 8


def at(position: int, delay: int = 0) -> float:
    return BEGAN + (position + delay) / CALLER_HZ


class Call:
    """A stream whose far end is a carrier; `way` samples pass between us and it, each way."""

    def __init__(self, way: int = 0, seed: int = 0) -> None:
        self.way, self.random = way, Random(seed)
        self.line, self.playback = StereoTimeline(), Playback()
        self.spoken = bytearray()
        self.entries: list[tuple[int, Entry]] = []
        self.marks = 0
        self.now = 0
        self.recorded = b""

    def noise(self, size: int) -> bytes:
        return bytes(self.random.choices(range(100), k=size))

    def live(self, samples: int) -> None:
        """Frames come, and marks that are due."""
        for now in range(self.now + FRAME, self.now + samples + 1, FRAME):
            self.now = now
            frame = self.noise(FRAME)
            begin = len(self.spoken)
            self.spoken += frame
            self._later(self.now + self.way, line.CALLER, (str(begin // 8), frame))
            while (due := self.playback.next_mark) is not None and due <= self.now:
                for name in self.playback.played(due):
                    self._later(due + self.way, line.ACKNOWLEDGED, name)

    def send(self, sound: bytes) -> None:
        """What we send now reaches the carrier after its way, and so will all that follows."""
        self.marks += 1
        name = f"0:{self.marks}"
        sent = self.now - self.way
        self._later(sent, line.PLAYED, sound)
        self._later(sent, line.MARKED, name)
        self.playback.media(sound, self.now)
        if self.playback.mark(name, self.now):
            self._later(self.now + self.way, line.ACKNOWLEDGED, name)

    def clear(self) -> None:
        self._later(self.now - self.way, line.CLEARED, None)
        for name in self.playback.clear(self.now):
            self._later(self.now + self.way, line.ACKNOWLEDGED, name)

    def control(self, kind: int, value: object = None) -> None:
        self._later(self.now + self.way, kind, value)

    def _later(self, when: int, kind: int, value: object) -> None:
        self.entries.append((when, (kind, at(when), value)))

    def record(self, every: int = 4_000) -> bytes:
        """Give all entries to the time line, a few at a time, and return what it wrote."""
        entries = sorted(self.entries, key=lambda entry: entry[0])
        given, out = 0, []
        for now in range(0, self.now, every):
            due = [entry for when, entry in entries[given:] if when <= now]
            given += len(due)
            self.line.add(due)
            out.append(self.line.settled(at(now)))
        self.line.add(entry for _, entry in entries[given:])
        out.append(self.line.end(at(self.now, self.way)))
        return b"".join(out)

    def heard(self, size: int) -> bytes:
        return self.playback.track.between(0, size)


def tracks(stereo: bytes) -> tuple[bytes, bytes]:
    return stereo[0::2], stereo[1::2]


def test_both_directions_stand_side_by_side_to_the_sample() -> None:
    call = Call()
    call.control(line.KEEP, at(0))
    call.live(FRAME)
    call.send(call.noise(2 * SECOND))
    call.live(SECOND)
    left, right = tracks(call.record())
    assert left == bytes(call.spoken)
    assert right == call.heard(len(right))
    assert len(left) == len(right) == call.now


def test_an_interrupted_answer_stops_where_the_clear_stopped_it() -> None:
    call = Call()
    call.control(line.KEEP, at(0))
    call.live(FRAME)
    answer = call.noise(SECOND)
    call.send(answer)
    call.live(4_800)
    call.clear()
    call.live(8_000)
    call.send(answer)
    call.live(8_000)
    _, right = tracks(call.record())
    assert right[FRAME : FRAME + 4_800] == answer[:4_800]
    assert set(right[FRAME + 4_800 : FRAME + 12_800]) == {0xFF}
    assert right[FRAME + 12_800 :] == answer


@pytest.mark.parametrize("way", [0, 8, 400, 1_200])
def test_the_way_to_the_carrier_is_taken_out_once_marks_tell_it(way: int) -> None:
    call = Call(way)
    call.control(line.KEEP, at(0, way))
    call.live(2 * FRAME)
    call.send(call.noise(3 * FRAME))
    call.live(2 * SECOND)
    call.send(call.noise(SECOND))
    call.live(2 * SECOND)
    left, right = tracks(call.record())
    assert left[: call.now - FRAME] == bytes(call.spoken)[: call.now - FRAME]
    assert right[: call.now] == call.heard(call.now)


def test_marks_that_a_clear_sends_back_say_nothing_of_the_way() -> None:
    """They come back at once, long before the sound in front of them would have been played."""
    call = Call(400)
    call.control(line.KEEP, at(0, 400))
    call.live(2 * FRAME)
    call.send(call.noise(3 * FRAME))
    call.live(SECOND)
    call.send(call.noise(2 * SECOND))
    call.live(SECOND)
    call.clear()
    call.live(SECOND)
    call.send(call.noise(SECOND))
    call.live(2 * SECOND)
    _, right = tracks(call.record())
    assert right[: call.now] == call.heard(call.now)


def test_what_is_played_at_the_first_moment_stands_at_the_first_sample() -> None:
    call = StereoTimeline()
    call.add([(line.PLAYED, BEGAN, b"\1" * 40), (line.CALLER, at(FRAME), ("0", b"\2" * FRAME))])
    call.add([(line.KEEP, at(FRAME), BEGAN)])
    _, right = tracks(call.end(at(FRAME)))
    assert right == b"\1" * 40 + b"\xff" * 120


@pytest.mark.parametrize(("early_ms", "is_true"), [(1_999, True), (2_001, False)])
def test_a_quicker_frame_moves_the_beginning_by_no_more_than_a_frame_may_be_ahead(
    early_ms: int, is_true: bool
) -> None:
    assert limits.CALLER_AHEAD_MAX_MS == 2_000
    call = StereoTimeline()
    call.add([(line.CALLER, at(FRAME), ("0", bytes(FRAME))), (line.KEEP, at(FRAME), BEGAN)])
    call.add([(line.CALLER, at(FRAME), (str(early_ms), bytes(FRAME)))])
    moved_s = early_ms / 1_000 if is_true else 0.0
    assert call.kept_from_s == pytest.approx(BEGAN - moved_s, abs=1e-6)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("live"), st.integers(1, 60)),
        st.tuples(st.just("send"), st.integers(1, 4_000)),
        st.tuples(st.just("clear"), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS, st.integers(160, 12_000), st.integers(0, 99))
def test_any_call_is_recorded_as_it_was_played(
    steps: list[tuple[str, int]], every: int, seed: int
) -> None:
    call = Call(seed=seed)
    call.live(FRAME)
    call.control(line.KEEP, at(0))
    for what, size in steps:
        match what:
            case "live":
                call.live(size * FRAME)
            case "send":
                call.send(call.noise(size))
            case _:
                call.clear()
    left, right = tracks(call.record(every))
    assert left == bytes(call.spoken)
    assert right == call.heard(len(right))
    assert call.line.take_marks() == []


@search
@settings(max_examples=draws(40))
@given(STEPS, st.integers(0, 8), st.integers(0, 40), st.integers(0, 40))
def test_of_a_pause_nothing_is_kept_and_the_count_of_samples_stays(
    steps: list[tuple[str, int]], first: int, pause: int, rest: int
) -> None:
    call = Call()
    call.live(FRAME)
    call.control(line.KEEP, at(0))
    call.send(call.noise(6 * SECOND))
    call.live(first * FRAME + FRAME)
    begin = call.now
    call.control(line.PAUSED)
    call.live(pause * FRAME)
    end = call.now
    call.control(line.RESUMED)
    call.live(rest * FRAME)
    left, right = tracks(call.record())
    assert len(left) == call.now
    assert set(left[begin:end] + right[begin:end]) <= {0xFF}
    assert left[:begin] + left[end:] == bytes(call.spoken[:begin] + call.spoken[end:])
    assert right[end:] == call.heard(call.now)[end:]
    assert call.line.take_marks()[:1] == [RecordingMark("paused", begin, None)]


def test_a_pause_is_marked_when_it_begins_and_again_when_it_has_ended() -> None:
    call = Call()
    call.control(line.KEEP, at(0))
    call.live(SECOND)
    call.control(line.PAUSED)
    call.live(SECOND)
    call.control(line.RESUMED)
    call.live(SECOND)
    call.control(line.PAUSED)
    call.live(SECOND)
    left, _ = tracks(call.record())
    assert call.line.take_marks() == [
        RecordingMark("paused", SECOND, None),
        RecordingMark("paused", SECOND, 2 * SECOND),
        RecordingMark("paused", 3 * SECOND, None),
        RecordingMark("paused", 3 * SECOND, 4 * SECOND),  # the call ended in it
    ]
    assert len(left) == 4 * SECOND
    assert set(left[3 * SECOND :]) == {0xFF}


def test_a_pause_in_which_no_time_passes_has_an_end_too() -> None:
    call = Call()
    call.control(line.KEEP, at(0))
    call.live(SECOND)
    call.control(line.PAUSED)
    call.control(line.RESUMED)
    call.live(SECOND)
    left, _ = tracks(call.record())
    assert left == bytes(call.spoken)
    assert call.line.take_marks() == [
        RecordingMark("paused", SECOND, None),
        RecordingMark("paused", SECOND, SECOND),
    ]


def test_a_pause_from_before_the_consent_begins_with_what_is_kept() -> None:
    call = Call()
    call.live(SECOND)
    call.control(line.PAUSED)
    call.live(SECOND)
    call.control(line.KEEP, at(2 * SECOND))
    call.live(SECOND)
    call.control(line.RESUMED)
    call.live(SECOND)
    left, _ = tracks(call.record())
    assert left == b"\xff" * SECOND + bytes(call.spoken)[3 * SECOND :]
    assert call.line.take_marks() == [RecordingMark("paused", 0, SECOND)]


def test_orders_that_are_given_twice_hold_once() -> None:
    call = Call()
    call.control(line.KEEP, at(0))
    call.live(SECOND)
    call.control(line.RESUMED)
    call.control(line.KEEP, at(SECOND))
    call.live(SECOND)
    call.control(line.PAUSED)
    call.live(SECOND)
    call.control(line.PAUSED)
    call.live(SECOND)
    left, _ = tracks(call.record())
    assert left == bytes(call.spoken)[: 2 * SECOND] + b"\xff" * (2 * SECOND)
    assert call.line.take_marks()[-1] == RecordingMark("paused", 2 * SECOND, 4 * SECOND)


def test_what_happens_before_the_first_frame_stands_at_the_beginning() -> None:
    call = StereoTimeline()
    call.add([(line.KEEP, BEGAN, BEGAN), (line.PAUSED, BEGAN, None), (line.KEY, BEGAN, None)])
    assert call.kept_from_s is None
    assert call.take_marks() == [RecordingMark("paused", 0, None)]
    call.add([(line.CALLER, at(FRAME), ("0", b"\1" * FRAME))])
    assert call.kept_from_s == BEGAN


def test_of_very_many_pauses_the_first_are_named() -> None:
    call = StereoTimeline()
    call.add([(line.CALLER, BEGAN, ("0", b"\0")), (line.KEEP, BEGAN, BEGAN)])
    for nth in range(limits.MARKED_MAX):
        call.add([(line.PAUSED, at(2 * nth), None), (line.RESUMED, at(2 * nth + 1), None)])
    assert len(call.take_marks()) == limits.MARKED_MAX


@pytest.mark.parametrize(
    ("nth", "is_known"), [(limits.MARKS_MAX, True), (limits.MARKS_MAX + 1, False)]
)
def test_as_many_marks_as_are_waited_for(nth: int, is_known: bool) -> None:
    """The last of them still tells how long the way to the carrier and back is."""
    call, delay = StereoTimeline(), 800
    call.add([(line.KEEP, BEGAN, BEGAN), (line.CALLER, at(FRAME), ("0", b"\1" * FRAME))])
    call.add([(line.PLAYED, at(FRAME), b"\2" * FRAME)])
    call.add((line.MARKED, at(FRAME), f"0:{n}") for n in range(1, nth + 1))
    call.add([(line.ACKNOWLEDGED, at(2 * FRAME + delay), f"0:{nth}")])
    _, right = tracks(call.end(at(SECOND)))
    assert right.index(b"\2") == FRAME + (delay if is_known else 0)


@pytest.mark.parametrize(
    ("ahead_ms", "begins_ms"),
    [
        (limits.CALLER_AHEAD_MAX_MS, limits.CALLER_AHEAD_MAX_MS),
        (limits.CALLER_AHEAD_MAX_MS + 1, 20),
    ],
)
def test_a_frame_may_be_so_far_ahead_of_the_clock(ahead_ms: int, begins_ms: int) -> None:
    """It begins where it says; one that says more follows on the one before."""
    call = StereoTimeline()
    call.add([(line.KEEP, BEGAN, BEGAN), (line.CALLER, at(FRAME), ("0", b"\1" * FRAME))])
    call.add([(line.CALLER, BEGAN, (str(ahead_ms), b"\2" * FRAME))])
    left, _ = tracks(call.end(at(4 * SECOND)))
    assert left.index(b"\2") == begins_ms * 8


def test_a_frame_that_comes_just_in_time_stands_where_sound_was_given_out() -> None:
    """What begins before is too late: silence was written there."""
    call = StereoTimeline()
    call.add([(line.KEEP, BEGAN, BEGAN), (line.CALLER, at(FRAME), ("0", b"\1" * FRAME))])
    until = 2 * SECOND
    now = at(until + SETTLED + limits.CALLER_LATE_MAX_MS * 8)
    written, _ = tracks(call.settled(now))
    assert written == b"\1" * FRAME + b"\xff" * (until - FRAME)
    call.add([(line.CALLER, now, (str(until // 8 - 1), b"\2" * FRAME))])
    call.add([(line.CALLER, now, (str(until // 8), b"\3" * FRAME))])
    left, _ = tracks(call.end(now))
    assert left[:FRAME] == b"\3" * FRAME


def test_nothing_before_the_consent_was_heard_is_kept() -> None:
    call = Call()
    call.live(3 * SECOND)
    call.send(call.noise(SECOND))
    call.live(SECOND)
    call.control(line.KEEP, at(call.now - 320))
    begin = call.now - 320
    call.live(SECOND)
    left, right = tracks(call.record())
    assert left == bytes(call.spoken)[begin:]
    assert right == call.heard(call.now)[begin:]
    assert call.line.kept_from_s == at(begin)


def test_without_consent_nothing_is_kept_and_nothing_grows() -> None:
    call = Call()
    call.live(60 * SECOND)
    assert call.record() == b""


def test_the_tone_of_a_key_is_silenced_in_the_callers_sound_only() -> None:
    call = Call()
    call.live(FRAME)
    call.control(line.KEEP, at(0))
    call.send(call.noise(4 * SECOND))
    call.live(SECOND)
    call.control(line.KEY)
    call.live(SECOND)
    left, right = tracks(call.record())
    begin, end = FRAME + SECOND - 8 * limits.KEY_BEFORE_MS, FRAME + SECOND + 8 * limits.KEY_AFTER_MS
    assert set(left[begin:end]) == {0xFF}
    assert left[:begin] + left[end:] == bytes(call.spoken[:begin] + call.spoken[end:])
    assert right == call.heard(call.now)


def test_frames_of_impossible_times_follow_on_the_one_before() -> None:
    call = StereoTimeline()
    call.add([(line.KEEP, BEGAN, BEGAN)])
    for n, stamp in enumerate(("0", "20", "99999999999999", "60", "7" * 15)):
        call.add([(line.CALLER, at((n + 1) * FRAME), (stamp, bytes([n]) * FRAME))])
    left, _ = tracks(call.end(at(5 * FRAME)))
    assert len(left) < 2 * SECOND
    assert left[: 4 * FRAME] == b"".join(bytes([n]) * FRAME for n in range(4))


def test_lost_entries_are_silence_and_a_marked_gap() -> None:
    call = Call()
    call.live(FRAME)
    call.control(line.KEEP, at(0))
    call.live(SECOND)
    lost_from = call.now
    call.live(SECOND)
    call.entries = [e for e in call.entries if not (e[1][0] == line.CALLER and e[0] > lost_from)]
    call.control(line.LOST, at(lost_from))
    lost_to = call.now
    call.live(SECOND)
    left, _ = tracks(call.record())
    assert left[lost_from:lost_to] == b"\xff" * (lost_to - lost_from)
    assert left[lost_to:] == bytes(call.spoken)[lost_to:]
    assert call.line.take_marks() == [RecordingMark("gap", lost_from, lost_to)]


def test_a_call_that_never_ends_is_cut_at_the_longest_recording() -> None:
    call = StereoTimeline()
    call.add([(line.CALLER, BEGAN, ("0", b"\0")), (line.KEEP, BEGAN, BEGAN)])
    longest = round(limits.RECORDING_MAX_S * CALLER_HZ)
    call._done = longest - 100  # nobody waits for a day
    call._left.clear()
    assert len(call.settled(at(longest + 10 * SECOND))) == 200
    call.add([(line.PLAYED, at(longest + 10 * SECOND), b"\0" * 160)])
    assert call.settled(at(longest + 20 * SECOND)) == b""
    assert not any(run.sound for run in call._runs)
