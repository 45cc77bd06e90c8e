"""Two processes and one Redis: what reaches one of them is shown in a call of the other."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

import pytest
from gateway_calls import CALLER, RECEPTION, new_sid
from media_store import MediaStore, media_store
from pictures import photo
from redis_end import RedisEnd, running_redis
from running_gateway import ACCOUNT, GatewayRig, running_gateway

from gateway import limits
from gateway.bridge.messaging.process_mailbox import ProcessMailbox, RemoteCall
from gateway.call import events, inputs
from gateway.ops.store.key_names import hashed
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store
from gateway.simulator.openai.main import ModelServer
from gateway.tools.python import ToolContext

pytestmark = pytest.mark.needs("redis-server")
AGENTS = """
agents:
  desk: {instructions: Ask for a photo., tools: [request_photo]}
routes: [{to: "*", agent: desk}]
"""


@pytest.fixture
async def redis() -> AsyncIterator[RedisEnd]:
    async with running_redis() as running:
        yield running


@pytest.fixture
async def store() -> AsyncIterator[MediaStore]:
    async with media_store(ACCOUNT) as running:
        yield running


@pytest.fixture
async def rigs(
    tmp_path: Path, model: ModelServer, redis: RedisEnd, store: MediaStore
) -> AsyncIterator[tuple[GatewayRig, GatewayRig]]:
    agents = tmp_path / "agents.yaml"
    agents.write_text(AGENTS)
    more = {"TWILIO_BASE_URL": store.url, "GATEWAY_STORE": redis.url, "GATEWAY_STORE_KEY": "key"}
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(running_gateway(agents, model, **more)) for _ in "12"
        ]
        yield one, other


def message(url: str) -> dict[str, str]:
    return {
        "MessageSid": new_sid("MM"),
        "AccountSid": ACCOUNT,
        "From": CALLER,
        "To": RECEPTION,
        "Body": "",
        "NumMedia": "1",
        "MediaUrl0": url,
        "MediaContentType0": "image/jpeg",
    }


async def known(redis: RedisEnd) -> None:
    """Until the process that has the call has said so."""
    store = redis.store()
    async with asyncio.timeout(30):
        while await store.get(f"line:{hashed(CALLER, RECEPTION)}") is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


async def test_a_message_that_reaches_another_process(
    rigs: tuple[GatewayRig, GatewayRig], store: MediaStore, redis: RedisEnd
) -> None:
    here, there = rigs
    async with here.carrier.call(RECEPTION) as stream, stream.breathing():
        await here.note(events.ModelReady)
        await known(redis)
        answer = await there.carrier.post("/twilio/messages", message(store.keeps(photo())))
        assert "<Message>" not in answer.text
        await here.note(events.PictureSent, of=stream.call_sid)
        assert there.said(events.PictureSent) == []
        passed = await there.metric("images_total", source="message", outcome="passed_on")
        shown = await here.metric("images_total", source="message", outcome="shown")
        assert (passed, shown) == (1, 1)


async def test_a_link_that_opens_at_another_process(
    rigs: tuple[GatewayRig, GatewayRig], store: MediaStore, redis: RedisEnd
) -> None:
    here, there = rigs
    jpeg = {"Content-Type": "image/jpeg"}
    async with here.carrier.call(RECEPTION) as stream, stream.breathing():
        await here.note(events.ModelReady)
        call = here.gateway.registry.calls[0]
        facts = call.facts
        context = ToolContext(facts.call_sid, facts.caller, facts.dialled, facts.agent, facts.key)
        assert (await call.agents.toolbox.run("request_photo", "{}", context)).outcome == "ok"
        found = re.search(r"/photo/\S+$", (await store.text())["Body"])
        assert found
        await known(redis)
        assert (await there.client.get(found[0])).status_code == 200
        for path in (found[0], f"{found[0]}?camera=1"):
            sent = await there.client.post(path, content=photo(), headers=jpeg)
            assert sent.status_code == 202
        await here.note(events.PictureSent, 2)
        sources = {note.source for note in here.said(events.PictureSent)}
        assert sources == {"page", "camera"}
        await stream.stop()
        await here.note(events.CallEnded)
        async with asyncio.timeout(15):
            while (await there.client.get(found[0])).status_code != 410:  # noqa: ASYNC110
                await asyncio.sleep(0.1)


async def test_a_box_takes_so_many_letters_and_is_sealed(redis: RedisEnd) -> None:
    got: list[str] = []
    one = ProcessMailbox(redis.store(), list, lambda key, _: got.append(key))
    other = ProcessMailbox(redis.store(), list, lambda key, _: None)
    frame = inputs.CameraFrameReceived("data:image/jpeg;base64,AQ==")
    for n in range(limits.store.MAILBOX_MAX + 5):
        assert await other.send(RemoteCall(one._process, f"CA{n}"), frame)
    raw = await redis.opened[0]._redis.lrange(f"gateway:mailbox:{one._process}", 0, -1)
    assert len(raw) == limits.store.MAILBOX_MAX
    assert b"jpeg" not in raw[0]
    while len(got) < limits.store.MAILBOX_MAX:
        await one.look()
    assert got[0] == "CA5"


async def test_without_redis_nothing_is_passed_on() -> None:
    mailbox = ProcessMailbox(Store(MemoryStore(monotonic)), list, lambda key, _: None)
    assert await mailbox.find(CALLER, RECEPTION) is None
    assert not await mailbox.send(RemoteCall("x", "y"), inputs.CameraFrameReceived(""))
    await mailbox.look()
