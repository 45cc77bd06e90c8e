"""Clients of the simulator verify whom they talk to, and share what that takes."""

from __future__ import annotations

import ssl

from gateway.simulator.shared_tls import shared_context


def test_it_is_made_once_and_verifies() -> None:
    context = shared_context()
    assert context is shared_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
