"""TwiML documents, rendered from the operator's templates with the phrases of a language."""

from __future__ import annotations

from starlette.responses import Response

from gateway.agents.texts.spoken import spoken_phrases
from gateway.agents.texts.templates import Templates


class TwimlDocuments:
    """Documents by the name of their template."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates

    def render(self, name: str, language: str = "en", **values: str) -> str:
        """Return the document as text."""
        spoken = spoken_phrases(language)
        return self._templates.render(
            name,
            language=spoken.language,
            apology=spoken.apology,
            unavailable=spoken.unavailable,
            leave_message=spoken.leave_message,
            handover=spoken.handover,
            press_key=spoken.press_key,
            **values,
        )

    def response(self, name: str, language: str = "en", **values: str) -> Response:
        """Return the document as the answer to a webhook."""
        return twiml(self.render(name, language, **values))

    def dial(self, to: str, language: str, after_url: str, whisper_url: str = "") -> str:
        """Return the document that dials a number or a SIP address.

        The person who answers first hears what `whisper_url` answers, where there is one.
        """
        name = "human.xml" if to.startswith("+") else "human-sip.xml"
        return self.render(name, language, to=to, after_url=after_url, whisper_url=whisper_url)


def twiml(document: str) -> Response:
    """Return a rendered document as the answer to a webhook."""
    return Response(document, media_type="text/xml")
