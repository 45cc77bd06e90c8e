"""Snapshot of a call: enough for another process to go on with it."""

from __future__ import annotations

import msgspec

from gateway.call.briefing import NO_BRIEFING, Briefing
from gateway.call.history import HistoryItem
from gateway.call.privacy.call_privacy import CallPrivacy


class CallSnapshot(msgspec.Struct, array_like=True):
    """State of a call; fields are only added at the end.

    Processes of two versions run side by side during a deploy.
    """

    agent: str
    path: str
    caller: str = ""
    dialled: str = ""
    history: list[HistoryItem] = []
    arrived: bool = False
    """Whether the caller was ever there; before that there is nothing to go on with."""
    greeted: bool = False
    last_words: str = ""
    """No longer written: nobody read it, and it was not redacted. Its place stays."""
    resumes: int = 0
    """How often the call was taken up again after its stream had broken."""
    silently: bool = False
    """Whether nothing is said of the break."""
    tokens: int = 0
    barge_ins: int = 0
    tools_called: int = 0
    waits_s: list[float] = []
    talked_s: float = 0.0
    call_id: str = ""
    """OpenAI's call id, on the SIP path."""
    streams: int = 0
    """How many streams the call has had: of two snapshots, the one with more is the newer."""
    spent_micro_usd: dict[str, int] = {}
    """The cost so far, by kind."""
    minutes: int = 0
    """Minutes of the carrier that were paid for."""
    call_sid: str = ""
    """Twilio's CallSid."""

    direction: str = "inbound"
    opening: str = ""
    """How the next process is to begin; "" for as usual."""
    briefing: Briefing = NO_BRIEFING
    language: str = ""
    """The caller's, as far as it was told; "" for the agent's."""
    hand_overs: int = 0
    """How often the agent has changed."""
    handed_from: str = ""
    """The agent from which the one there is has the call."""
    handed_at: int = 0
    """The number of the history's newest item then."""
    secret_inputs: int = 0
    """How often the caller was sent to type a secret."""
    secret_ended: tuple[str, str, str] | None = None
    """Kind, name and outcome of the one from which the caller comes back."""
    recording: str = ""
    """`on` or `paused` once the caller was told that the call is recorded."""
    first_agent: str = ""
    """The agent that answered, among whose calls this one counts; "" for `agent`."""
    left_at: dict[str, int] = {}
    """By agent that handed the call on: the number of the history's newest item then."""
    privacy: CallPrivacy | None = None
    """The strictest of all agents that took part; None: those of `agent`."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(CallSnapshot)


def encode(state: CallSnapshot) -> bytes:
    return _encoder.encode(state)


def decode(data: bytes) -> CallSnapshot:
    """Decode a snapshot; raises ValueError for anything else."""
    return _decoder.decode(data)
