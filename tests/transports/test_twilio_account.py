"""The vendor's own package, pointed at another address, and at nothing else."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from gateway.transports import twilio_account

NOWHERE = "http://127.0.0.1:9"


class Desk(BaseHTTPRequestHandler):
    """Answers every request with an account, and writes down what was asked."""

    asked: list[str]

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        body = b'{"sid": "AC1", "friendly_name": "Desk"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_every_request_goes_to_the_address_and_past_any_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, NOWHERE)
    server = HTTPServer(("127.0.0.1", 0), Desk)
    server.asked = []  # type: ignore[attr-defined]
    thread = Thread(target=server.handle_request, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/"
    with twilio_account.opened(url, "AC1", "token") as client:
        assert client.api.accounts("AC1").fetch().friendly_name == "Desk"
    thread.join()
    server.server_close()
    assert server.asked == ["/2010-04-01/Accounts/AC1.json"]  # type: ignore[attr-defined]


def test_the_vendor_s_own_address_is_left_to_the_package() -> None:
    with twilio_account.opened("https://api.twilio.com/", "AC1", "token") as client:
        assert type(client.http_client).__name__ == "TwilioHttpClient"
        assert client.http_client.timeout == twilio_account.TIMEOUT_S
