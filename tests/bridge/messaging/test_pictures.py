"""Pictures on their way into a call: how many, and what is counted of those that go no further."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway import limits
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.tasks import Tasks
from gateway.bridge.messaging.pictures import Pictures
from gateway.bridge.messaging.process_mailbox import RemoteCall
from gateway.call import inputs
from gateway.call.call_info import CallInfo
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


# --- Calls of this process ---


class OnCall(LiveCall):
    """A call of this process that writes down what it is shown."""

    def __init__(self, name: str, caller: str, dialled: str, *, takes: bool = True) -> None:
        self.facts = CallInfo(name, caller, dialled, "desk", "media-streams")
        self.machine = cast("Any", SimpleNamespace(takes_pictures=takes))
        self.takes, self.shown = takes, list[object]()

    def show(self, sent: object) -> bool:
        if self.takes:
            self.shown.append(sent)
        return self.takes


class Media:
    """Twilio's store of what came with messages; some of it cannot be had."""

    async def fetch(self, url: str, add: Callable[[int], None]) -> bytes:
        add(4)
        if url == "gone":
            raise PeerError("unreachable")
        return b"jpeg"


class Here(Rig):
    """A process that has calls."""

    def __init__(self, *calls: OnCall) -> None:
        super().__init__()
        self.started: list[Coroutine[Any, Any, None]] = []
        tasks: Any = SimpleNamespace(start=lambda work, _name: self.started.append(work))
        table: Any = SimpleNamespace(
            calls=list(calls), call={call.facts.key: call for call in calls}.get
        )
        self.pictures = Pictures(
            table,
            Store(MemoryStore(monotonic)),
            cast("Any", Media()),
            cast("Any", self.images),
            tasks,
            lambda source, outcome: self.counted.append((source, outcome)),
        )

    async def takes(self, message: MessageRequest, call: OnCall) -> list[object]:
        self.pictures.take(message, call)
        while self.started:
            await self.started.pop()
        return call.shown


CALLER, OURS = "+15550199", "+15550100"
SHRUNK = "data:image/jpeg;base64,AQ=="


async def test_a_message_belongs_to_the_newest_call_between_the_two_numbers() -> None:
    older, newer = OnCall("CA1", CALLER, OURS), OnCall("CA2", OURS, CALLER)
    over = OnCall("CA3", CALLER, OURS, takes=False)
    other = OnCall("CA4", CALLER, "+15550101")
    pictures = Here(older, newer, over, other).pictures
    assert await pictures.call_between(CALLER, OURS) is newer, "whoever called whom"
    assert await pictures.call_between(CALLER, "+15550101") is other
    assert await pictures.call_between(CALLER, "+15550102") is None


def message(text: str, *media: str) -> MessageRequest:
    return MessageRequest("MM1", CALLER, OURS, text, media)


async def test_a_message_is_shown_with_what_can_be_seen_of_it() -> None:
    call = OnCall("CA1", CALLER, OURS)
    here = Here(call)
    (shown,) = await here.takes(message("Look.", "one", "gone", "two"), call)
    again = "it could not be fetched; they may send it again"
    assert shown == inputs.CallerMessageReceived("message", (SHRUNK, SHRUNK), "Look.", (again,))
    assert here.counted == [("message", "unreachable")]


async def test_words_alone_are_a_message_and_nothing_is_none() -> None:
    call = OnCall("CA1", CALLER, OURS)
    here = Here(call)
    assert await here.takes(message(""), call) == []
    assert await here.takes(message("Hello."), call) == [
        inputs.CallerMessageReceived("message", (), "Hello.", ())
    ]


async def test_what_comes_after_the_conversation_is_too_late() -> None:
    call = OnCall("CA1", CALLER, OURS, takes=False)
    here = Here(call)
    await here.takes(message("Look.", "one", "two"), call)
    assert not await here.pictures.photo(call, b"jpeg")
    assert not await here.pictures.frame(call, b"jpeg")
    late = [("message", "too_late")] * 2 + [("page", "too_late"), ("camera", "too_late")]
    assert here.counted == late


async def test_photos_and_frames_of_the_page_are_shown_as_what_they_are() -> None:
    call = OnCall("CA1", CALLER, OURS)
    here = Here(call)
    assert await here.pictures.photo(call, b"jpeg")
    assert await here.pictures.frame(call, b"jpeg")
    assert call.shown == [
        inputs.CallerMessageReceived("page", (SHRUNK,)),
        inputs.CameraFrameReceived(SHRUNK),
    ]
    assert here.counted == []
