"""Who is let in: requests signed by Twilio's own package, over real sockets, honest and not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
import pytest_asyncio
from gateway_calls import CALLER, TOKEN, signature
from running_gateway import PUBLIC_URL, GatewayRig, running_gateway
from structlog.testing import capture_logs
from twilio.request_validator import RequestValidator

from gateway import limits
from gateway.tuning import Tuning

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHARED_KEY = "the-secret-of-a-shared-key"
SHA256_HEADER = {
    "X-Twilio-Webhooks-Signature-Settings": "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"
}
FORM = "application/x-www-form-urlencoded"
FIELDS = {
    "CallSid": "CA" + "a" * 32,
    "From": CALLER,
    "To": "+15550100",
    "CallStatus": "ringing",
    "CallerName": "Zoë & Söhne + 50% 📞",
    "ForwardedFrom": "",
}


@dataclass(frozen=True)
class Knock:
    """One request to `/twilio/status`, which does nothing for a call that rings."""

    path: str = "/twilio/status"
    fields: Any = field(default_factory=lambda: FIELDS)
    method: str = "POST"
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    base: str = PUBLIC_URL

    def signed(self, **how: Any) -> Knock:
        fields = {} if self.method == "GET" or self.body is not None else self.fields
        return self.signed_as(signature(self.base + self.path, fields, **how))

    def signed_as(self, value: str) -> Knock:
        return replace(self, headers=self.headers | {"X-Twilio-Signature": value})

    def with_headers(self, **headers: str) -> Knock:
        return replace(
            self, headers=self.headers | {k.replace("_", "-"): v for k, v in headers.items()}
        )

    async def at(self, rig: GatewayRig) -> httpx2.Response:
        body = self.body
        if body is None and self.method == "POST":
            body = urlencode(self.fields, doseq=True).encode()
        # As raw bytes: the client would tidy up what it is asked to send.
        headers = {
            k: v.encode("latin-1") for k, v in ({"Content-Type": FORM} | self.headers).items()
        }
        url = rig.client.base_url.copy_with(raw_path=self.path.encode("latin-1"))
        return await rig.client.request(self.method, url, content=body, headers=headers)


def json_knock(document: Any = FIELDS, *, said: Callable[[str], str] | None = str) -> Knock:
    """A JSON webhook; `said` makes what the URL says of the body's hash, None leaves it out."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    query = f"?bodySHA256={said(sha256(body).hexdigest())}" if said else ""
    path = f"/twilio/status{query}"
    return Knock(path, body=body, headers={"Content-Type": "application/json"}).signed()


def get_knock(query: str) -> Knock:
    return Knock(f"/twilio/status?{query}", method="GET")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(agents_file: Path) -> AsyncIterator[GatewayRig]:
    tokens = {"TWILIO_AUTH_TOKEN": f"{TOKEN},older-token,{SHARED_KEY}"}
    async with running_gateway(agents_file, **tokens) as running:
        yield running


HONEST = {
    "form": Knock().signed(),
    "older token during rotation": Knock().signed(token="older-token"),
    "shared key, SHA256": Knock(headers=SHA256_HEADER).signed(
        token=SHARED_KEY, algorithm="HMAC_SHA256"
    ),
    "auth token, SHA256 announced": Knock(headers=SHA256_HEADER).signed(algorithm="HMAC_SHA256"),
    "settings header without algorithm": Knock(
        headers={"X-Twilio-Webhooks-Signature-Settings": "key=k"}
    ).signed(),
    "GET": get_knock(urlencode(FIELDS)).signed(),
    "JSON": json_knock(),
    "JSON, hash in upper case": json_knock(said=str.upper),
    "JSON with charset": json_knock().with_headers(Content_Type="application/json; charset=utf-8"),
    "JSON by another spelling": json_knock().with_headers(Content_Type="Application/JSON"),
    "a value twice": Knock(fields=FIELDS | {"Digits": ["2", "1", "2"]}).signed(),
    "signed with the port": Knock(base=f"{PUBLIC_URL}:443").signed(),
    "signed with connection overrides": replace(
        Knock("/twilio/status?a=b#rc=2&rp=all").signed(), path="/twilio/status?a=b"
    ),
    "percent-encoded path": Knock("/twilio/st%61tus").signed(),
    "query byte for byte": Knock("/twilio/status?next=%2Fa%2fb&x=a+b%20c&&y&z=%C3%BC").signed(),
    "CallToken and StirVerstat signed": Knock(
        fields=FIELDS | {"CallToken": "t", "StirVerstat": "TN-Validation-Passed-A"}
    ).signed(),
    "CallToken and StirVerstat not signed": Knock(
        fields=FIELDS | {"CallToken": "t", "StirVerstat": "TN-Validation-Passed-A"}
    ).signed_as(signature(f"{PUBLIC_URL}/twilio/status", FIELDS)),
    "forwarded headers that lie": Knock()
    .signed()
    .with_headers(
        X_Forwarded_Host="evil.example",
        X_Forwarded_Proto="http",
        X_Forwarded_Prefix="/evil",
        Forwarded="host=evil.example;proto=http",
        Host="evil.example",
    ),
}


