"""What a call is, beyond any of its connections: enough for another process to go on with it."""

from __future__ import annotations

import msgspec

from gateway.call.history import HistoryItem


class CallSnapshot(msgspec.Struct, array_like=True):
    """Grows at its end only: processes of two versions run side by side during a deploy."""

    agent: str
    path: str
    caller: str = ""
    dialled: str = ""
    memos: list[HistoryItem] = []
    arrived: bool = False
    """Whether the caller was ever there; before that there is nothing to go on with."""
    greeted: bool = False
    last_words: str = ""
    """What the caller was last told."""
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
    """OpenAI's, on the SIP path."""
    streams: int = 0
    """How many the call has had: of two states, the one with more is the newer."""
    spent_micro_usd: dict[str, int] = {}
    """What it has cost, by kind."""
    minutes: int = 0
    """Of the carrier's, paid for."""
    call_sid: str = ""
    """Twilio's."""

    direction: str = "inbound"
    opening: str = ""
    """How the next who has it is to begin; "" for as ever."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(CallSnapshot)


def encode(state: CallSnapshot) -> bytes:
    return _encoder.encode(state)


def decode(data: bytes) -> CallSnapshot:
    """Raises ValueError for what is none."""
    return _decoder.decode(data)
