"""The store of recordings: a folder here; the same over S3 in `test_s3.py`."""

from __future__ import annotations

import os
import stat
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


class Counted(RecordingObjects):
    """Counts how often the client is made, and what is read."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.opened, self.reads = 0, list[tuple[int, int]]()

    def open(self) -> None:
        self.opened += 1
        super().open()

    async def read(self, name: str, start: int, end: int) -> bytes:
        self.reads.append((start, end))
        return await super().read(name, start, end)


async def test_where_nothing_was_ever_stored_no_client_is_made(tmp_path: Path) -> None:
    for folder in (tmp_path / "missing", tmp_path / "empty"):
        objects = Counted(f"file://{folder}")
        assert [name async for name, _ in objects.names("parts")] == []
        assert objects.opened == 0
        (tmp_path / "empty").mkdir(exist_ok=True)
    (tmp_path / "file").write_bytes(b"")
    objects = Counted(f"file://{tmp_path}/file")
    with pytest.raises(LinkError, match="GATEWAY_RECORDINGS") as failed:
        [name async for name, _ in objects.names("parts")]
    assert (objects.opened, failed.value.retryable) == (1, True)


async def test_a_folder_that_was_emptied_is_looked_at_by_its_client(tmp_path: Path) -> None:
    objects = Counted(f"file://{tmp_path}")
    await objects.put("parts/1", b"1")
    await objects.put("parts/2", b"2")
    assert len([name async for name, _ in objects.names("parts", most=5)]) == 2
    assert objects.opened == 1, "and made once"


async def test_a_store_elsewhere_is_asked_whatever_folder_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    objects = Counted("s3://bucket/prefix")
    with pytest.raises(LinkError):
        [name async for name, _ in objects.names("parts")]
    assert objects.opened == 1


async def test_a_file_is_fetched_in_pieces_and_only_this_user_may_read_it(tmp_path: Path) -> None:
    objects, piece = Counted(f"file://{tmp_path}/store"), limits.FETCH_BYTES
    await objects.put("CA1", bytes(2 * piece + 1))
    await objects.put("CA2", b"")
    before = os.umask(0)
    try:
        for name in ("CA1", "CA2"):
            await objects.fetch(name, tmp_path / name)
    finally:
        os.umask(before)
    assert objects.reads == [(0, piece), (piece, 2 * piece), (2 * piece, 2 * piece + 1)]
    for name, size in (("CA1", 2 * piece + 1), ("CA2", 0)):
        found = (tmp_path / name).stat()
        assert (found.st_size, stat.S_IMODE(found.st_mode)) == (size, 0o600)


async def test_no_bytes_are_read_without_asking(objects: RecordingObjects) -> None:
    assert await objects.read("CA-none", 5, 5) == b""
    with pytest.raises(ObjectMissing):
        await objects.read("CA-none", 5, 6)


def test_what_a_client_says_is_cut_to_its_first_words() -> None:
    with pytest.raises(SettingsError) as failed:
        RecordingObjects("nothing://" + "x" * 500).open()
    said = str(failed.value)
    assert "\n" not in said
    assert len(said) <= len("GATEWAY_RECORDINGS cannot be opened: .") + 200