@pytest.mark.parametrize("knock", HONEST.values(), ids=HONEST)
async def test_twilio_is_let_in(rig: GatewayRig, knock: Knock) -> None:
    before = await rig.metric("webhooks_total", endpoint="status", result="ok")
    response = await knock.at(rig)
    assert response.status_code == 204, response.text
    assert await rig.metric("webhooks_total", endpoint="status", result="ok") == before + 1


DISHONEST = {
    "unsigned": (Knock(), "unsigned"),
    "empty signature": (Knock().signed_as(""), "unsigned"),
    "another token": (Knock().signed(token="guessed"), "bad_signature"),
    "empty token": (Knock().signed(token=""), "bad_signature"),
    "not even base64": (Knock().signed_as("é" * 28), "bad_signature"),
    "a field changed": (replace(Knock().signed(), fields=FIELDS | {"To": "+1"}), "bad_signature"),
    "a field added": (replace(Knock().signed(), fields=FIELDS | {"X": ""}), "bad_signature"),
    "a second value": (
        replace(Knock().signed(), fields=FIELDS | {"To": ["+15550100", "+1"]}),
        "bad_signature",
    ),
    "http for https": (Knock(base="http://gw.example.com").signed(), "bad_signature"),
    "another port": (Knock(base=f"{PUBLIC_URL}:8443").signed(), "bad_signature"),
    "another path": (replace(Knock("/twilio/after").signed(), path="/twilio/status"), None),
    "a query added": (replace(Knock().signed(), path="/twilio/status?a=b"), None),
    "overrides that are not ours signed": (
        replace(Knock("/twilio/status#rc=5&rp=all").signed(), path="/twilio/status"),
        None,
    ),
    "percent-encoding normalised": (
        replace(Knock("/twilio/st%61tus").signed(), path="/twilio/status"),
        None,
    ),
    "the forwarded address signed": (
        Knock(base="https://evil.example").signed().with_headers(X_Forwarded_Host="evil.example"),
        "bad_signature",
    ),
    "the Host header signed": (
        Knock(base="https://evil.example").signed().with_headers(Host="evil.example"),
        "bad_signature",
    ),
    "SHA256 without being announced": (
        Knock().signed(algorithm="HMAC_SHA256"),
        "bad_signature",
    ),
    "SHA1 where SHA256 is announced": (Knock(headers=SHA256_HEADER).signed(), "bad_signature"),
    "an algorithm that nobody knows": (
        Knock(
            headers={"X-Twilio-Webhooks-Signature-Settings": "key=k,algorithm=HMAC_MD5"}
        ).signed(),
        "unknown_algorithm",
    ),
    "no algorithm at all": (
        Knock(headers={"X-Twilio-Webhooks-Signature-Settings": "key=k,algorithm=none"}).signed(),
        "unknown_algorithm",
    ),
    "JSON with the hash of another body": (
        json_knock(said=lambda _: sha256(b"{}").hexdigest()),
        "bad_body_hash",
    ),
    "JSON without a hash": (json_knock(said=None), "bad_body_hash"),
    "JSON with an empty hash": (json_knock(said=lambda _: ""), "bad_body_hash"),
    "JSON with half a hash": (json_knock(said=lambda whole: whole[:32]), "bad_body_hash"),
    "JSON whose URL is not signed": (json_knock().signed_as("x"), "bad_signature"),
    "JSON said to be a form": (json_knock().with_headers(Content_Type=FORM), "bad_signature"),
}


