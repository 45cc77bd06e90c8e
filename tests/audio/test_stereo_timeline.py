"""The time line of a recording, against a model of the carrier's buffer that knows the truth."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
