"""What an agent knows before the first word, over real sockets: on both paths, in every session."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from far_end import FarEnd, text_of
from gateway_calls import CALLER, QUIET, RECEPTION
from model_bytes import EXPIRES, event, events, gateway_with_model, next_event
from running_gateway import running_gateway
from vendor import SIP_SETTINGS, Vendor

from gateway.call import events as notes

pytestmark = pytest.mark.asyncio(loop_scope="module")

INSTRUCTIONS = "You answer the telephone of a clinic."
ZONE = "Asia/Kathmandu"  # a clock that is not on the hour
AGENTS = f"""
agents:
  knowing:
    time_zone: {ZONE}
    knows: [caller_number]
    instructions: {INSTRUCTIONS}
  discreet:
    instructions: {INSTRUCTIONS}
routes:
  - {{to: "{QUIET}", agent: discreet}}
  - {{to: "*", agent: knowing}}
"""
TRUNK = f"""
agents:
  trunk:
    path: sip
    time_zone: {ZONE}
    greeting: Hello.
    instructions: {INSTRUCTIONS}
routes:
  - {{to: "*", agent: trunk}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "agents.yaml"
    path.write_text(AGENTS)
    return path


@pytest.fixture
def trunk_file(tmp_path: Path) -> Path:
    path = tmp_path / "trunk.yaml"
    path.write_text(TRUNK)
    return path


class Model:
    """The model's server: notes how each session begins, and breaks off the first of them."""

    def __init__(self, *, breaks: bool) -> None:
        self._breaks = breaks
        self.begun: asyncio.Queue[tuple[dict[str, Any], str]] = asyncio.Queue()
        """Session, and the text of its first item."""

    async def __call__(self, end: FarEnd) -> None:
        await end.accept(text_of(event("session.created", session={"id": "sess_1"})))
        session = (await next_event(end))["session"]
        echo = session | {"id": "sess_1", "expires_at": EXPIRES}
        end.say(event("session.updated", session=echo))
        first = await next_event(end)
        assert first["type"] == "conversation.item.create"
        assert first["item"]["role"] == "system"
        self.begun.put_nowait((session, first["item"]["content"][0]["text"]))
        if self._breaks:
            self._breaks = False
            return end.hang_up()
        async for _ in events(end):
            pass
        return None


def moments(zone: str) -> set[str]:
    """Return how this minute is told, and the one before."""
    at = datetime.now(ZoneInfo(zone))
    before = at.fromtimestamp(at.timestamp() - 60, ZoneInfo(zone))
    return {f"It is {one:%A}, {one.day} {one:%B} {one:%Y}, {one:%H:%M} (" for one in (before, at)}


def tells_the_time(text: str, zone: str, offset: str) -> bool:
    told = text.splitlines()[1]
    return any(told.startswith(one) for one in moments(zone)) and told.endswith(
        f"({zone}, UTC{offset})."
    )


async def test_the_first_item_says_when_who_and_where_and_so_it_does_after_a_break(
    file: Path,
) -> None:
    model = Model(breaks=True)
    async with gateway_with_model(file, model) as rig, rig.carrier.call(RECEPTION):
        for _ in range(2):
            session, text = await model.begun.get()
            assert session["instructions"] == INSTRUCTIONS, "the same bytes in every call"
            assert tells_the_time(text, ZONE, "+05:45")
            assert text.splitlines()[2:] == [
                "The caller has called you.",
                f"Your own number: {RECEPTION}.",
                f"The caller's number: {CALLER}.",
            ]
        await rig.note(notes.ModelReconnected)


async def test_a_number_is_told_to_nobody_who_does_not_ask_for_it(file: Path) -> None:
    model = Model(breaks=False)
    async with gateway_with_model(file, model) as rig, rig.carrier.call(QUIET):
        _, text = await model.begun.get()
        assert tells_the_time(text, "UTC", "+00:00")
        assert CALLER not in text
        assert "known to the telephone system, but not to you" in text


async def test_over_a_trunk_it_stands_in_front_of_everything(
    trunk_file: Path, vendor: Vendor
) -> None:
    async with running_gateway(trunk_file, vendor.base_url, **SIP_SETTINGS) as rig:
        headers = [("From", f"<sip:{CALLER}@a.example>"), ("To", "<sip:+15550177@b.example>")]
        line = await vendor.ring(rig.client, *headers)
        sideband = await vendor.sideband(line)
        await sideband.hears("response.create")
        (first,) = sideband.opening
        text = first["item"]["content"][0]["text"]
        assert tells_the_time(text, ZONE, "+05:45")
        assert "Your own number: +15550177." in text
        (accepted,) = [one for one in vendor.of("accept") if one.call_id == line.call_id]
        assert accepted.body["instructions"] == INSTRUCTIONS
        line.end()
