"""The store of recordings: a folder here; the same over S3 in `test_s3.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import LinkError, SettingsError
from gateway.limits import recordings as limits
from gateway.ops.recordings.object_store import ObjectMissing, RecordingObjects


@pytest.fixture
def objects(tmp_path: Path) -> RecordingObjects:
    return RecordingObjects(f"file://{tmp_path}/store")


async def test_what_is_stored_is_read_again(objects: RecordingObjects, tmp_path: Path) -> None:
    content = bytes(range(256)) * 2000
    (tmp_path / "sound").write_bytes(content)
    await objects.put("CA1.opus", tmp_path / "sound")
    await objects.put("parts/CA1/1.wav", b"part")
    assert await objects.size("CA1.opus") == len(content)
    assert await objects.read("CA1.opus", 1000, 1010) == content[1000:1010]
    await objects.fetch("CA1.opus", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == content
    assert [name async for name, _ in objects.names("parts")] == ["parts/CA1/1.wav"]
    assert [name async for name, _ in objects.names("nothing")] == []


async def test_what_is_not_there_is_missing_and_can_be_deleted(objects: RecordingObjects) -> None:
    for work in (objects.size("CA1"), objects.read("CA1", 0, 1)):
        with pytest.raises(ObjectMissing):
            await work
    await objects.delete("CA1")
    await objects.put("CA1", b"1")
    await objects.delete("CA1")
    with pytest.raises(ObjectMissing):
        await objects.size("CA1")


async def test_a_folder_that_cannot_be_written_is_a_link_that_failed(tmp_path: Path) -> None:
    objects = RecordingObjects(f"file://{tmp_path}/store")
    objects.open()
    (tmp_path / "store" / "CA1").write_bytes(b"a file, where a folder is wanted")
    with pytest.raises(LinkError) as failed:
        await objects.put("CA1/1.wav", b"part")
    assert failed.value.retryable
    assert str(tmp_path) not in str(failed.value)


async def test_a_store_that_nobody_answers_for_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    with pytest.raises(LinkError) as failed:
        await RecordingObjects("s3://bucket/prefix").put("CA1", b"1")
    assert "127.0.0.1" not in str(failed.value)


def test_a_store_that_cannot_be_is_said_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SettingsError, match="GATEWAY_RECORDINGS cannot be opened"):
        RecordingObjects(f"file://{tmp_path}/file/store").open()


async def test_a_list_ends_somewhere(objects: RecordingObjects) -> None:
    for number in range(10):
        await objects.put(f"parts/{number}", b"")
    found = [name async for name, _ in objects.names("parts", most=4)]
    assert len(found) <= limits.SWEPT_MAX
    assert len(found) == 4
