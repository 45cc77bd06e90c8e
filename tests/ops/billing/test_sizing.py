"""The bandwidth of a call in `docs/`, worked out again from the messages themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway import limits
from gateway.protocols import media_stream as caller
from gateway.protocols import realtime_client as to_model
from gateway.protocols import realtime_codec
from gateway.protocols import realtime_server as model

PAGE = (Path(__file__).parents[3] / "docs/operations/sizing.md").read_text("utf-8")
STREAM = "MZ" + "0" * 32
BYTES_PER_MS = {"pcm24k": 48, "pcmu": 8}
DELTA_MS = 200
"""Of a delta of the model's, about; a longer one saves little."""


def from_caller() -> float:
    """Bytes a second, in; frames come in silence too."""
    body = caller.SentMediaBody(bytes(limits.call.FRAME_MS * 8), "123456", chunk="6172")
    return len(caller.encode(caller.SentMedia(STREAM, body, "6173"))) * 1000 / limits.call.FRAME_MS


def to_caller() -> float:
    """Out, while the agent speaks: each group with its mark."""
    media = caller.OutMedia(STREAM, caller.OutMediaBody(bytes(limits.call.GROUP_MS * 8)))
    mark = caller.OutMark(STREAM, caller.MarkBody("12:345"))
    return (len(caller.encode(media)) + len(caller.encode(mark))) * 1000 / limits.call.GROUP_MS


def up(audio: str) -> float:
    """Out, to the model, always."""
    return (
        len(to_model.append(bytes(limits.call.FRAME_MS * BYTES_PER_MS[audio])))
        * 1000
        / limits.call.FRAME_MS
    )


def down(audio: str) -> float:
    """In, for each second of speech; it comes faster than it is spoken."""
    delta = model.AudioDelta(
        event_id="event_" + "0" * 20,
        response_id="resp_" + "0" * 20,
        item_id="item_" + "0" * 20,
        delta=bytes(DELTA_MS * BYTES_PER_MS[audio]),
    )
    return len(realtime_codec.encode(delta)) * 1000 / DELTA_MS


def row(audio: str) -> list[float]:
    found = re.search(rf"^\| `{audio}` \| (.+) \|$", PAGE.split("## Bandwidth")[1], re.MULTILINE)
    assert found, f"the page has no bandwidth of {audio}"
    return [float(cell) for cell in found[1].split(" | ")]


@pytest.mark.parametrize("audio", BYTES_PER_MS)
def test_the_page_has_the_bandwidth_of_a_call(audio: str) -> None:
    computed = [from_caller(), to_caller(), up(audio), down(audio)]
    got = row(audio)
    assert got[:4] == pytest.approx([one / 1000 for one in computed], rel=0.03)
    assert got[4] == pytest.approx((computed[0] + computed[3]) / 1000, rel=0.03)
    assert got[5] == pytest.approx((computed[1] + computed[2]) / 1000, rel=0.03)
