"""Recordings in a real S3-compatible server that checks signatures: objects, and the whole way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ops.recordings.parts import BEGAN, NAME, noise, write
from ops.recordings.test_uploader import FIRST, SECOND, Process, same
from ops.records.test_recording_traces import nobody
from s3_end import BUCKET, S3End, running_s3

from gateway.agents.routing import AgentBook
from gateway.cli.doctor import kept
from gateway.errors import LinkError
from gateway.ops.recordings.joining import RecordingGap
from gateway.ops.recordings.object_store import ObjectMissing, RecordingObjects
from gateway.ops.records.history import CallNames
from gateway.ops.records.recording_traces import RecordingTraces
from gateway.settings import load_settings

URL = f"s3://{BUCKET}/recordings"
KEYS = ["new-key", "old-key"]


def use(s3: S3End, monkeypatch: pytest.MonkeyPatch, **other: str) -> None:
    for name, value in (s3.environ() | other).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[S3End]:
    async with running_s3(tmp_path / "s3") as end:
        use(end, monkeypatch)
        yield end


async def test_objects_are_put_read_listed_and_deleted(s3: S3End, tmp_path: Path) -> None:
    objects = RecordingObjects(URL)
    await objects.put("CA1.json", b'{"a": 1}')
    assert await objects.size("CA1.json") == 8
    assert await objects.read("CA1.json", 1, 4) == b'"a"'
    # Of more than one part: what is large is sent in several.
    large = noise(900.0)
    (tmp_path / "large").write_bytes(large)
    await objects.put("parts/CA1/large", tmp_path / "large")
    assert s3.asked["POST"] >= 2, "begun and completed"
    await objects.fetch("parts/CA1/large", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == large
    assert [name async for name, _ in objects.names("parts")] == ["parts/CA1/large"]
    assert s3.objects == ["recordings/CA1.json", "recordings/parts/CA1/large"]
    for _ in range(2):
        await objects.delete("parts/CA1/large")
    with pytest.raises(ObjectMissing):
        await objects.size("parts/CA1/large")
    assert [name async for name, _ in objects.names("parts")] == []


async def test_a_wrong_secret_opens_nothing(s3: S3End, monkeypatch: pytest.MonkeyPatch) -> None:
    use(s3, monkeypatch, AWS_SECRET_ACCESS_KEY="another")
    with pytest.raises(LinkError, match="PermissionDenied"):
        await RecordingObjects(URL).put("CA1.json", b"{}")
    assert s3.objects == []


async def test_a_busy_server_is_asked_again_and_then_it_is_away(s3: S3End) -> None:
    objects = RecordingObjects(URL)
    s3.busy = 1
    await objects.put("CA1.json", b"{}")
    assert (s3.asked["503"], s3.asked["PUT"]) == (1, 2)
    s3.busy = 20
    with pytest.raises(LinkError):
        await objects.put("CA2.json", b"{}")
    s3.busy = 0
    assert s3.objects == ["recordings/CA1.json"]


async def test_a_recordings_whole_way(s3: S3End, tmp_path: Path) -> None:
    """It moves to another process, is joined there, read in ranges, and forgotten."""
    first, second = (Process(tmp_path, name, KEYS, URL) for name in ("one", "two"))
    first.running.add(NAME)
    write(first.spool, FIRST, "moved")
    first.uploader.look_after(NAME)
    await first.idle()
    assert first.left == []
    assert [name.rpartition(".")[2] for name in s3.objects] == ["jsonl", "sealed"]
    s3.busy = 10
    write(second.spool, SECOND, part=2, began=BEGAN + 2)
    second.uploader.look_after(NAME)
    async with asyncio.timeout(20):
        assert await second.errors.get() == "store"
    s3.busy = 0
    info = await second.next()
    await second.idle()
    assert info.gaps == [RecordingGap("moved", 1.0, 2.0)]
    assert second.left == []
    assert s3.objects == [f"recordings/{NAME}.json", f"recordings/{NAME}.wav.sealed"]
    assert await second.sound() == same(FIRST + b"\xff\xff" * 8000 + SECOND)
    plain = (s3.folder / BUCKET / s3.objects[1]).read_bytes()
    assert b"RIFF" not in plain, "it is sealed there"
    traces = RecordingTraces(second.uploader, nobody)
    calls = [CallNames(NAME, NAME)]
    assert await traces.left(calls) == 2, "the sound, and what is known of it"
    assert await traces.forget(calls) == 1
    assert (await traces.left(calls), s3.objects) == (0, [])
    for process in (first, second):
        await process.close()


async def test_the_doctor_says_what_a_store_lacks(
    s3: S3End, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_RECORDINGS": URL}
    settings, book = load_settings(environ, simulated=True), AgentBook({}, [])
    (found,) = await kept.recordings(settings, book)
    assert (found.status, s3.objects) == ("ok", [])
    use(s3, monkeypatch, AWS_SECRET_ACCESS_KEY="another")
    (found,) = await kept.recordings(settings, book)
    assert (found.status, found.fix[:23]) == ("fail", "Give these credentials ")
    use(s3, monkeypatch)
    environ["GATEWAY_RECORDINGS"] = "s3://another/recordings"
    (found,) = await kept.recordings(load_settings(environ, simulated=True), book)
    assert (found.status, found.fix[:15]) == ("fail", "Make the bucket")
