"""Built-in tools that are done within the call: a message is taken, keys are sent."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from gateway import limits
from gateway.agents.config.recording import PAUSES_RECORDING
from gateway.agents.config.tool_names import HANDS_OVER
from gateway.call import events
from gateway.call.context import CallContext
from gateway.call.dialogue import prompts
from gateway.call.dialogue.agent_change import AgentChange
from gateway.call.dialogue.caller_language import CallerLanguage
from gateway.call.dialogue.recording import CallRecording
from gateway.call.line.caller_line import CallerLine
from gateway.call.tools.open_work import OpenWork

_SENDABLE: Final = re.compile(r"[0-9*#A-DwW]+")


class _Message(msgspec.Struct):
    message: str
    name: str = ""
    callback: str = ""


class _Digits(msgspec.Struct):
    digits: str


class _Pause(msgspec.Struct):
    paused: bool


class BuiltinTools:
    """Functions that the call itself carries out."""

    def __init__(
        self,
        ctx: CallContext,
        work: OpenWork,
        line: CallerLine,
        agents: AgentChange,
        language: CallerLanguage,
        recording: CallRecording,
    ) -> None:
        self._ctx, self._work, self._line = ctx, work, line
        self._agents, self._language, self._recording = agents, language, recording
        self._messages = 0

    def run(self, name: str, response_id: str, call_id: str, arguments: str) -> bool:
        """Run the function if it is one of these; False for any other."""
        if name == "take_message":
            self._work.running.put(response_id, call_id, self._take_message(arguments))
        elif name == PAUSES_RECORDING:
            self._work.running.put(response_id, call_id, self._pause_recording(arguments))
        elif name == "send_digits":
            self._send_digits(response_id, call_id, arguments)
        elif name == HANDS_OVER:
            self._agents.hand_over(response_id, call_id, arguments)
        elif name == "switch_language":
            self._work.running.put(response_id, call_id, self._language.switch(arguments))
        else:
            return False
        return True

    def _take_message(self, arguments: str) -> str:
        """Publish the message; return what the model is told of it."""
        try:
            given = msgspec.json.decode(arguments, type=_Message)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return prompts.NO_MESSAGE
        text = given.message.strip()
        if not text:
            return prompts.NO_MESSAGE
        if len(text) > limits.call.MESSAGE_MAX_CHARS:
            return prompts.MESSAGE_TOO_LONG
        if self._messages >= limits.call.MESSAGES_MAX:
            return prompts.TOO_MANY_MESSAGES
        self._messages += 1
        name = given.name.strip()[: limits.call.MESSAGE_NAME_MAX_CHARS]
        callback = given.callback.strip()[: limits.call.MESSAGE_NAME_MAX_CHARS]
        self._ctx.put(events.MessageTaken(text, name, callback))
        return prompts.MESSAGE_TAKEN

    def _pause_recording(self, arguments: str) -> str:
        """Pause or resume the recording; return what the model is told of it."""
        try:
            paused = msgspec.json.decode(arguments, type=_Pause).paused
        except (msgspec.DecodeError, UnicodeEncodeError):
            return prompts.NO_PAUSE
        if not self._recording.wanted:  # an agent before this one records no calls
            return prompts.NOT_RECORDED
        (self._recording.pause if paused else self._recording.unpause)("tool")
        return prompts.RECORDING_PAUSED if self._recording.paused else prompts.RECORDING_RESUMED

    def _send_digits(self, response_id: str, call_id: str, arguments: str) -> None:
        """Start to play the tones; the tool is finished when they were heard."""
        running = self._work.running
        try:
            digits = msgspec.json.decode(arguments, type=_Digits).digits
        except (msgspec.DecodeError, UnicodeEncodeError):
            digits = ""
        if not _sendable(digits):
            running.put(response_id, call_id, prompts.NO_DIGITS)
        elif not self._line.can_dial():
            running.put(response_id, call_id, prompts.NO_TONES)
        elif running.start(response_id, call_id, "send_digits", self._ctx.now):
            self._line.dial(call_id, digits)
        else:
            running.put(response_id, call_id, prompts.TOO_MANY)


def _sendable(digits: str) -> bool:
    return (
        len(digits) <= limits.call.DIGITS_SENT_MAX
        and _SENDABLE.fullmatch(digits) is not None
        and not set(digits) <= set("wW")
    )
