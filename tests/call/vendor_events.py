"""What happens to a call, in the words of a screenplay."""

from __future__ import annotations

from typing import Any

from call.wires import ACCOUNT_SID, CALL_SID, STREAM_SID
from gateway.agents.builtin_tools import definitions
from gateway.agents.config.agent import Agent
from gateway.agents.session import session_of
from gateway.protocols import media_stream as caller
from gateway.protocols import realtime_server as model

# --- Of the caller's stream ---


def start(encoding: str = "audio/x-mulaw", hz: int = 8000, channels: int = 1) -> caller.Start:
    wire = caller.MediaFormat(encoding, hz, channels)
    body = caller.StartBody(ACCOUNT_SID, STREAM_SID, CALL_SID, wire, ["inbound"])
    return caller.Start(STREAM_SID, body)


def frame(at_ms: int | str, ms: float = 20, *, code: int = 0xFF, sid: str = STREAM_SID) -> Any:
    """Sound of the caller's: `at_ms` is its presentation time."""
    return caller.Media(sid, caller.MediaBody(bytes([code]) * int(ms * 8), str(at_ms)))


def mark(name: str, sid: str = STREAM_SID) -> caller.Mark:
    return caller.Mark(sid, caller.MarkBody(name))


def key(digit: str, sid: str = STREAM_SID) -> caller.Dtmf:
    return caller.Dtmf(sid, caller.DtmfBody(digit))


def stop(sid: str = STREAM_SID) -> caller.Stop:
    return caller.Stop(sid, caller.StopBody(ACCOUNT_SID, CALL_SID))


# --- Of the model's server ---


def session_created() -> model.SessionCreated:
    return model.SessionCreated(session=model.SessionBody("sess_1"))


def session_updated(
    agent: Agent, *, audio: dict[str, Any] | None = None, expires_at: int | None = None
) -> model.SessionUpdated:
    """The echo of what the agent asks for, or another one."""
    echo = session_of(agent, definitions(agent))["audio"] if audio is None else audio
    body = model.SessionBody("sess_1", expires_at=expires_at, model=agent.model, audio=echo)
    return model.SessionUpdated(session=body)


def speech_started(at_ms: int = 0, item_id: str = "turn_1") -> model.SpeechStarted:
    return model.SpeechStarted(audio_start_ms=at_ms, item_id=item_id)


def speech_stopped(at_ms: int = 0, item_id: str = "turn_1") -> model.SpeechStopped:
    return model.SpeechStopped(audio_end_ms=at_ms, item_id=item_id)


def cleared() -> model.Cleared:
    """Of no importance: a sign of life."""
    return model.Cleared()


def committed(item_id: str = "turn_1") -> model.Committed:
    return model.Committed(item_id=item_id)


def caller_said(item_id: str, text: str) -> model.CallerTranscriptDone:
    return model.CallerTranscriptDone(item_id=item_id, transcript=text)


def caller_says(item_id: str, words: str) -> model.CallerTranscriptDelta:
    return model.CallerTranscriptDelta(item_id=item_id, delta=words)


def model_says(item_id: str, words: str, response_id: str = "resp_1") -> model.TranscriptDelta:
    return model.TranscriptDelta(response_id=response_id, item_id=item_id, delta=words)


def response_created(response_id: str = "resp_1") -> model.ResponseCreated:
    return model.ResponseCreated(response=model.Response(response_id, "in_progress"))


def audio_delta(
    item_id: str = "item_1",
    *,
    ms: float,
    response_id: str = "resp_1",
    audio: str = "pcm24k",
    code: int = 0,
) -> model.AudioDelta:
    """Silence, unless a code is given: `ms` long in the session's format."""
    delta = bytes([code or 0xFF]) * int(ms * 8) if audio == "pcmu" else bytes(int(ms * 48))
    return model.AudioDelta(response_id=response_id, item_id=item_id, delta=delta)


def audio_done(item_id: str = "item_1", response_id: str = "resp_1") -> model.AudioDone:
    return model.AudioDone(response_id=response_id, item_id=item_id)


def response_done(
    response_id: str = "resp_1",
    status: str = "completed",
    *,
    calls: tuple[tuple[str, str], ...] = (),
    failure: str | None = None,
    message: str | None = None,
    reason: str | None = None,
    said: tuple[tuple[str, str], ...] | None = None,
    tokens: int | None = None,
) -> model.ResponseDone:
    """`calls` are (name, call_id) of functions that the model wants called.

    `said` are (type, text) of the parts of one message; an empty tuple is an empty output.
    """
    output = [model.Item("function_call", call_id=i, name=n, arguments="{}") for n, i in calls]
    details = None
    if failure is not None:
        error = model.ErrorBody(code=failure, message=message)
        details = model.StatusDetails("failed", error=error)
    elif reason is not None:
        details = model.StatusDetails(status, reason=reason)
    if said:
        parts = [model.Part(kind, text=text) for kind, text in said]
        output.insert(0, model.Item("message", role="assistant", content=parts))
    usage = None if tokens is None else model.Usage(total_tokens=tokens)
    body = model.Response(
        response_id, status, details, output or (None if said is None else []), usage
    )
    return model.ResponseDone(response=body)


def error(
    code: str | None, *, about: str | None = None, kind: str | None = None, message: str = ""
) -> model.Error:
    body = model.ErrorBody(kind or "invalid_request_error", code, message or None, None, about)
    return model.Error(error=body)


def already_active() -> model.Error:
    """Often without the id of the event that it refuses."""
    return error("conversation_already_has_active_response")
