"""Takes what recorded calls hear and play to the thread that writes it, twice a second."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from time import monotonic

import structlog

from gateway.bridge.calls.running_call import RunningCall
from gateway.call import events
from gateway.call.endings import Ending
from gateway.call.line.sound_tap import SoundTap
from gateway.limits import recordings as limits
from gateway.ops.recordings.names import recording_name
from gateway.ops.recordings.recording_spool import UNKEPT_PART, PartFacts, part_id
from gateway.ops.recordings.writing_thread import StreamRecording, WritingThread

log = structlog.get_logger()


class _Recorded:
    """One stream that is recorded, and how it ended once it has."""

    def __init__(self, tap: SoundTap, stream: StreamRecording) -> None:
        self.tap, self.stream = tap, stream
        self.ending = ""


class CallRecorder:
    """Follows the recorded calls of this process; calls that are not recorded cost it nothing."""

    def __init__(
        self,
        thread: WritingThread,
        caller_hash: Callable[[str], str],
        clock: Callable[[], float] = monotonic,
        *,
        write_every_s: float = limits.WRITE_EVERY_S,
    ) -> None:
        self._thread, self._caller_hash = thread, caller_hash
        self._clock, self._write_every_s = clock, write_every_s
        self._recorded: dict[RunningCall, _Recorded] = {}

    def on_announced(self, call: RunningCall) -> None:
        tap, recording = call.machine.line.tap, call.machine.agent.recording
        if tap is None or recording is None:
            return
        facts = PartFacts(
            part_id(call.facts.slot_key, call.machine.streams + 1, secrets.token_hex(4)),
            recording_name(call.facts.slot_key),
            call.facts.key,
            call.facts.call_sid,
            call.machine.agent.name,
            recording.format,
            0.0,
            call.facts.path,
            call.facts.direction,
            self._caller_hash(call.facts.caller),
            call.machine.privacy.retain_days,
        )
        self._recorded[call] = _Recorded(tap, StreamRecording(facts))

    def on_event(self, call: RunningCall, event: events.CallEvent) -> None:
        """Write the rest of a call that has ended."""
        if isinstance(event, events.AgentChanged) and not call.machine.arrived:
            # Decided on before the first word: that one's recording is wanted, and its format.
            self._recorded.pop(call, None)
            self.on_announced(call)
        recorded = self._recorded.get(call)
        if isinstance(event, events.PrivacyChanged) and event.privacy.record == "none":
            # At once: should this process be killed, its spool brings nothing back.
            if recorded is not None:
                recorded.ending = UNKEPT_PART
                self._hand_over(call, recorded)
                recorded.tap.close()
            return
        if not isinstance(event, events.CallEnded):
            return
        if recorded is not None and not recorded.ending:
            goes_on = not event.ending.well or event.ending is Ending.TRANSFERRED
            recorded.ending = "moved" if goes_on and call.facts.has_carrier else "final"
            self._hand_over(call, recorded)

    def is_running(self, name: str) -> bool:
        """Whether the call of a recording runs in this process."""
        return any(one.stream.facts.name == name for one in self._recorded.values())

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._write_every_s)
            self.write()

    def write(self) -> None:
        """Hand over what was heard and played since the last time."""
        for call, recorded in list(self._recorded.items()):
            self._hand_over(call, recorded)

    def _hand_over(self, call: RunningCall, recorded: _Recorded) -> None:
        facts = recorded.stream.facts
        if not facts.caller:  # the key of the hash is in the database, which may have been away
            facts.caller = self._caller_hash(call.facts.caller)
        entries = recorded.tap.take()
        placed = self._thread.put(recorded.stream, entries, self._clock(), recorded.ending)
        if placed and recorded.ending:
            del self._recorded[call]

    async def close(self) -> None:
        """Write what is left of every call, and wait until it is on the disk."""
        self.write()
        await asyncio.to_thread(self._thread.close)
