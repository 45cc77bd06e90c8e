"""Where a link leads: to a call of this process, of another one, or to one that is over."""

from __future__ import annotations

from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from call_doubles import CALL_SID, MEDIA_CALL

from gateway.bridge.messaging.picture_links import PictureLink, PictureLinks
from gateway.bridge.messaging.process_mailbox import RemoteCall, line_of
from gateway.call.call_info import CallInfo
from gateway.ops.limits.signed_tokens import PhotoTokens
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store


class Process:
    """A process with one call, or none, and what the others say of their calls."""

    def __init__(self) -> None:
        self.store = Store(MemoryStore(monotonic))
        self.call: Any = None
        self.elsewhere: dict[str, RemoteCall] = {}
        self.looked_up = 0
        table: Any = SimpleNamespace(call=self._call)
        mailbox: Any = SimpleNamespace(on_line=self._on_line)
        tokens = PhotoTokens(["secret"])
        self.links = PictureLinks(self.store, table, mailbox, tokens, "https://gw")

    def _call(self, key: str) -> Any:
        return self.call if self.call is not None and self.call.facts.key == key else None

    async def _on_line(self, line: str) -> RemoteCall | None:
        self.looked_up += 1
        return self.elsewhere.get(line)

    async def token(self, call: Any) -> str:
        address = await self.links.make(call)
        assert address.startswith("https://gw/photo/")
        return address.rpartition("/")[2]


def a_call(facts: CallInfo = MEDIA_CALL, *, takes_pictures: bool = True) -> Any:
    machine = SimpleNamespace(
        agent=SimpleNamespace(max_call_s=60.0), language="fr", takes_pictures=takes_pictures
    )
    return SimpleNamespace(facts=facts, machine=machine)


@pytest.fixture
def process() -> Process:
    return Process()


LINE = line_of(MEDIA_CALL.caller, MEDIA_CALL.dialled)
THERE, ANOTHER = RemoteCall("other", CALL_SID), RemoteCall("other", "CA9")


async def test_a_link_leads_to_the_call_of_this_process(process: Process) -> None:
    process.call = a_call()
    token = await process.token(process.call)
    assert await process.links.find(token) == PictureLink("fr", process.call)
    assert process.looked_up == 0, "nobody else is asked"


@pytest.mark.parametrize(("elsewhere", "leads_to"), [(THERE, THERE), (ANOTHER, None), (None, None)])
async def test_and_to_the_process_that_has_it_now(
    process: Process, elsewhere: RemoteCall | None, leads_to: RemoteCall | None
) -> None:
    """The two numbers may have another call by now: the link is not for that one."""
    token = await process.token(a_call())
    if elsewhere is not None:
        process.elsewhere = {LINE: elsewhere}
    assert await process.links.find(token) == PictureLink("fr", leads_to)


async def test_a_call_that_takes_no_more_pictures_here_may_go_on_elsewhere(
    process: Process,
) -> None:
    process.call = a_call(takes_pictures=False)
    token = await process.token(process.call)
    assert await process.links.find(token) == PictureLink("fr", None)
    process.elsewhere = {LINE: THERE}
    assert await process.links.find(token) == PictureLink("fr", THERE)


@pytest.mark.parametrize(
    "token", ["x" * 22, "x" * 15, "x" * 65, "", "x" * 20 + "!", "x" * 16 + "\n"]
)
async def test_what_was_never_made_leads_nowhere(process: Process, token: str) -> None:
    assert await process.links.find(token) is None


async def test_links_of_one_call_are_remembered_together(process: Process) -> None:
    tokens = [await process.token(a_call()) for _ in range(3)]
    keys = (await process.store.get(f"photos:{CALL_SID}") or "").split(" ")
    assert len({*keys}) == 3
    assert all([await process.links.find(token) for token in tokens])
