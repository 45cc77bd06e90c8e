"""OpenAI's webhook signatures, held to two libraries that know nothing of ours."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
from openai import InvalidWebhookSignatureError, OpenAI
from openai.types.webhooks import (
    LiveTransportIncomingWebhookEvent,
    RealtimeCallIncomingWebhookEvent,
)
from standardwebhooks import Webhook

from gateway.simulator.openai.sip.signing import signature, signed_headers
from gateway.simulator.openai.sip.webhooks import OVERSIZED_BYTES, CallAnnouncement, encoded, event

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
BODY = b'{"type":"realtime.call.incoming"}'
CALL = CallAnnouncement("rtc_u1_1", ({"name": "To", "value": "<sip:a@b>"},), "srtp")
vendor = OpenAI(api_key="sk-test")


def test_the_vector_of_the_fact_sheet() -> None:
    made = signature(SECRET, "wh_test", 1750287078, BODY)
    assert made == "v1,JnQSZvWSnSiprHLl9P1kozPb7mGO/g40W7mMNKdK0Wc="


@pytest.mark.parametrize("secret", [SECRET, "whsec_c2ltdWxhdGVkIHdlYmhvb2sgc2VjcmV0"])
@pytest.mark.parametrize("body", [BODY, '{"name":"ﻫﺎﺗﻒ \\u0000"}'.encode(), b""])
def test_an_independent_signer_makes_the_same(secret: str, body: bytes) -> None:
    at = datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)
    other = Webhook(secret).sign("wh_1", at, body.decode())
    assert signature(secret, "wh_1", int(at.timestamp()), body) == other


def test_the_vendors_own_package_reads_what_was_signed() -> None:
    body = encoded(event(CALL))
    headers = signed_headers([SECRET], "wh_2", int(time.time()), body)
    read = vendor.webhooks.unwrap(body, headers, secret=SECRET)
    assert isinstance(read, RealtimeCallIncomingWebhookEvent)
    assert (read.data.call_id, read.data.sip_media_security) == ("rtc_u1_1", "srtp")
    assert Webhook(SECRET).verify(body, headers) == json.loads(body)


def test_a_secret_that_is_being_rotated_signs_beside_the_new_one() -> None:
    new = "whsec_bmV3IHNlY3JldCBvZiB0aGUgZW5kcG9pbnQ="
    headers = signed_headers([new, SECRET], "wh_3", int(time.time()), BODY)
    for secret in (new, SECRET):
        assert vendor.webhooks.unwrap(BODY, headers, secret=secret)


def test_a_body_or_an_id_that_was_changed_does_not_verify() -> None:
    headers = signed_headers([SECRET], "wh_4", int(time.time()), BODY)
    with pytest.raises(InvalidWebhookSignatureError):
        vendor.webhooks.unwrap(BODY + b" ", headers, secret=SECRET)
    with pytest.raises(InvalidWebhookSignatureError):
        vendor.webhooks.unwrap(BODY, headers | {"webhook-id": "wh_5"}, secret=SECRET)


def test_the_other_products_event_is_told_by_its_type() -> None:
    live = LiveTransportIncomingWebhookEvent.model_validate(event(CALL, "live"), strict=True)
    assert live.data.session_id == "live_1"
    assert "call_id" not in event(CALL, "live")["data"]
    assert len(encoded(event(CALL, "oversized"))) > OVERSIZED_BYTES
    assert event(CALL, "late")["created_at"] <= time.time() - 60
    unknown = CallAnnouncement("rtc_u1_1", (), "")
    assert "sip_media_security" not in event(unknown)["data"]
