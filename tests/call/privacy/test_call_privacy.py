"""Which switches hold where several agents take part in a call."""

from __future__ import annotations

from itertools import permutations

import pytest
from call.play import an_agent

from gateway.call.privacy.call_privacy import CallPrivacy


def test_the_switches_of_an_agent() -> None:
    agent = an_agent(privacy="pci", retain_days=5, transcription="none")
    assert CallPrivacy.of(agent) == CallPrivacy(
        "metadata", "pci", ("cards", "digits"), 5, transcribed=False
    )


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (CallPrivacy("transcript"), CallPrivacy("metadata"), CallPrivacy("metadata")),
        (CallPrivacy("none"), CallPrivacy("metadata"), CallPrivacy("none")),
        (
            CallPrivacy(redact=("phones", "cards")),
            CallPrivacy(redact=("emails",)),
            CallPrivacy(redact=("cards", "emails", "phones")),
        ),
        (CallPrivacy(retain_days=30), CallPrivacy(), CallPrivacy(retain_days=30)),
        (CallPrivacy(retain_days=30), CallPrivacy(retain_days=7), CallPrivacy(retain_days=7)),
        (CallPrivacy(preset="pci"), CallPrivacy(), CallPrivacy(preset="pci")),
        (CallPrivacy(preset="pci"), CallPrivacy(preset="hipaa"), CallPrivacy(preset="hipaa+pci")),
        (CallPrivacy(transcribed=False), CallPrivacy(), CallPrivacy()),
    ],
)
def test_each_switch_is_as_the_stricter_has_it(
    one: CallPrivacy, other: CallPrivacy, both: CallPrivacy
) -> None:
    for first, second in permutations((one, other)):
        assert first.strictest(second) == both


def test_the_same_switches_in_another_order_are_the_same() -> None:
    one = CallPrivacy(redact=("phones", "cards"))
    assert one.strictest(CallPrivacy(redact=("cards", "phones"))) == one
