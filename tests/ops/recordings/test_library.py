"""The library: found by the call, read in ranges as the file that it is, deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from ops.recordings.parts import NAME, noise, write

from gateway.errors import PeerError
from gateway.limits import recordings as limits
from gateway.ops.recordings.joining import JoinedPart, StoredRecording, join
from gateway.ops.recordings.library import RecordingLibrary
from gateway.ops.recordings.object_store import RecordingObjects
from gateway.ops.recordings.recording_spool import RecordingSpool

SOUND = noise(20)


@pytest.fixture
def library(tmp_path: Path, keys: list[str]) -> RecordingLibrary:
    return RecordingLibrary(RecordingObjects(f"file://{tmp_path}/store"), keys)


async def stored(
    library: RecordingLibrary, spool: RecordingSpool, tmp_path: Path
) -> StoredRecording:
    of = write(spool, SOUND)
    part = JoinedPart(of, len(SOUND) // 2, (), "final", [of.id], lambda: iter([SOUND]))
    target = tmp_path / "joined"
    info = join([part], target, library.secret, lambda kind: library.key(NAME, kind))
    await library.store(info, target)
    return info


async def test_a_recording_is_found_by_its_call(
    library: RecordingLibrary, spool: RecordingSpool, tmp_path: Path
) -> None:
    assert await library.find(NAME) is None
    info = await stored(library, spool, tmp_path)
    reader = await library.find(NAME)
    assert reader is not None
    assert reader.info == info
    whole = b"".join([block async for block in reader.read(0, info.bytes)])
    assert len(whole) == info.bytes
    size, block = info.bytes, limits.BLOCK_BYTES
    for start, end in ((0, 1), (44, 100), (block - 1, block + 1), (size - 1, size), (0, 2 * size)):
        found = b"".join([one async for one in reader.read(start, end)])
        assert found == whole[start:end]


async def test_what_is_stored_is_sealed_where_there_is_a_key(
    library: RecordingLibrary, spool: RecordingSpool, tmp_path: Path, keys: list[str]
) -> None:
    info = await stored(library, spool, tmp_path)
    folder = tmp_path / "store"
    assert info.sealed == bool(keys)
    kind = ".wav.sealed" if keys else ".wav"
    assert {path.name for path in folder.iterdir()} == {f"{NAME}{kind}", f"{NAME}.json"}
    assert (folder / f"{NAME}.json").read_bytes().startswith(b"{") != bool(keys)
    if keys:
        for others in ([], ["another-key"]):
            with pytest.raises(PeerError, match="no key"):
                await RecordingLibrary(library.objects, others).find(NAME)


async def test_a_changed_recording_is_not_served(
    library: RecordingLibrary, spool: RecordingSpool, tmp_path: Path, keys: list[str]
) -> None:
    if not keys:
        return
    info = await stored(library, spool, tmp_path)
    reader = await library.find(NAME)
    assert reader is not None
    path = tmp_path / "store" / info.key
    data = bytearray(path.read_bytes())
    data[limits.BLOCK_BYTES + 100] ^= 1
    path.write_bytes(data)
    with pytest.raises(PeerError):
        [block async for block in reader.read(0, info.bytes)]


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b""])
async def test_what_is_no_recording_is_said_and_nothing_else(
    library: RecordingLibrary, content: bytes
) -> None:
    await library.objects.put(f"{NAME}.json", content)
    with pytest.raises(PeerError):
        await library.find(NAME)


async def test_all_of_a_recording_is_deleted(
    library: RecordingLibrary, spool: RecordingSpool, tmp_path: Path
) -> None:
    await stored(library, spool, tmp_path)
    await library.objects.put(f"parts/{NAME}/{NAME}~0001~0.wav", b"part")
    await library.objects.put("CA-other.json", b"{}")
    assert await library.delete(NAME)
    assert [p.name for p in (tmp_path / "store").rglob("*") if p.is_file()] == ["CA-other.json"]
    assert not await library.delete(NAME)


async def test_a_call_of_any_name_stays_in_its_folder(library: RecordingLibrary) -> None:
    assert await library.find("../../etc/passwd") is None
    assert not await library.delete("../" * 20)
