"""A rig to rehearse a model session at: its clock is ours, and every event it sends is checked
against the vendor's published types, unknown fields included."""

from __future__ import annotations

import base64
import json
from typing import Any, get_args

from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel

from gateway.simulator.audio.formats import WIRES
from gateway.simulator.audio.tts import ToneVoice
from gateway.simulator.openai.realtime.outbox import Close
from gateway.simulator.openai.realtime.script import FaultBudget, Script
from gateway.simulator.openai.realtime.session import SimModelSession

_UNION = get_args(get_args(RealtimeServerEvent)[0])
SERVER_EVENTS: dict[str, type[BaseModel]] = {
    get_args(event.model_fields["type"].annotation)[0]: event for event in _UNION
}
# Real servers send these in a session, though the type that the SDK gives it is the request's.
SERVER_ONLY = {"session": {"id", "object", "expires_at"}}

PCMU = {"type": "audio/pcmu"}
END_CALL = {"type": "function", "name": "end_call", "parameters": {"type": "object"}}


def assert_vendor_event(message: bytes | str) -> dict[str, Any]:
    """The event, if `openai`'s own type for it holds every field of it."""
    event: dict[str, Any] = json.loads(message)
    parsed = SERVER_EVENTS[event["type"]].model_validate_json(message, strict=True)
    unknown = set(_extra(parsed, ""))
    for place, names in SERVER_ONLY.items():
        unknown -= {f"{place}.{name}" for name in names}
    assert not unknown, f"{event['type']} has fields that the vendor does not: {unknown}"
    return event


def _extra(value: Any, path: str) -> list[str]:
    if isinstance(value, list):
        return [name for item in value for name in _extra(item, path)]
    if not isinstance(value, BaseModel):
        return []
    dotted = f"{path}." if path else ""
    found = [f"{dotted}{name}" for name in value.model_extra or ()]
    for name in type(value).model_fields:
        found += _extra(getattr(value, name), f"{dotted}{name}")
    return found


class SessionRig:
    """One session; `send` and `talk` move it, `events` is all that it has said."""

    def __init__(self, script: Script | None = None, *, voice: Any = None, sink: Any = None):
        self.now = 100.0
        self.events: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.journal: list[dict[str, Any]] = []
        self.closed: Close | None = None
        self.session = SimModelSession(
            model="gpt-realtime-2.1",
            script=script or Script(),
            faults=FaultBudget(),
            voice=voice or ToneVoice(),
            log=lambda kind, **facts: self.journal.append({"kind": kind, **facts}),
            unix_s=1_800_000_000.0,
            seed=7,
            sink=sink,
        )
        self.session.open(self.now)
        self._take()

    def _take(self) -> None:
        for message in self.session.take_messages():
            if isinstance(message, Close):
                self.closed = message
            else:
                self.events.append(assert_vendor_event(message))
                self.times.append(self.now)

    def wait(self, seconds: float) -> SessionRig:
        """Time goes by, and all that falls due in it happens."""
        end = self.now + seconds
        while (due := self.session.due()) is not None and due <= end:
            self.now = max(self.now, due)
            self.session.tick(self.now)
            self._take()
        self.now = end
        self.session.tick(end)
        self._take()
        return self

    def send(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """One client event; what was answered at once."""
        return self.send_raw(json.dumps({"type": kind, **fields}).encode())

    def send_raw(self, message: bytes) -> list[dict[str, Any]]:
        before = len(self.events)
        self.session.receive(message, self.now)
        self._take()
        return self.events[before:]

    def update(self, **session: Any) -> list[dict[str, Any]]:
        return self.send("session.update", session={"type": "realtime", **session})

    def listen_in(self, wire: str = "audio/pcmu", **turn_detection: Any) -> SessionRig:
        """mu-law both ways, a server VAD of 300 ms, `end_call`."""
        vad = {"type": "server_vad", "silence_duration_ms": 300, **turn_detection}
        form = {"type": wire}
        self.update(
            audio={"input": {"format": form, "turn_detection": vad}, "output": {"format": form}},
            tools=[END_CALL],
        )
        return self

    def append(self, audio: bytes, frame: int = 160) -> SessionRig:
        """Audio in frames of so many bytes, 20 ms apart."""
        for at in range(0, len(audio), frame):
            piece = base64.b64encode(audio[at : at + frame]).decode()
            self.send("input_audio_buffer.append", audio=piece)
            self.wait(0.02)
        return self

    def talk(self, seconds: float = 1.2, silence: float = 0.4) -> SessionRig:
        """The caller speaks (in tones, mu-law) and is silent."""
        spoken = ToneVoice().say("x" * int(seconds * 1000 / 60), "en", "audio/pcmu")
        return self.append(spoken + b"\xff" * int(silence * 8000))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    def last(self, kind: str) -> dict[str, Any]:
        return self.of(kind)[-1]

    def types(self, since: int = 0) -> list[str]:
        """Kinds of event in order, runs of the same delta as one."""
        kinds: list[str] = []
        for event in self.events[since:]:
            if not (event["type"].endswith(".delta") and event["type"] in kinds[-2:]):
                kinds.append(event["type"])
        return kinds

    def refusal(self, answers: list[dict[str, Any]]) -> tuple[str, str | None]:
        """Code and parameter of the one error among the answers."""
        (error,) = [event["error"] for event in answers if event["type"] == "error"]
        return error["code"], error["param"]

    @property
    def violations(self) -> list[dict[str, Any]]:
        return [note for note in self.journal if note["kind"] == "violation"]

    def audio(self, item_id: str) -> bytes:
        """What was delivered of an item."""
        deltas = self.of("response.output_audio.delta")
        return b"".join(base64.b64decode(d["delta"]) for d in deltas if d["item_id"] == item_id)

    def audio_ms(self, item_id: str, wire: str = "audio/pcmu") -> int:
        return WIRES[wire].ms(len(self.audio(item_id)))
