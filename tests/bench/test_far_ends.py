"""What the load generator says, and how it counts what it hears."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from bench import sound
from bench.model_end import ModelEnd, sound_bytes
from bench.model_port import ModelPort
from bench.naive_gateway import Transcoder
from bench.sockets import open_socket
from gateway.audio.transcode import AudioFormat
from gateway.protocols import realtime_client


@given(st.binary(max_size=2_000))
def test_the_sound_of_an_append_is_measured_without_decoding_it(audio: bytes) -> None:
    assert sound_bytes(realtime_client.append(audio)) == len(audio)
    loose = {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}
    assert sound_bytes(json.dumps(loose).encode()) == len(audio)


@pytest.mark.parametrize("audio", ["pcm24k", "pcmu"])
def test_an_answer_has_its_length_in_uneven_pieces(audio: AudioFormat) -> None:
    samples = np.arange(24_000, dtype=np.int16)
    stock = sound.stock(audio, samples)
    per_ms = sound.BYTES_PER_MS[audio]
    lengths_ms = [len(delta) // per_ms for delta in stock.deltas]
    assert sum(lengths_ms) == stock.pattern.answer_ms
    assert set(lengths_ms) == set(stock.pattern.deltas_ms)
    assert {len(base64.b64decode(frame)) for frame in stock.frames} == {160}


def test_the_naive_way_gives_as_much_sound_as_it_gets() -> None:
    up = [len(Transcoder("pcm24k").up(bytes([0xFF]) * 160)) for _ in range(3)]
    assert all(abs(size - 960) <= 6 for size in up)
    down = Transcoder("pcm24k")
    assert abs(sum(len(down.down(bytes(9_600))) for _ in range(10)) - 16_000) <= 2
    assert Transcoder("pcmu").up(b"mu") == Transcoder("pcmu").down(b"mu") == b"mu"


async def test_one_port_counts_decisions_and_opens_sessions() -> None:
    """Requests come in whatever pieces; the first of a connection says what it is."""
    opened: list[ModelEnd] = []
    decided: Counter[tuple[str, str]] = Counter()
    samples = sound.stock("pcmu", np.arange(24_000, dtype=np.int16))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: ModelPort(samples, opened.append, decided), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    async with server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        post = b"POST /v1/realtime/calls/rtc_1/accept HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
        for piece in (post[:20], post[20:-1], post[-1:] + post):
            writer.write(piece)
            await writer.drain()
        for _ in range(2):
            assert (await reader.readuntil(b"{}")).startswith(b"HTTP/1.1 200 ")
        writer.close()
        line = await open_socket(f"ws://127.0.0.1:{port}/v1/realtime?model=m", {}, lambda *_: None)
        assert not line.lost
        line.close()
        async with connect(f"ws://127.0.0.1:{port}/v1/realtime?call_id=rtc_1") as sideband:
            opened[-1].greet()
            assert json.loads(await sideband.recv())["type"] == "session.created"
    assert decided == {("rtc_1", "accept"): 2}
    assert [session.sideband for session in opened] == [False, True]
