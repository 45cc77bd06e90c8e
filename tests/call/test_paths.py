"""The two paths of a call differ in their line and link, and in nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from call.play import BEGAN_AT, an_agent
from gateway.agents.builtin_tools import definitions
from gateway.agents.session import session_of
from gateway.call import events, inputs
from gateway.call.line.media_line import MediaLine
from gateway.call.line.sip_line import SipLine
from gateway.call.machine import CallMachine
from gateway.call.paths import media_call, sip_call
from gateway.call.session.model_session import ModelSession
from gateway.call.session.sideband import Sideband


def made(make: Callable[..., CallMachine], path: str) -> CallMachine:
    agent = an_agent(path=path)
    return make(agent, session_of(agent, definitions(agent)), lambda: "id", BEGAN_AT)


@pytest.mark.parametrize(
    ("make", "path", "line", "link"),
    [
        (media_call, "media-streams", MediaLine, ModelSession),
        (sip_call, "sip", SipLine, Sideband),
    ],
)
def test_each_path_has_its_line_and_link(
    make: Callable[..., CallMachine], path: str, line: type, link: type
) -> None:
    call = made(make, path)
    assert (type(call.line), type(call.model_link)) == (line, link)


def test_only_a_media_line_counts_frames() -> None:
    media, sip = made(media_call, "media-streams"), made(sip_call, "sip")
    counters = media.media_counters(BEGAN_AT)
    assert counters is not None
    assert (counters.frames, counters.buffered_ms) == ((0, 0), 0)
    assert sip.media_counters(BEGAN_AT) is None
    assert sip.not_understood() == b""


def test_a_frame_goes_straight_to_the_line() -> None:
    """Fifty times a second: no method of the machine stands between."""
    call = made(media_call, "media-streams")
    assert call.pass_up == call.line.pass_up


def test_the_caller_of_a_sip_call_waits_since_the_webhook() -> None:
    agent = an_agent(path="sip")
    session = session_of(agent, definitions(agent))
    call = sip_call(agent, session, lambda: "id", BEGAN_AT, announced_at=BEGAN_AT - 0.75)
    connected = [
        out
        for out in call.handle(inputs.CallAccepted(), BEGAN_AT + 0.25)
        if isinstance(out, events.CallerConnected)
    ]
    assert [one.seconds for one in connected] == [1.0]
