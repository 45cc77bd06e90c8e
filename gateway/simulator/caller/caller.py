"""The simulated caller: speaks and listens in real time and does the steps of a scenario."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

import numpy as np

from gateway.simulator.audio.analysis import LOUD_RMS, loudness, milliseconds, read_mulaw, samples
from gateway.simulator.audio.tts import Speaker, speak_mulaw
from gateway.simulator.audio.turn_measurement import Utterance
from gateway.simulator.caller.handset import Handset
from gateway.simulator.caller.helper_processes import HelperProcesses
from gateway.simulator.caller.operator_api import OperatorApi
from gateway.simulator.scenario.steps import CallerStep, ExpectHangUp, Hear, Interrupt
from gateway.simulator.twilio.call import TwilioCall
from gateway.simulator.twilio.line import TelephoneLine

POLL_S: Final = 0.02
KEY_PAUSE_S: Final = 0.2
COMMA_MS: Final = 60
"""A shorter silence is part of speech that can be interrupted."""


class StepFailed(Exception):
    """A step of the scenario could not be done as written."""

    def __init__(self, number: int, step: CallerStep, problem: str) -> None:
        self.number = number
        super().__init__(f"step {number} ({step.kind}): {problem}")


class SpeechListener:
    """Measures the sound played to the caller from a position on."""

    def __init__(self, line: TelephoneLine, begin: int) -> None:
        self._line, self._at = line, begin
        self.first: int | None = None
        self.last = begin
        self.loud_ms = 0.0

    def listen(self) -> None:
        """Measure what was played since the last time."""
        window = samples(10)
        end = self._at + (self._line.now - self._at) // window * window
        if end <= self._at:
            return
        played = self._line.playback.track.between(self._at, end)
        loud = np.flatnonzero(loudness(played, window) > LOUD_RMS)
        if len(loud):
            self.loud_ms += milliseconds(len(loud) * window)
            self.last = self._at + int(loud[-1] + 1) * window
            if self.first is None:
                self.first = self._at + int(loud[0]) * window
        self._at = end

    @property
    def silent_ms(self) -> float:
        return milliseconds(self._at - self.last)

    @property
    def since_first_ms(self) -> float:
        return 0.0 if self.first is None else milliseconds(self._at - self.first)


@dataclass
class Caller:
    """Person on one call, with what they can act on."""

    call: TwilioCall
    language: str = "en"
    speak: Speaker = speak_mulaw
    opening: tuple[str, bytes] = ("", b"")
    """Words and sound with which a call is answered, before all steps."""
    helpers: HelperProcesses | None = None
    handset: Handset | None = None
    operator: OperatorApi | None = None
    """Operator of the gateway, for the steps `decide`."""
    on_said: Callable[[Utterance], None] = lambda _: None
    on_heard: Callable[[list[Utterance]], None] = lambda _: None
    """Gets what the caller has said so far, whenever they have heard an answer."""
    utterances: list[Utterance] = field(default_factory=list)
    spoken_end: int = 0

    @property
    def line(self) -> TelephoneLine:
        return self.call.line

    async def perform(self, steps: list[CallerStep]) -> None:
        """Do all steps, then hang up. Raises StepFailed."""
        words = [await self._synthesise(step) for step in steps]
        await self._until(self.line.answered.is_set, None)
        try:
            if self.opening[1] and self.line.answered.is_set():
                await self._say(0, "say", *self.opening)
            for number, (step, sound) in enumerate(zip(steps, words, strict=True), 1):
                if problem := await self._do(number, step, sound):
                    raise StepFailed(number, step, problem)
        finally:
            self.call.hang_up()

    async def prepare(self, steps: list[CallerStep]) -> None:
        """Synthesise all words before the call, so that no step waits for the voice."""
        for step in steps:
            await self._synthesise(step)
        if self.handset is not None:
            await self.handset.prepare([photo for step in steps for photo in step.photos])

    async def _synthesise(self, step: CallerStep) -> bytes:
        if step.play is not None:
            return read_mulaw(step.play)
        text = step.say or (step.interrupt.say if step.interrupt else "")
        return await self.speak(text, self.language) if text else b""

    async def _do(self, number: int, step: CallerStep, sound: bytes) -> str:
        """Do one step. Return what failed, or nothing."""
        if step.expect_hang_up is not None:
            return await self._expect_hang_up(step.expect_hang_up)
        if step.hear is not None:
            return await self._hear(step.hear)
        if self.line.over.is_set():
            return "the call had ended before"
        if step.interrupt is not None:
            return await self._interrupt(number, step.interrupt, sound)
        if sound:
            kind: Literal["say", "play"] = "say" if step.say else "play"
            return await self._say(number, kind, step.say or str(step.play), sound)
        return await self._act(step)

    async def _act(self, step: CallerStep) -> str:
        if self.handset is not None and step.text is not None:
            return await self.handset.send(step.text)
        if self.handset is not None and step.open_link is not None:
            return await self.handset.open_link(step.open_link)
        if self.operator is not None and step.decide is not None:
            return await self.operator.decide(self.call.call_sid, step.decide)
        if step.wait_ms is not None:
            end = self.line.now + samples(step.wait_ms)
            await self._until(lambda: self.line.now >= end, None)
        elif step.press:
            await self._press(step.press)
        elif step.hang_up:
            self.call.hang_up()
            await self.line.over.wait()
        elif step.stall_ms:
            self.call.faults.stall(step.stall_ms)
        elif step.kill or step.start:
            return await self._control_process(step)
        else:
            return await self._disturb(step)
        return ""

    async def _control_process(self, step: CallerStep) -> str:
        if self.helpers is None:
            return "processes run only with --spawn"
        if step.kill:
            await self.helpers.kill(step.kill)
        elif step.start:
            await self.helpers.start(step.start)
        return ""

    async def _disturb(self, step: CallerStep) -> str:
        stream = self.call.stream
        if stream is None and self.call.sip_leg is not None and step.malformed:
            self.line.log("left_out", "the SIP path has no messages of a stream")
        elif stream is None:
            return "there is no stream to disturb"
        elif step.malformed:
            self.line.log("malformed", step.malformed)
            await stream.send_malformed(step.malformed)
        elif step.drop_socket:
            stream.drop()
        return ""

    async def _press(self, digits: str) -> None:
        for digit in digits:
            if digit != "w":
                await self.call.press(digit)
            await asyncio.sleep(KEY_PAUSE_S)
        self.spoken_end = self.line.now

    async def _hear(self, wanted: Hear) -> str:
        begin: int | None = self.spoken_end
        if wanted.who:
            await self._until(partial(self._joined, wanted.who), wanted.timeout_s)
            begin = self._joined(wanted.who)
        if begin is None:
            return f"{wanted.who} was never on the line"
        listener = SpeechListener(self.line, begin)

        def satisfied() -> bool:
            listener.listen()
            enough = listener.loud_ms >= wanted.at_least_ms
            return enough and listener.silent_ms >= wanted.until_silence_ms

        done = await self._until(satisfied, wanted.timeout_s)
        self.on_heard(self.utterances)
        if done or (self.line.over.is_set() and listener.loud_ms >= wanted.at_least_ms):
            return ""
        why = "the call ended" if self.line.over.is_set() else f"{wanted.timeout_s:g} s passed"
        heard = f"{listener.loud_ms:.0f} ms of sound heard"
        return f"{why} with {heard}, expected {wanted.at_least_ms:g} ms and then silence"

    def _joined(self, party: str) -> int | None:
        """Return when a person came on the line, in samples."""
        for moment in self.line.moments:
            if (moment.kind, moment.detail) == ("person_answered", party):
                return samples(moment.at_ms)
        return None

    async def _interrupt(self, number: int, wanted: Interrupt, sound: bytes) -> str:
        listener = SpeechListener(self.line, self.spoken_end)

        def speaking() -> bool:
            listener.listen()
            return listener.since_first_ms >= wanted.after_ms and listener.silent_ms < COMMA_MS

        if not await self._until(speaking, wanted.timeout_s):
            return f"nothing to interrupt: {listener.loud_ms:.0f} ms of sound heard"
        self.on_heard(self.utterances)
        return await self._say(number, "interrupt", wanted.say, sound)

    async def _say(
        self, number: int, kind: Literal["say", "play", "interrupt"], text: str, sound: bytes
    ) -> str:
        begin = self.line.spoken.add(sound, self.line.now)
        utterance = Utterance(number, kind, text, begin, begin + len(sound))
        self.utterances.append(utterance)
        self.spoken_end = utterance.end
        self.on_said(utterance)
        done = await self._until(lambda: self.line.now >= utterance.end, None)
        return "" if done else "the call ended while the caller spoke"

    async def _expect_hang_up(self, wanted: ExpectHangUp) -> str:
        await self._until(lambda: False, wanted.timeout_s)
        self.on_heard(self.utterances)
        over = self.line.over.is_set()
        return "" if over else f"the call was not ended within {wanted.timeout_s:g} s"

    async def _until(self, happened: Callable[[], object], timeout_s: float | None) -> bool:
        """Return whether something happened before the end of the call and the timeout."""
        give_up_s = None if timeout_s is None else self.line.clock() + timeout_s
        while not happened():
            if self.line.over.is_set() or (give_up_s and self.line.clock() >= give_up_s):
                return False
            await asyncio.sleep(POLL_S)
        return True
