"""Recordings by Google's XML API, with a service account's tokens: objects, and the whole way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gcs_end import GcsEnd, running_gcs
from ops.recordings.parts import BEGAN, NAME, noise, write
from ops.recordings.test_uploader import FIRST, SECOND, Process, same
from ops.records.test_recording_traces import nobody
from s3_end import BUCKET

from gateway.agents.routing import AgentBook
from gateway.cli.doctor import kept
from gateway.errors import LinkError
from gateway.ops.recordings.joining import RecordingGap
from gateway.ops.recordings.object_store import ObjectMissing, RecordingObjects
from gateway.ops.records.history import CallNames
from gateway.ops.records.recording_traces import RecordingTraces
from gateway.settings import load_settings

URL = f"gs://{BUCKET}/recordings"
KEYS = ["new-key", "old-key"]


def use(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def gcs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GcsEnd]:
    async with running_gcs(tmp_path / "gcs") as end:
        use(end.environ(), monkeypatch)
        yield end


async def test_objects_are_put_read_listed_and_deleted(gcs: GcsEnd, tmp_path: Path) -> None:
    objects = RecordingObjects(URL)
    await objects.put("CA1.json", b'{"a": 1}')
    assert await objects.size("CA1.json") == 8
    assert await objects.read("CA1.json", 1, 4) == b'"a"'
    # Of more than one part: what is large is sent in several.
    large = noise(900.0)
    (tmp_path / "large").write_bytes(large)
    await objects.put("parts/CA1/large", tmp_path / "large")
    assert gcs.asked["POST"] == 2, "begun and completed"
    assert len(next(iter(gcs.parts.values()))) > 1
    await objects.fetch("parts/CA1/large", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == large
    assert [name async for name, _ in objects.names("parts")] == ["parts/CA1/large"]
    assert gcs.objects == ["recordings/CA1.json", "recordings/parts/CA1/large"]
    for _ in range(2):
        await objects.delete("parts/CA1/large")
    with pytest.raises(ObjectMissing):
        await objects.size("parts/CA1/large")
    assert [name async for name, _ in objects.names("parts")] == []
    assert gcs.asked["401"] == 0


async def test_a_key_of_another_account_opens_nothing(
    gcs: GcsEnd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(gcs.environ(GcsEnd(tmp_path).key), monkeypatch)
    with pytest.raises(LinkError, match="Unauthenticated"):
        await RecordingObjects(URL).put("CA1.json", b"{}")
    assert (gcs.objects, gcs.asked["401"]) == ([], 1)


async def test_a_busy_server_is_asked_again_and_then_it_is_away(gcs: GcsEnd) -> None:
    objects = RecordingObjects(URL)
    gcs.busy = 1
    await objects.put("CA1.json", b"{}")
    assert (gcs.asked["503"], gcs.asked["PUT"]) == (1, 2)
    gcs.busy = 20
    with pytest.raises(LinkError):
        await objects.put("CA2.json", b"{}")
    gcs.busy = 0
    assert gcs.objects == ["recordings/CA1.json"]


async def test_a_recordings_whole_way(gcs: GcsEnd, tmp_path: Path) -> None:
    """It moves to another process, is joined there, read in ranges, and forgotten."""
    first, second = (Process(tmp_path, name, KEYS, URL) for name in ("one", "two"))
    first.running.add(NAME)
    write(first.spool, FIRST, "moved")
    first.uploader.look_after(NAME)
    await first.idle()
    assert first.left == []
    write(second.spool, SECOND, part=2, began=BEGAN + 2)
    second.uploader.look_after(NAME)
    info = await second.next()
    await second.idle()
    assert info.gaps == [RecordingGap("moved", 1.0, 2.0)]
    assert gcs.objects == [f"recordings/{NAME}.json", f"recordings/{NAME}.wav.sealed"]
    assert await second.sound() == same(FIRST + b"\xff\xff" * 8000 + SECOND)
    traces = RecordingTraces(second.uploader, nobody)
    calls = [CallNames(NAME, NAME)]
    assert await traces.forget(calls) == 1
    assert (await traces.left(calls), gcs.objects) == (0, [])
    for process in (first, second):
        await process.close()


async def test_the_doctor_says_what_a_store_lacks(
    gcs: GcsEnd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_RECORDINGS": URL}
    settings, book = load_settings(environ, simulated=True), AgentBook({}, [])
    (found,) = await kept.recordings(settings, book)
    assert (found.status, gcs.objects) == ("ok", [])
    use(gcs.environ(GcsEnd(tmp_path).key), monkeypatch)
    (found,) = await kept.recordings(settings, book)
    assert (found.status, found.fix[:23]) == ("fail", "Check the credentials t")
