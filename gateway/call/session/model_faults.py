"""Handling of errors of the model's server, and of messages that cannot be read."""

from __future__ import annotations

from gateway.call import events, inputs
from gateway.call.context import CallContext
from gateway.call.dialogue.response_control import ResponseControl
from gateway.call.endings import Ending
from gateway.call.part import CallPart
from gateway.call.responses import UNASKED, ResponseRequest
from gateway.call.session import model_errors
from gateway.call.session.model_errors import ModelErrorKind
from gateway.call.session.model_link import ModelLink
from gateway.protocols import realtime_server as model


class ModelFaults(CallPart):
    """Count every fault; end, renew or ask again where it calls for that."""

    def __init__(self, ctx: CallContext, link: ModelLink, responses: ResponseControl) -> None:
        self._ctx, self._link, self._responses = ctx, link, responses
        self.handlers = {
            model.Error: self._on_error,
            inputs.AcceptRefused: self._on_accept_refused,
            inputs.PeerFaultSeen: self._on_peer_fault_seen,
        }

    def _on_error(self, event: model.Error) -> None:
        ctx, error, about = self._ctx, event.error, event.error.event_id
        kind, code = model_errors.sort(error), model_errors.code_of(error)
        of_session = about is not None and about == self._link.session_event
        refused = of_session or kind is ModelErrorKind.FATAL
        ctx.put(events.ModelErrorReported(kind, code, model_errors.words_of(error), refused))
        if kind is ModelErrorKind.FATAL:
            self._link.fail(Ending.MODEL_REFUSED, code)
        elif kind is ModelErrorKind.EXPIRED:
            self._link.renew(code)
        elif of_session:
            self._link.session_refused()
        elif error.code == "conversation_already_has_active_response":
            ctx.responses.refused_for_another()
        elif about is not None and about == ctx.responses.event_id:
            wanted = ctx.responses.lost() or UNASKED
            self._responses.retry(wanted, self._pause_s(error, kind))

    def _on_accept_refused(self, event: inputs.AcceptRefused) -> None:
        """Report it; whether the call is offered once more with less is decided outside."""
        error = event.error
        kind, code = model_errors.sort(error), model_errors.code_of(error)
        words = model_errors.words_of(error)
        self._ctx.put(events.ModelErrorReported(kind, code, words, refused=True))

    def response_failed(self, response: model.Response, wanted: ResponseRequest | None) -> None:
        details = response.status_details
        error = (details.error if details else None) or model.ErrorBody()
        kind, code = model_errors.sort(error), model_errors.code_of(error)
        refused = kind is ModelErrorKind.FATAL
        words = model_errors.words_of(error)
        self._ctx.put(events.ModelErrorReported(kind, code, words, refused))
        if kind is ModelErrorKind.FATAL:
            self._link.fail(Ending.MODEL_REFUSED, code)
        elif wanted is not None:
            self._responses.retry(wanted, self._pause_s(error, kind))

    def _pause_s(self, error: model.ErrorBody, kind: ModelErrorKind) -> float:
        """Return the pause before a retry: a server in trouble is given time, a race is not."""
        if kind is not ModelErrorKind.RECOVERABLE:
            return 0.0
        return model_errors.pause_s(error, self._ctx.answer.retries)

    def _on_peer_fault_seen(self, event: inputs.PeerFaultSeen) -> None:
        if event.peer == "model":
            self._ctx.heard_server_at = self._ctx.now  # whatever it was that it said
        self._ctx.put(events.PeerFaultCounted(event.peer, event.kind, event.fields))