@pytest.mark.parametrize(("knock", "reason"), DISHONEST.values(), ids=DISHONEST)
async def test_nobody_else_is(rig: GatewayRig, knock: Knock, reason: str | None) -> None:
    reason = reason or "bad_signature"
    before = await rig.metric("webhooks_total", endpoint="status", result=reason)
    with capture_logs() as logs:
        response = await knock.at(rig)
    assert (response.status_code, response.text) == (403, "The request is not signed by Twilio.")
    assert await rig.metric("webhooks_total", endpoint="status", result=reason) == before + 1
    (line,) = logs
    assert line["url"].startswith(f"{PUBLIC_URL}/twilio/st"), "the log names what was checked"


MALFORMED = {
    "too many fields": Knock(
        fields={f"f{n}": "" for n in range(limits.web.WEBHOOK_FIELDS_MAX + 1)}
    ).signed(),
    "not UTF-8": Knock(body=b"CallSid=\xff\xfe").signed(),
    "JSON that is none": json_knock(b'{"CallSid": '),
    "JSON that is not UTF-8": json_knock(b'{"CallSid": "\xff"}'),
    "JSON too deep to read": json_knock(b"[" * 20_000),
    "JSON but a list": json_knock(["CallSid"]),
    "no CallSid": Knock(fields={"To": "+15550100"}).signed(),
    "a CallSid that is a path": Knock(fields=FIELDS | {"CallSid": "../../admin"}).signed(),
    "an address without end": Knock(fields=FIELDS | {"From": "9" * 300}).signed(),
}


@pytest.mark.parametrize("knock", MALFORMED.values(), ids=MALFORMED)
async def test_what_cannot_be_read_is_said_in_a_sentence(rig: GatewayRig, knock: Knock) -> None:
    before = await rig.metric("webhooks_total", endpoint="status", result="malformed")
    response = await knock.at(rig)
    assert response.status_code == 400
    assert_one_sentence(response)
    assert await rig.metric("webhooks_total", endpoint="status", result="malformed") == before + 1


def assert_one_sentence(response: httpx2.Response) -> None:
    assert response.text.endswith(".")
    assert response.text.count(". ") == 0
    assert response.headers["content-type"].startswith("text/plain")


async def test_a_body_may_be_as_long_as_the_bound_and_no_longer(rig: GatewayRig) -> None:
    rest = limits.web.WEBHOOK_BODY_MAX_BYTES - len(urlencode(FIELDS | {"Pad": ""}))
    longest = Knock(fields=FIELDS | {"Pad": "x" * rest}).signed()
    assert (await longest.at(rig)).status_code == 204
    too_long = Knock(fields=FIELDS | {"Pad": "x" * (rest + 1)}).signed()
    response = await too_long.at(rig)
    assert response.status_code == 413
    assert_one_sentence(response)
    assert await rig.metric("webhooks_total", endpoint="status", result="oversized") == 1


async def test_a_body_in_chunks_is_a_body(rig: GatewayRig) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for byte in urlencode(FIELDS).encode():
            yield bytes([byte])

    headers = Knock().signed().headers | {"Content-Type": FORM}
    response = await rig.client.post("/twilio/status", content=pieces(), headers=headers)
    assert response.status_code == 204


async def test_a_body_without_end_is_cut_at_the_bound(rig: GatewayRig) -> None:
    """Without a length in its header, and without reading what follows."""
    before = await rig.metric("webhooks_total", endpoint="status", result="oversized")
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    reader, writer = await knocking(rig, "Transfer-Encoding: chunked")
    writer.write(chunk * 2)
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert await rig.metric("webhooks_total", endpoint="status", result="oversized") == before + 1


async def test_a_body_that_does_not_come_is_not_waited_for(agents_file: Path) -> None:
    async with running_gateway(agents_file, tuning=Tuning(webhook_body_wait_s=0.05)) as rig:
        reader, writer = await knocking(rig, "Content-Length: 100")
        writer.write(b"CallSid=")
        assert b" 408 " in await asyncio.wait_for(reader.readline(), 30)
        writer.close()
        assert await rig.metric("webhooks_total", endpoint="status", result="slow") == 1


