"""Pictures on their way into a call: how many, and what is counted of those that go no further."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway import limits
from gateway.bridge.calls.tasks import Tasks
from gateway.bridge.messaging.pictures import Pictures
from gateway.bridge.messaging.process_mailbox import RemoteCall
from gateway.errors import PeerError
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store
from gateway.protocols.twilio_webhooks import MessageRequest

TARGET = RemoteCall("another process", "CA1")


class Images:
    """The image processor, whose pictures are always the same."""

    def __init__(self) -> None:
        self.refuses = ""
        self.uploads = SimpleNamespace(upload=self._upload)

    @contextmanager
    def _upload(self) -> Iterator[Any]:
        yield SimpleNamespace(add=lambda _size: None)

    async def shrink_photo(self, _data: bytes) -> str:
        if self.refuses:
            raise PeerError(self.refuses)
        return "data:image/jpeg;base64,AQ=="

    shrink_frame = shrink_photo


class Rig:
    def __init__(self) -> None:
        self.images, self.counted = Images(), list[tuple[str, str]]()
        table: Any = SimpleNamespace(calls=[], call=lambda _key: None)
        store = Store(MemoryStore(monotonic))
        self.pictures = Pictures(
            table,
            store,
            cast("Any", None),
            cast("Any", self.images),
            Tasks(),
            lambda source, outcome: self.counted.append((source, outcome)),
        )


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_a_call_takes_so_many_photos_and_another_call_its_own(rig: Rig) -> None:
    for _ in range(limits.images.PICTURES_MAX):
        await rig.pictures.photo(TARGET, b"jpeg")
    rig.counted.clear()
    with pytest.raises(PeerError) as refused:
        await rig.pictures.photo(TARGET, b"jpeg")
    assert refused.value.kind == "too_many"
    assert rig.counted == [("page", "too_many")]
    await rig.pictures.photo(RemoteCall("another process", "CA2"), b"jpeg")


async def test_frames_of_a_camera_are_counted_by_themselves(rig: Rig) -> None:
    for _ in range(limits.images.CAMERA_FRAMES_MAX):
        await rig.pictures.frame(TARGET, b"jpeg")
    rig.counted.clear()
    with pytest.raises(PeerError) as refused:
        await rig.pictures.frame(TARGET, b"jpeg")
    assert refused.value.kind == "too_many"
    assert rig.counted == [("camera", "too_many")]


async def test_what_is_no_picture_is_counted_by_its_source(rig: Rig) -> None:
    rig.images.refuses = "heic"
    for show in (rig.pictures.photo, rig.pictures.frame):
        with pytest.raises(PeerError):
            await show(TARGET, b"heic")
    assert rig.counted == [("page", "heic"), ("camera", "heic")]


async def test_a_picture_that_cannot_reach_its_process_is_counted(rig: Rig) -> None:
    assert not await rig.pictures.photo(TARGET, b"jpeg")
    assert rig.counted == [("page", "unreachable")]


def test_pictures_of_no_call_are_counted_each(rig: Rig) -> None:
    media = ("one", "two")
    rig.pictures.belongs_nowhere(cast("MessageRequest", SimpleNamespace(media=media)))
    rig.pictures.refused("page", "too_large")
    assert rig.counted == [("message", "no_call")] * 2 + [("page", "too_large")]
