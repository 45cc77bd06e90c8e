"""Consequences of a response's end: functions run, or an answer that is missing is asked for."""

from __future__ import annotations

from typing import Final

import msgspec

from gateway import limits
from gateway.call import events
from gateway.call.context import CallContext
from gateway.call.dialogue import prompts
from gateway.call.dialogue.response_control import ResponseControl
from gateway.call.part import CallPart
from gateway.call.responses import STOPGAPS, ResponseRequest
from gateway.call.session.model_errors import ModelErrorKind
from gateway.call.session.model_faults import ModelFaults
from gateway.call.tools.function_calls import FunctionCalls
from gateway.call.tools.hosted_mcp import HostedMcp
from gateway.protocols import realtime_server as model

_INCOMPLETE_REASONS: Final = frozenset({"max_output_tokens", "content_filter"})
_SOUND: Final = frozenset({"output_audio", "audio"})
_TEXT: Final = frozenset({"output_text", "text"})


class ResponseOutcome(CallPart):
    """Judge each response when it is done.

    A response owes the caller sound, unless it calls a function. One that ends without (vendor:
    `incomplete` by `max_output_tokens` or `content_filter`; `completed` with an empty `output` or
    with text only) is continued where it broke off, spoken, or asked for again, and counted.
    """

    def __init__(
        self,
        ctx: CallContext,
        functions: FunctionCalls,
        hosted: HostedMcp,
        responses: ResponseControl,
        faults: ModelFaults,
    ) -> None:
        self._ctx, self._functions, self._hosted = ctx, functions, hosted
        self._responses, self._faults = responses, faults
        self._continued = False
        """Whether the answer to the caller's last words was continued once already."""
        self._calls: tuple[str, list[model.Item]] = ("", [])
        """A response that is not done, and the function calls of it that are complete."""
        self.handlers = {model.OutputItemDone: self._on_item_done}

    def caller_spoke(self) -> None:
        self._continued = False

    def session_lost(self) -> None:
        self._calls = ("", [])

    def _on_item_done(self, event: model.OutputItemDone) -> None:
        if event.item.type != "function_call":
            return
        response_id, calls = self._calls
        if response_id != event.response_id:
            calls = []
            self._calls = (event.response_id, calls)
        if len(calls) < limits.tools.CALL_IDS_KEPT_MAX:
            calls.append(event.item)

    def judge(
        self, response: model.Response, wanted: ResponseRequest | None, item_id: str | None
    ) -> None:
        """Act on a response that is done.

        `wanted` is what it was to meet, None out of band; `item_id` its last item that sounded.
        """
        response = self._with_calls(response)
        if response.status == "cancelled":
            return
        if response.status == "failed":
            self._faults.response_failed(response, wanted)
        elif response.status == "incomplete":
            self._hosted.response_over(response)
            self._break_off(response, wanted, item_id)
        else:
            self._functions.run(response)
            self._hosted.response_over(response)
            if wanted is not None and item_id is None and _is_silent(response):
                self._nothing_to_hear(response, wanted)

    def _with_calls(self, response: model.Response) -> model.Response:
        """Return the response with the function calls that came as items and are not listed."""
        response_id, calls = self._calls
        if response_id != response.id:
            return response
        self._calls = ("", [])
        listed = response.output or []
        known = {item.call_id for item in listed}
        if not (missing := [item for item in calls if item.call_id not in known]):
            return response
        return msgspec.structs.replace(response, output=[*listed, *missing])

    def _break_off(
        self, response: model.Response, wanted: ResponseRequest | None, item_id: str | None
    ) -> None:
        """Have an incomplete response continued once, or asked for again if nothing was heard.

        Its function calls are not run: their arguments may have been cut off as well.
        """
        details = response.status_details
        reason = (details.reason if details else None) or ""
        self._report(f"incomplete_{reason if reason in _INCOMPLETE_REASONS else 'other'}")
        if wanted is None or not self._owed(wanted):
            return
        heard = self._ctx.history.words_of(item_id)
        if item_id is None:
            self._ask_again(wanted)
        elif heard and not self._continued:
            self._continued = True
            self._ctx.request(ResponseRequest(wanted.purpose, prompts.go_on(heard)))

    def _nothing_to_hear(self, response: model.Response, wanted: ResponseRequest) -> None:
        text = _text_of(response)
        self._report("text_only" if text else "no_sound")
        if not self._owed(wanted):
            return
        if text:
            spoken = prompts.word_for_word(text[: limits.agents.GREETING_MAX_CHARS])
            self._responses.retry(ResponseRequest(wanted.purpose, spoken))
        else:
            self._ask_again(wanted)

    def _ask_again(self, wanted: ResponseRequest) -> None:
        """Ask once more for the same; after that for words that say that it does not work."""
        if self._ctx.answer.retries and wanted.response is None:
            wanted = ResponseRequest(wanted.purpose, prompts.instructed(prompts.NO_ANSWER))
        self._responses.retry(wanted)

    def _owed(self, wanted: ResponseRequest) -> bool:
        """Return whether the caller still waits for it, and nothing else will answer them."""
        return wanted.purpose not in STOPGAPS and not self._ctx.caller.speaking

    def _report(self, code: str) -> None:
        self._ctx.put(events.ModelErrorReported(ModelErrorKind.RECOVERABLE, code))


def _is_silent(response: model.Response) -> bool:
    """Return whether the output is known, has no sound, and leaves nothing to be done.

    Without an `output` nothing is known of it.
    """
    if response.output is None:
        return False
    return all(
        item.type == "message" and not any(part.type in _SOUND for part in item.content or ())
        for item in response.output
    )


def _text_of(response: model.Response) -> str:
    parts = [part for item in response.output or () for part in item.content or ()]
    return " ".join(part.text for part in parts if part.type in _TEXT and part.text).strip()
