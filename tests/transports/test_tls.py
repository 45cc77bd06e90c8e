"""The TLS context of every client."""

from __future__ import annotations

import ssl

from gateway.transports.tls import tls_context


def test_certificates_and_names_are_checked_and_old_versions_refused() -> None:
    context = tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_all_clients_share_one_context() -> None:
    assert tls_context() is tls_context()
