"""Record of a rehearsed call: its sound, turns, ending and failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from gateway.simulator.audio.analysis import milliseconds
from gateway.simulator.audio.turn_measurement import (
    MeasuredSound,
    MeasuredTurn,
    Utterance,
    percentile,
)
from gateway.simulator.twilio.line import LineFault, Moment
from gateway.simulator.twilio.media_stream import StreamTraffic
from gateway.simulator.twilio.outcomes import CallOutcome
from gateway.simulator.twilio.playback import Gap

PATHS: Final = {"stream_started": "media", "sip_answered": "sip", "trunk_answered": "trunk"}
UNDERRUN_MAX_MS: Final = 200
"""A shorter silence between two pieces of sound is a stutter; a longer one may be meant."""


@dataclass
class RehearsalRecord:
    """Everything that is known of one call when it is over."""

    scenario: str
    call_sid: str
    ending: CallOutcome
    spoken: bytes
    heard: bytes
    utterances: list[Utterance]
    turns: list[MeasuredTurn]
    warnings: list[LineFault]
    moments: list[Moment]
    gaps: list[Gap] = field(default_factory=list)
    traffic: list[StreamTraffic] = field(default_factory=list)
    unheard_ms: float = 0.0
    """Sound that was cut off when the call ended."""
    agent: str = ""
    """Agent that answered, as far as the gateway's metrics say."""
    failures: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """Texts that the caller received."""
    beep_ms: float | None = None
    """When the beep of an answering machine ended."""
    message: bytes = b""
    """What the machine should have recorded."""
    of_gateway: dict[str, Any] = field(default_factory=dict)
    """The gateway's own record of an outbound call."""
    result: dict[str, Any] = field(default_factory=dict)
    """The gateway's result of the call, where one is expected."""
    words: list[dict[str, Any]] = field(default_factory=list)
    """Entries of the simulated model's journal about this call."""
    stalled_s: float = 0.0
    """How long this machine did not run during the rehearsal: its waits are longer for it."""

    @property
    def seconds(self) -> float:
        return milliseconds(len(self.heard)) / 1000

    @property
    def paths(self) -> list[str]:
        """Paths between caller and model, in order: `media`, `sip`, `trunk`."""
        return [PATHS[moment.kind] for moment in self.moments if moment.kind in PATHS]

    @property
    def transferred_to(self) -> list[str]:
        """People who were connected with the caller."""
        return [moment.detail for moment in self.moments if moment.kind == "person_answered"]

    @property
    def screened(self) -> list[str]:
        """People who were asked whether they take the call."""
        return [moment.detail for moment in self.moments if moment.kind == "person_screens"]

    @property
    def whispered(self) -> str:
        """Words that a person heard while the call was screened."""
        return " ".join(moment.detail for moment in self.moments if moment.kind == "whispered")

    @property
    def waits_ms(self) -> list[tuple[float, float]]:
        """Begin and end of each wait in a queue."""
        begins = [moment.at_ms for moment in self.moments if moment.kind == "enqueued"]
        ends = [moment.at_ms for moment in self.moments if moment.kind == "left_queue"]
        return list(zip(begins, ends, strict=False))

    @property
    def person_heard_ms(self) -> float:
        """How much speech of the caller other people heard."""
        return sum(float(one.detail) for one in self.moments if one.kind == "person_heard")

    @property
    def latencies_ms(self) -> list[float]:
        """Wait for the answer in each of the caller's turns."""
        return [turn.latency_ms for turn in self.turns[1:] if turn.latency_ms is not None]

    @property
    def barge_ins(self) -> list[MeasuredTurn]:
        return [turn for turn in self.turns if turn.barged_in]

    @property
    def underruns(self) -> int:
        return sum(gap.length_ms < UNDERRUN_MAX_MS for gap in self.gaps)

    @property
    def heard_ms(self) -> float:
        return MeasuredSound(self.heard).total_ms

    def as_json(self) -> dict[str, Any]:
        """Return everything but the sound, for `call.json`."""
        return {
            "scenario": self.scenario,
            "call_sid": self.call_sid,
            "agent": self.agent,
            "paths": self.paths,
            "transferred_to": self.transferred_to,
            "seconds": round(self.seconds, 2),
            "ending": asdict(self.ending),
            "turns": [asdict(turn) | {"barged_in": turn.barged_in} for turn in self.turns],
            "latency_ms": {
                "p50": percentile(self.latencies_ms, 0.5),
                "p95": percentile(self.latencies_ms, 0.95),
            },
            "barge_ins": len(self.barge_ins),
            "heard_ms": self.heard_ms,
            "unheard_ms": self.unheard_ms,
            "underruns": self.underruns,
            "stalled_s": round(self.stalled_s, 2),
            "traffic": [asdict(one) for one in self.traffic],
            "warnings": [asdict(one) for one in self.warnings],
            "moments": [asdict(one) for one in self.moments if one.kind != "twiml"],
            "texts": self.texts,
            "words": self.words,
            "failures": self.failures,
        }


def all_latencies_ms(records: Sequence[RehearsalRecord]) -> list[float]:
    """Return the waits of all calls."""
    return [latency for record in records for latency in record.latencies_ms]
