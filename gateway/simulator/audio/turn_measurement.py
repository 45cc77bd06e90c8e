"""Measurement of a call's turns from its two tracks of sound alone.

A turn's latency is from the last sound of the caller's words, as sent,
to the first sound that the caller hears afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from gateway.simulator.audio.analysis import LOUD_RMS, loudness, milliseconds, samples

WINDOW_MS: Final = 10
SAME_SPEECH_MS: Final = 400
"""A longer pause ends a speech; that of a comma is shorter."""
BARGE_IN_MAX_MS: Final = 2000
"""Speech that continues for longer was not stopped by the interruption."""


@dataclass(frozen=True, slots=True)
class LoudSpan:
    begin_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance of the caller, with its position on their track in samples."""

    step: int
    kind: Literal["say", "play", "interrupt"]
    text: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class MeasuredTurn:
    """One turn of the caller and its answer; number 0 is the greeting."""

    number: int
    kind: str
    text: str
    said: LoudSpan | None
    heard: LoudSpan | None
    latency_ms: float | None
    silent_after_ms: float | None = None
    """Time from the first sound of an interruption to the last of what it interrupted."""

    @property
    def barged_in(self) -> bool:
        return self.silent_after_ms is not None and self.silent_after_ms <= BARGE_IN_MAX_MS


class MeasuredSound:
    """Track as loud and silent windows of 10 ms."""

    def __init__(self, mulaw: bytes) -> None:
        self._loud = loudness(mulaw, samples(WINDOW_MS)) > LOUD_RMS

    def first(self, begin_ms: float, end_ms: float) -> float | None:
        """Return when the first sound of a span begins."""
        at = np.flatnonzero(self._part(begin_ms, end_ms))
        return float(at[0] + self._index(begin_ms)) * WINDOW_MS if len(at) else None

    def last(self, begin_ms: float, end_ms: float) -> float | None:
        """Return when the last sound of a span ends."""
        at = np.flatnonzero(self._part(begin_ms, end_ms))
        return float(at[-1] + self._index(begin_ms) + 1) * WINDOW_MS if len(at) else None

    def falls_silent(self, begin_ms: float, end_ms: float) -> float:
        """Return when the sound at the begin of a span has stopped."""
        stopped = begin_ms
        while (nxt := self.first(stopped, min(stopped + SAME_SPEECH_MS, end_ms))) is not None:
            stopped = nxt + WINDOW_MS
        return stopped

    def spans(self) -> list[LoudSpan]:
        """Return the speeches; short pauses are part of one."""
        found: list[LoudSpan] = []
        for index in np.flatnonzero(self._loud):
            begin = float(index) * WINDOW_MS
            if found and begin - found[-1].end_ms < SAME_SPEECH_MS:
                found[-1] = LoudSpan(found[-1].begin_ms, begin + WINDOW_MS)
            else:
                found.append(LoudSpan(begin, begin + WINDOW_MS))
        return found

    @property
    def total_ms(self) -> float:
        return float(self._loud.sum()) * WINDOW_MS

    def _part(self, begin_ms: float, end_ms: float) -> npt.NDArray[np.bool_]:
        return self._loud[self._index(begin_ms) : self._index(end_ms)]

    @staticmethod
    def _index(ms: float) -> int:
        return max(round(ms / WINDOW_MS), 0)


def turns(spoken: bytes, heard: bytes, utterances: Sequence[Utterance]) -> list[MeasuredTurn]:
    """Return the greeting and a turn for each utterance of the caller."""
    caller, answers = MeasuredSound(spoken), MeasuredSound(heard)
    over_ms = milliseconds(max(len(spoken), len(heard)))
    begins = [milliseconds(one.begin) for one in utterances] + [over_ms]
    greeting = _answer(answers, 0.0, begins[0])
    waited_ms = greeting.begin_ms if greeting else None
    found = [MeasuredTurn(0, "greeting", "", None, greeting, waited_ms)]
    for number, one in enumerate(utterances, 1):
        found.append(_turn(number, one, caller, answers, begins[number]))
    return found


def _turn(
    number: int, one: Utterance, caller: MeasuredSound, answers: MeasuredSound, until_ms: float
) -> MeasuredTurn:
    said = _said(one, caller)
    silent_after_ms, listen_from_ms = None, said.end_ms
    if answers.first(said.begin_ms - 2 * WINDOW_MS, said.begin_ms + 2 * WINDOW_MS) is not None:
        stopped_ms = answers.falls_silent(said.begin_ms, until_ms)
        silent_after_ms = stopped_ms - said.begin_ms
        listen_from_ms = max(listen_from_ms, stopped_ms)
    heard = _answer(answers, listen_from_ms, until_ms)
    latency_ms = heard.begin_ms - said.end_ms if heard else None
    return MeasuredTurn(number, one.kind, one.text, said, heard, latency_ms, silent_after_ms)


def _said(one: Utterance, caller: MeasuredSound) -> LoudSpan:
    begin_ms, end_ms = milliseconds(one.begin), milliseconds(one.end)
    first, last = caller.first(begin_ms, end_ms), caller.last(begin_ms, end_ms)
    return LoudSpan(begin_ms if first is None else first, end_ms if last is None else last)


def _answer(answers: MeasuredSound, begin_ms: float, end_ms: float) -> LoudSpan | None:
    first, last = answers.first(begin_ms, end_ms), answers.last(begin_ms, end_ms)
    return None if first is None or last is None else LoudSpan(first, last)


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the percentile by nearest rank; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(int(np.ceil(share * len(ordered))) - 1, len(ordered) - 1)]
