"""How a link to the model begins, or does not: the server is no more than bytes."""

from __future__ import annotations

import asyncio
import base64
import ssl
from pathlib import Path

import pytest
from far_end import FarEnd, far_end, text_of
from model_link import CREATED, HEADERS, Behave, Receiver, failure, link

from gateway import limits
from gateway.errors import LinkError
from gateway.transports.realtime_socket import connect

PEM = Path(__file__).parent / "localhost.pem"


async def test_the_request_has_what_is_needed_and_no_more() -> None:
    seen: list[FarEnd] = []

    async def behave(end: FarEnd) -> None:
        await end.accept()
        seen.append(end)
        await end.gone()

    async with link(behave):
        pass
    (end,) = seen
    assert end.request_line == "GET /v1/realtime?model=gpt-realtime-2.1 HTTP/1.1"
    assert len(base64.b64decode(end.headers.pop("sec-websocket-key"))) == 16
    assert end.headers.pop("host").startswith("127.0.0.1:")
    assert end.headers == {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-version": "13",
        "authorization": "Bearer sk-test",
        "openai-safety-identifier": "abc",
    }, "no OpenAI-Beta, no extension offered"


def refusing(status: str, *headers: str, body: bytes = b"") -> Behave:
    async def behave(end: FarEnd) -> None:
        await end.request()
        end.send("\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body)
        await end.gone()

    return behave


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        ("400 Bad Request", False),
        ("401 Unauthorized", False),
        ("403 Forbidden", False),
        ("404 Not Found", True),
        ("429 Too Many Requests", True),
        ("500 Internal Server Error", True),
        ("503 Service Unavailable", True),
        ("302 Found", True),
    ],
)
async def test_a_status_says_whether_a_second_try_may_help(status: str, retryable: bool) -> None:
    error = await failure(refusing(status, "Content-Length: 2", body=b"{}"))
    assert (error.reason, error.retryable) == (f"http_{status[:3]}", retryable)


async def test_an_empty_account_is_no_rate_limit_that_passes() -> None:
    body = b'{"error": {"type": "insufficient_quota", "code": "insufficient_quota"}}'
    error = await failure(
        refusing("429 Too Many Requests", f"Content-Length: {len(body)}", body=body)
    )
    assert (error.reason, error.retryable) == ("http_429", False)


@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Service Unavailable"])
async def test_a_server_in_trouble_is_tried_again_whatever_it_says(status: str) -> None:
    body = b'{"error": {"type": "insufficient_quota", "code": "insufficient_quota"}}'
    error = await failure(refusing(status, f"Content-Length: {len(body)}", body=body))
    assert error.retryable


async def test_a_refusal_in_chunks_is_a_refusal() -> None:
    body = b"2\r\n{}\r\n0\r\n\r\n"
    error = await failure(refusing("401 No", "Transfer-Encoding: chunked", body=body))
    assert (error.reason, error.retryable) == ("http_401", False)


async def test_a_refusal_that_ends_with_the_connection_is_a_refusal() -> None:
    """No length, not chunked: the body ends where the connection does (RFC 9112, 6.3)."""

    async def behave(end: FarEnd) -> None:
        await end.request()
        end.send(b"HTTP/1.1 401 Unauthorized\r\n\r\n{}")
        end.hang_up()

    error = await failure(behave)
    assert (error.reason, error.retryable) == ("http_401", False)


async def test_a_refusal_may_come_byte_by_byte() -> None:
    async def behave(end: FarEnd) -> None:
        await end.request()
        for byte in b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\n\r\n\r\n\r\n{}":
            end.send(bytes([byte]))
            await asyncio.sleep(0)
        await end.gone()

    assert (await failure(behave)).reason == "http_401"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 " + b"9" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
    ],
    ids=["another protocol", "TLS", "half an upgrade", "endless line", "endless headers"],
)
async def test_an_answer_that_is_none_fails_at_once(answer: bytes) -> None:
    async def behave(end: FarEnd) -> None:
        await end.request()
        end.send(answer)
        end.hang_up()

    error = await failure(behave)
    assert error.retryable


