"""The ASGI application: what it answers by itself."""

from __future__ import annotations

import pytest
from running_gateway import GatewayRig


@pytest.mark.parametrize("path", ["/healthz/", "/twilio/voice/", "//evil.example.com/healthz/"])
async def test_no_address_of_the_host_headers_choice_is_redirected_to(
    rig: GatewayRig, path: str
) -> None:
    response = await rig.client.get(path, headers={"Host": "evil.example.com"})
    assert response.status_code == 404
    assert "location" not in response.headers
