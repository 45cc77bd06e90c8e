"""Signatures, held against the package of Standard Webhooks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from gateway.errors import SettingsError
from gateway.ops.delivery.signing import EventSigner

OLD, NEW = "whsec_b2xkIHNlY3JldA==", "whsec_bmV3IHNlY3JldA=="
BODY = '{"type":"call.ended","said":"مرحبا"}'.encode()


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_a_receiver_with_either_secret_verifies_it(secret: str) -> None:
    now = int(datetime.now(UTC).timestamp())
    headers = EventSigner([NEW, OLD]).headers("msg_1", now, BODY)
    assert Webhook(secret).verify(BODY, headers)["type"] == "call.ended"
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64!", "whsec_x"])
def test_a_secret_that_is_none_is_refused(secret: str) -> None:
    with pytest.raises(SettingsError, match="GATEWAY_EVENTS_SECRET"):
        EventSigner([secret])
