"""Signatures as a sender makes them, held against the reference library."""

from __future__ import annotations

import time
from base64 import b64encode

import pytest
from standardwebhooks.webhooks import Webhook

from gateway.protocols.standard_webhooks import signed_headers, signing_keys

OLD, NEW = (f"whsec_{b64encode(word).decode()}" for word in (b"the old one", b"the new one"))


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_a_message_verifies_with_each_of_its_secrets(secret: str) -> None:
    body = b'{"caller": "+21671000001"}'
    headers = signed_headers(signing_keys(f"{NEW}, {OLD}"), "msg_1", int(time.time()), body)
    assert Webhook(secret).verify(body, headers) == {"caller": "+21671000001"}


@pytest.mark.parametrize(
    "secrets",
    [
        *("", " , ", "plain", "whsec_", "whsec_%%%", "c2VjcmV0"),
        # One character that is not base64: what is left would be another key than the sender's.
        *("whsec_c2Vj cmV0", "whsec_c2Vj%cmV0", "whsec_c2VjcmV0\n!", "whsec_c2Vj-mV0"),
        *(f"{OLD}, whsec_c2Vj%cmV0", "whsec_c2VjcmV0Cg"),
    ],
)
def test_what_is_no_secret(secrets: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        signing_keys(secrets)
