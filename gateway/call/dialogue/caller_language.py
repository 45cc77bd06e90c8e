"""The caller's language: what they hear or read beside the model follows it."""

from __future__ import annotations

import msgspec

from gateway import limits
from gateway.agents.texts.lookup import LANGUAGE_TAG
from gateway.call import events, inputs
from gateway.call.context import CallContext
from gateway.call.dialogue import prompts
from gateway.call.part import CallPart


class _Arguments(msgspec.Struct):
    language: str


class CallerLanguage(CallPart):
    """The one place that sets the language, whoever says what it is."""

    def __init__(self, ctx: CallContext) -> None:
        self._ctx = ctx
        self.handlers = {inputs.LanguageChosen: self._on_language_chosen}

    def set(self, language: str) -> bool:
        """Take a language tag; False for what is none, and then nothing has changed."""
        fits = len(language) <= limits.agents.LANGUAGE_MAX_CHARS
        if not fits or not LANGUAGE_TAG.fullmatch(language):
            return False
        if language != self._ctx.language:
            self._ctx.language = language
            self._ctx.put(events.LanguageChanged(language))
        return True

    def _on_language_chosen(self, event: inputs.LanguageChosen) -> None:
        self.set(event.language)

    def switch(self, arguments: str) -> str:
        """Do what the tool `switch_language` asks for; return what the model is told."""
        try:
            language = msgspec.json.decode(arguments, type=_Arguments).language.strip()
        except (msgspec.DecodeError, UnicodeEncodeError):
            return prompts.NO_LANGUAGE
        return prompts.language_set(language) if self.set(language) else prompts.NO_LANGUAGE
