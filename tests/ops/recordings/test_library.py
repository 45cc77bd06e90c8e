"""The library: found by the call, read in ranges as the file that it is, deleted."""

from __future__ import annotations

from pathlib import Path

import msgspec
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
    readable = NAME.encode() in (folder / f"{NAME}.json").read_bytes()
    assert readable != bool(keys)
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


class CountedReads(RecordingObjects):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.reads = list[int]()

    async def read(self, name: str, start: int, end: int) -> bytes:
        self.reads.append(end - start)
        return await super().read(name, start, end)


async def test_a_recording_is_read_in_pieces(
    spool: RecordingSpool, tmp_path: Path, keys: list[str]
) -> None:
    objects = CountedReads(f"file://{tmp_path}/store")
    library = RecordingLibrary(objects, keys)
    info = await stored(library, spool, tmp_path)
    reader = await library.find(NAME)
    assert reader is not None
    objects.reads.clear()
    pieces = [len(block) async for block in reader.read(0, info.bytes)]
    piece = limits.FETCH_BYTES
    assert pieces == [piece, piece, info.bytes - 2 * piece]
    assert len(objects.reads) == len(pieces) + len(keys[:1]), "a sealed one by its header, too"


async def test_new_recordings_are_sealed_by_the_first_key(tmp_path: Path) -> None:
    objects = RecordingObjects(f"file://{tmp_path}")
    assert RecordingLibrary(objects, ["new", "old"]).secret == "new"
    assert RecordingLibrary(objects, []).secret is None


@pytest.mark.parametrize(("more", "found"), [(0, True), (1, False)])
async def test_what_is_known_of_a_recording_has_a_bound(
    tmp_path: Path, more: int, found: bool
) -> None:
    library = RecordingLibrary(RecordingObjects(f"file://{tmp_path}"), [])
    info = StoredRecording(
        *(NAME, NAME, NAME, "desk", "wav", "2026-11-29T09:00:02+00:00", 1.0, 2, "ab"),
        sealed=False,
        key="k",
    )
    text = msgspec.json.encode(info).ljust(limits.INFO_MAX_BYTES + more)
    await library.objects.put(f"{NAME}.json", text)
    if found:
        assert await library.find(NAME) is not None
    else:
        with pytest.raises(PeerError, match="too large"):
            await library.find(NAME)


async def test_a_sealed_recording_that_is_shorter_than_it_says_is_no_endless_one(
    spool: RecordingSpool, tmp_path: Path, keys: list[str]
) -> None:
    library = RecordingLibrary(RecordingObjects(f"file://{tmp_path}/store"), keys)
    info = await stored(library, spool, tmp_path)
    if not keys:
        return
    reader = await library.find(NAME)
    assert reader is not None
    reader.info.bytes += 1
    with pytest.raises(PeerError, match="shorter"):
        [block async for block in reader.read(0, info.bytes + 1)]
