"""Signatures of Standard Webhooks, against a vector computed elsewhere."""

from __future__ import annotations

import pytest

from gateway.protocols.standard_webhooks import signed_headers, signing_keys

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
BODY = b'{"type":"realtime.call.incoming"}'
SIGNATURE = "v1,JnQSZvWSnSiprHLl9P1kozPb7mGO/g40W7mMNKdK0Wc="


def test_a_message_is_signed() -> None:
    assert signed_headers(signing_keys(SECRET), "wh_test", 1750287078, BODY) == {
        "webhook-id": "wh_test",
        "webhook-timestamp": "1750287078",
        "webhook-signature": SIGNATURE,
    }


def test_during_a_rotation_it_has_both_signatures() -> None:
    keys = signing_keys(f"whsec_AAAA, {SECRET}")
    signed = signed_headers(keys, "wh_test", 1750287078, BODY)["webhook-signature"]
    assert signed.split(" ")[1] == SIGNATURE


@pytest.mark.parametrize("secrets", ["", "whsec_", "AAAA", "whsec_not base64!"])
def test_a_secret_that_is_none_is_refused(secrets: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        signing_keys(secrets)
