"""Which clients keep a connection for no longer than servers do."""

from __future__ import annotations

import re
from pathlib import Path

import gateway
from gateway.transports.kept_connections import kept_connections

SERVERS_CLOSE_AFTER_S = 2.0
"""Gunicorn's default; Node.js, uvicorn and Apache have 5."""


def test_a_connection_is_given_up_before_the_server_closes_it() -> None:
    kept = kept_connections()
    assert kept.keepalive_expiry is not None
    assert kept.keepalive_expiry < SERVERS_CLOSE_AFTER_S


def test_every_client_of_an_operators_server_has_these_limits() -> None:
    """Those of `transports` ask vendors, whose servers keep connections for a minute and longer."""
    root = Path(gateway.__file__).parent
    made = re.compile(r"httpx2\.(?:AsyncClient|AsyncHTTPTransport)\(.*?\)\n", re.DOTALL)
    clients = [
        (file.relative_to(root).as_posix(), found)
        for part in ("bridge", "ops", "tools", "web")
        for file in sorted((root / part).rglob("*.py"))
        for found in made.findall(file.read_text())
        if "transport=" not in found
    ]
    assert len(clients) >= 3
    assert [name for name, found in clients if "kept_connections(" not in found] == []
