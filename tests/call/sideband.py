"""The screenplay of a call on the SIP path: the sideband's events, and what only it must obey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from call.play import Book, Expected, _says, exactly, note, nothing
from call.umpire import Umpire
from call.vendor_events import response_created
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.context import Out
from gateway.call.paths import sip_call
from gateway.protocols import realtime_codec
from gateway.protocols import realtime_server as model

TRANSFERS: Final = {"tools": ["transfer"], "transfers": {"desk": {"to": "+15550123"}}}
TO_DESK: Final = '{"target":"desk"}'
"""Arguments of a transfer there."""
PATIENT: Final = {"nudge_after_s": 599.0, "end_after_s": 600.0}
ACCEPTED, OPENED, GONE = inputs.CallAccepted(), inputs.ModelOpened(), inputs.SipCallEnded()
LOST: Final = inputs.ModelLost("closed_1006")
FIRST: Final = note(events.FirstAudioSent)
_MAY_SAY: Final = frozenset(
    {
        "response.create",
        "response.cancel",
        "output_audio_buffer.clear",
        "input_audio_buffer.commit",
        "input_audio_buffer.clear",
        "conversation.item.create",
        "conversation.item.delete",
        "session.update",
    }
)
"""No sound, no truncation: those are the server's own."""


class SipUmpire(Umpire):
    """The same rules over a line that carries no sound and may be had again."""

    _cancelled = False

    def before(self, event: object, now: float) -> None:
        super().before(event, now)
        if isinstance(event, model.TranscriptDelta):
            self._progress_at, self._sounded = now, False
        elif isinstance(event, inputs.ModelLost):
            self._asked_at = self._active_id = None

    def after(self, outs: Sequence[Out], now: float) -> None:
        super().after(outs, now)
        assert not any(isinstance(out, do.SendToCaller) for out in outs), "there is no such line"

    def _to_model(self, event: dict[str, object], now: float) -> None:
        kind = event["type"]
        assert kind in _MAY_SAY, f"{kind} on a sideband"
        if kind == "output_audio_buffer.clear":
            assert self._cancelled or self._active_id is None, "cleared before it was cancelled"
        self._cancelled = kind == "response.cancel"
        super()._to_model(event, now)


class SipBook(Book):
    machine = staticmethod(sip_call)

    def __init__(self, **agent: Any) -> None:
        super().__init__(path="sip", **agent)
        self.umpire = SipUmpire(self.call)


def attached(**agent: Any) -> SipBook:
    """A call that has begun: accepted, its sideband up, nobody speaks."""
    book = SipBook(**agent)
    book >> inputs.CallAccepted() << ... >> inputs.ModelOpened() << ...
    return book


def transcript(
    response_id: str = "resp_1", item_id: str = "item_1", delta: str = "Hel"
) -> model.TranscriptDelta:
    return model.TranscriptDelta(response_id=response_id, item_id=item_id, delta=delta)


def started(response_id: str = "resp_1") -> model.PlaybackStarted:
    return model.PlaybackStarted(response_id=response_id)


def stopped(response_id: str = "resp_1") -> model.PlaybackStopped:
    return model.PlaybackStopped(response_id=response_id)


def cleared(response_id: str = "resp_1") -> model.PlaybackCleared:
    return model.PlaybackCleared(response_id=response_id)


def tone(digit: str = "5") -> model.DtmfReceived:
    return model.DtmfReceived(event=digit, received_at=1_763_800_000)


def tool_call(
    name: str, response_id: str = "resp_1", arguments: str = "{}", call_id: str = "call_1"
) -> model.ResponseDone:
    item = model.Item("function_call", call_id=call_id, name=name, arguments=arguments)
    return model.ResponseDone(response=model.Response(response_id, "completed", output=[item]))


empties: Final = _says("output_audio_buffer.clear", "")
reattaches: Final = exactly(do.ReattachSideband())


def refers(to: str = "+15550123") -> Expected:
    return exactly(do.TransferCaller(to))


def from_the_wire(text: str) -> object:
    """An event as the vendor writes it, oddities included."""
    return realtime_codec.parse(text)


def speaking(**agent: object) -> SipBook:
    """The model is in mid-sentence, and has been heard for no time yet."""
    book = attached(**agent) >> response_created() >> transcript() << nothing
    return book >> started() << FIRST


def ended_saying_goodbye(**agent: object) -> SipBook:
    """All words are made, and the tool is called, while the caller still hears them."""
    return speaking(**agent) >> tool_call("end_call") << note(events.ToolCalled, name="end_call")