async def test_a_sender_who_goes_away_is_counted_and_is_no_error(
    rig: GatewayRig, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await knocking(rig, "Content-Length: 100")
    writer.write(b"CallSid=")
    await writer.drain()
    writer.close()
    async with asyncio.timeout(5):
        while not await rig.metric("webhooks_total", endpoint="status", result="cut_off"):
            pass
    assert not caplog.records, "no traceback of the server's"


async def knocking(
    rig: GatewayRig, header: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    port = rig.client.base_url.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST /twilio/status HTTP/1.1\r\nHost: gw\r\n{header}\r\n\r\n".encode())
    return reader, writer


async def test_a_refused_request_does_nothing(rig: GatewayRig) -> None:
    """Not even for a call that would be taken."""
    for path in ("/twilio/voice", "/twilio/after", "/twilio/status", "/twilio/stream-status"):
        for method in ("POST", "GET"):
            knock = Knock(path, method=method)
            assert (await knock.at(rig)).status_code == 403
            assert (await knock.signed(token="guessed").at(rig)).status_code == 403
    assert not rig.gateway.registry.calls
    assert not rig.notes


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_number_of_a_caller_stands_in_a_log(rig: GatewayRig, method: str) -> None:
    """A webhook by GET has them all in its address."""
    query = f"?{urlencode(FIELDS)}"
    with capture_logs() as logs:
        assert (await Knock(f"/twilio/voice{query}", method=method).at(rig)).status_code == 403
    assert "4155550123" not in str(logs)
    assert "15550100" not in str(logs)


PUBLIC_URLS = {
    "https://gw.example.com": ["https://gw.example.com", "https://gw.example.com:443"],
    "https://gw.example.com:443": ["https://gw.example.com", "https://gw.example.com:443"],
    "https://gw.example.com:8443": ["https://gw.example.com", "https://gw.example.com:8443"],
    "https://[2001:db8::1]": ["https://[2001:db8::1]", "https://[2001:db8::1]:443"],
    "https://[2001:db8::1]:8443": ["https://[2001:db8::1]", "https://[2001:db8::1]:8443"],
    "http://127.0.0.1": ["http://127.0.0.1", "http://127.0.0.1:80"],
    "https://GW.Example.com": ["https://GW.Example.com", "https://GW.Example.com:443"],
}


@pytest.mark.parametrize("public_url", PUBLIC_URLS)
async def test_the_address_counts_with_and_without_its_port(
    agents_file: Path, public_url: str
) -> None:
    """Twilio: "sig generation on back end is inconsistent"."""
    plain = {"GATEWAY_SIMULATED": "1"} if public_url.startswith("http:") else {}
    async with running_gateway(agents_file, GATEWAY_PUBLIC_URL=public_url, **plain) as rig:
        for base in PUBLIC_URLS[public_url]:
            assert (await Knock(base=base).signed().at(rig)).status_code == 204, base
        assert (await Knock(base=f"{public_url[:-1]}x").signed().at(rig)).status_code == 403


async def test_vectors_of_the_fact_sheet() -> None:
    """So that the signer of these tests is known to be right, too."""
    params = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature(url, params) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    sha256_signature = "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s="
    assert signature(url, params, algorithm="HMAC_SHA256") == sha256_signature
    assert signature("wss://gw.example.com/twilio/media") == "xOtUNom2O6Ixz0xt8ODDv8MkQUY="
    body = b'{"CallSid":"CA1"}'
    signed_url = f"https://h.example/x?bodySHA256={sha256(body).hexdigest()}"
    assert signature(signed_url) == "TtnW9nqBbTadRbhdZzOYnghgSwg="


async def test_what_we_let_in_twilios_own_validator_lets_in(rig: GatewayRig) -> None:
    """The other way round: the validator judges the requests of these tests."""
    knock = HONEST["a value twice"]
    validator = RequestValidator(TOKEN)
    many = type("Many", (dict,), {"getlist": lambda self, name: _as_list(self[name])})
    url = f"{PUBLIC_URL}{knock.path}"
    assert validator.validate(url, many(knock.fields), knock.headers["X-Twilio-Signature"])
    assert not validator.validate(url, many(FIELDS), knock.headers["X-Twilio-Signature"])


def _as_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
