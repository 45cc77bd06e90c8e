"""What a caller gets whom no agent can take: a person, voicemail, or a spoken apology."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from starlette.responses import Response

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.web.twilio.fallback_steps import FallbackSteps
from gateway.web.twilio.legs import HUMAN, SIP, STREAM, TRANSFER

AFTER_PERSON = "https://gw/twilio/after?leg=human#rc=2&rp=all"
AFTER_VOICEMAIL = "https://gw/twilio/after?leg=voicemail#rc=2&rp=all"


class Documents:
    """Documents as the words that they are made of."""

    def dial(self, *words: str) -> str:
        return " ".join(("dial", *words))

    def response(self, *words: str, **more: str) -> Response:
        return Response(" ".join((*words, *more.values())))


class Steps:
    """The steps of an agent, and how often each was counted."""

    def __init__(self, **fallback: Any) -> None:
        more = {"fallback": fallback} if fallback else {}
        known = {"name": "desk", "instructions": "Hi.", "language": "fr"}
        self.agent = Agent.model_validate(known | more)
        self.counter = Counter("fallbacks", "Steps.", ["step"], registry=CollectorRegistry())
        documents: Any = Documents()
        self.steps = FallbackSteps("https://gw", documents, self.counter)

    def after(self, leg: str) -> tuple[str, str]:
        """Return the document behind a leg, and the step that was counted."""
        body = bytes(self.steps.person_or_less(self.agent, leg).body).decode()
        counted = [
            sample.labels["step"]
            for sample in next(iter(self.counter.collect())).samples
            if sample.name.endswith("_total") and sample.value == 1
        ]
        return body, " ".join(counted)


APOLOGY = ("apology.xml fr", "apology")
VOICEMAIL = (
    f"voicemail.xml fr {AFTER_VOICEMAIL} {limits.agents.VOICEMAIL_MAX_S}",
    "voicemail",
)
PERSON = (f"dial +15550199 fr {AFTER_PERSON}", "human")


@pytest.mark.parametrize("leg", [STREAM, SIP, TRANSFER])
@pytest.mark.parametrize(
    ("fallback", "step"),
    [
        ({}, APOLOGY),
        ({"to": "+15550199"}, PERSON),
        ({"to": "+15550199", "voicemail": True}, PERSON),
        ({"queue": "support"}, (f"queue.xml fr support {AFTER_PERSON}", "human")),
        ({"voicemail": True}, VOICEMAIL),
    ],
    ids=["nothing", "person", "person first", "queue", "voicemail"],
)
def test_the_first_step_that_an_agent_has(
    leg: str, fallback: dict[str, Any], step: tuple[str, str]
) -> None:
    assert Steps(**fallback).after(leg) == step


@pytest.mark.parametrize(
    ("fallback", "step"),
    [
        ({}, APOLOGY),
        ({"to": "+15550199"}, APOLOGY),
        ({"to": "+15550199", "voicemail": True}, VOICEMAIL),
        ({"queue": "support", "voicemail": True}, VOICEMAIL),
    ],
)
def test_a_person_who_did_not_come_is_not_called_again(
    fallback: dict[str, Any], step: tuple[str, str]
) -> None:
    assert Steps(**fallback).after(HUMAN) == step
