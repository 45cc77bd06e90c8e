"""Recording of a `<Dial>`: the caller's leg and the dialled one, each on a channel of its own.

Source: Twilio docs, "TwiML Voice: <Dial>", `record`, and the Recordings resource.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Final
from uuid import uuid4

from gateway.audio.g711 import CALLER_HZ, MULAW_SILENCE, mulaw_to_pcm
from gateway.audio.recording import write_wav
from gateway.simulator.twilio.line import TelephoneLine
from gateway.simulator.twilio.twiml import TwimlVerb

MODES: Final = frozenset(
    {
        "do-not-record",
        "record-from-answer",
        "record-from-ringing",
        "record-from-answer-dual",
        "record-from-ringing-dual",
    }
)
INVALID_ATTRIBUTE: Final = 12200


@dataclass
class DialRecording:
    """Recording of one dialled leg, from its answer to its end."""

    line: TelephoneLine
    dual: bool
    callback: str
    reported: frozenset[str]
    """Events for which the callback is posted."""
    sid: str = field(default_factory=lambda: "RE" + uuid4().hex)
    deleted: bool = False
    status: str = "absent"
    _begin: int | None = None
    _end: int | None = None
    _pauses: list[list[int | None]] = field(default_factory=list)

    @classmethod
    def of(cls, verb: TwimlVerb, line: TelephoneLine) -> DialRecording | None:
        """Return the recording that the verb asks for, if any."""
        mode = verb.get("record", "do-not-record")
        if mode not in MODES:
            line.warn(INVALID_ATTRIBUTE, f"record={mode!r} is no value of <Dial>")
            return None
        if mode == "do-not-record":
            return None
        events = verb.get("recordingStatusCallbackEvent", "completed").split()
        return cls(
            line, mode.endswith("dual"), verb.get("recordingStatusCallback"), frozenset(events)
        )

    def begin(self) -> None:
        """Begin with the answer of the dialled leg, once."""
        if self._begin is None and self._end is None:
            self._begin, self.status = self.line.now, "in-progress"
            self.line.log("recording_began", self.sid)

    def end(self) -> None:
        if self._end is None:
            self._end = self.line.now
            self.status = "completed" if self._begin is not None else "absent"

    def pause(self) -> None:
        self.status = "paused"
        self._pauses.append([self.line.now, None])
        self.line.log("recording_paused")

    def resume(self) -> None:
        self.status = "in-progress"
        if self._pauses:
            self._pauses[-1][1] = self.line.now
        self.line.log("recording_resumed")

    @property
    def samples(self) -> int:
        return 0 if self._begin is None else (self._end or self.line.now) - self._begin

    def wav(self, channels: int) -> bytes:
        """Return the file: PCM16 at 8 kHz, both legs apart or together."""
        begin, end = self._begin or 0, self._end or self.line.now
        tracks = [
            bytearray(self.line.spoken.between(begin, end)),
            bytearray(self.line.playback.track.between(begin, end)),
        ]
        for pause in self._pauses:
            start, stop = (pause[0] or 0) - begin, (pause[1] or end) - begin
            for track in tracks:
                track[start:stop] = MULAW_SILENCE * (stop - start)
        pcm = [mulaw_to_pcm(bytes(track)) for track in tracks]
        file = BytesIO()
        write_wav(file, pcm if channels == 2 else pcm[:1], CALLER_HZ)
        return file.getvalue()

    def fields(self, account_url: str) -> dict[str, str]:
        """Return the form fields of the status callback."""
        ago = timedelta(seconds=(self.line.now - (self._begin or 0)) / CALLER_HZ)
        began = datetime.now(UTC) - ago
        return {
            "RecordingSid": self.sid,
            "RecordingUrl": f"{account_url}/Recordings/{self.sid}",
            "RecordingDuration": str(round(self.samples / CALLER_HZ)),
            "RecordingChannels": "2" if self.dual else "1",
            "RecordingSource": "DialVerb",
            "RecordingTrack": "both",
            "RecordingStartTime": began.strftime("%a, %d %b %Y %H:%M:%S +0000"),
        }