async def test_a_line_as_long_as_a_whole_head_may_be_fails_at_once() -> None:
    async def behave(end: FarEnd) -> None:
        await end.request()
        end.send(b"HTTP/1.1 ".ljust(limits.sockets.HANDSHAKE_MAX_BYTES, b"9"))
        await end.gone()

    assert (await failure(behave)).reason != "timeout"


async def test_a_wrong_proof_of_the_handshake_is_refused() -> None:
    async def behave(end: FarEnd) -> None:
        await end.request()
        end.headers["sec-websocket-key"] = "AAAAAAAAAAAAAAAAAAAAAA=="
        end.send(end.acceptance())
        await end.gone()

    assert (await failure(behave)).reason == "handshake"


async def test_an_extension_that_was_not_offered_is_refused() -> None:
    async def behave(end: FarEnd) -> None:
        await end.request()
        end.send(end.acceptance("Sec-WebSocket-Extensions: permessage-deflate"))
        await end.gone()

    assert (await failure(behave)).reason == "handshake"


async def test_a_handshake_that_hangs_is_given_up_and_its_connection_ended() -> None:
    ended = asyncio.get_running_loop().create_future()

    async def behave(end: FarEnd) -> None:
        await end.request()
        await end.gone()
        ended.set_result(None)

    async with far_end(behave) as url:
        with pytest.raises(LinkError, match="timeout") as caught:
            await connect(f"{url}/v1/realtime", HEADERS, Receiver(), 0.05)
        await asyncio.wait_for(ended, 10)
    assert caught.value.retryable


async def test_half_a_handshake_is_given_up_too() -> None:
    async def behave(end: FarEnd) -> None:
        await end.request()
        end.send(end.acceptance()[:-2])
        await end.gone()

    assert (await failure(behave, within_s=0.05)).reason == "timeout"


@pytest.mark.parametrize("way", ["hang_up", "reset"])
async def test_a_server_that_hangs_up_in_the_handshake(way: str) -> None:
    async def behave(end: FarEnd) -> None:
        await end.request()
        getattr(end, way)()

    error = await failure(behave)
    assert error.retryable
    assert error.reason != "timeout", "it is known at once"


async def test_nobody_there() -> None:
    with pytest.raises(LinkError, match="unreachable") as caught:
        await connect("ws://127.0.0.1:9/v1/realtime", HEADERS, Receiver())
    assert caught.value.retryable


async def test_no_such_host() -> None:
    with pytest.raises(LinkError, match="unreachable"):
        await connect("ws://nobody.invalid/v1/realtime", HEADERS, Receiver())


# --- TLS ---


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    return context


async def silent(end: FarEnd) -> None:
    await end.gone()


async def test_tls_where_there_is_none() -> None:
    async def behave(end: FarEnd) -> None:
        end.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await end.gone()

    async with far_end(behave) as url:
        with pytest.raises(LinkError, match="unreachable"):
            await connect(url.replace("ws:", "wss:"), HEADERS, Receiver())


async def test_a_certificate_that_nobody_vouches_for() -> None:
    assert (await failure(silent, server_tls())).reason == "unreachable"


async def test_a_certificate_of_another_host() -> None:
    trusted = ssl.create_default_context(cafile=str(PEM))
    async with far_end(silent, server_tls()) as url:
        with pytest.raises(LinkError, match="unreachable"):
            await connect(url.replace("127.0.0.1", "127.0.0.2"), HEADERS, Receiver(), tls=trusted)


async def test_a_certificate_that_holds() -> None:
    trusted = ssl.create_default_context(cafile=str(PEM))

    async def behave(end: FarEnd) -> None:
        await end.accept(text_of(CREATED))
        assert (await end.frame()).data == b"hello"
        end.say("good day")
        await end.gone()

    receiver = Receiver()
    async with far_end(behave, server_tls()) as url:
        await connect(url.replace("127.0.0.1", "localhost"), HEADERS, receiver, tls=trusted)
        receiver.socket.post(b"hello")
        assert await receiver.hears(2) == [CREATED.encode(), b"good day"]
        receiver.socket.close()
