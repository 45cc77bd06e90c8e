"""`end_call`: the last word is heard before the line is put down, whatever Twilio's API says."""

from __future__ import annotations

import contextlib
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from far_end import FarEnd, far_end, text_of
from gateway_calls import TOKEN, Stream
from running_gateway import ACCOUNT, NOWHERE, GatewayRig, running_gateway
from twilio_rest_double import rest_desk
from websockets.frames import Opcode

from gateway import limits
from gateway.call import events
from gateway.call.endings import Ending
from gateway.limits.patience import CallPatience
from gateway.tuning import Tuning

GOODBYE = b"\x55" * 8000  # a second of mu-law
RAW_WITH_END_CALL = """
agents:
  raw: {audio: pcmu, instructions: x, tools: [end_call], keypad: none}
routes: [{to: "*", agent: raw}]
"""


def event(kind: str, **fields: Any) -> bytes:
    return text_of(json.dumps({"type": kind, **fields}))


async def says_goodbye(end: FarEnd) -> None:
    """A model that, when it hears the caller, says goodbye and calls `end_call`."""
    await end.accept(event("session.created", session={}))
    update = json.loads((await end.frame()).data)
    end.send(event("session.updated", session=update["session"]))
    await end.frame()
    ids = {"response_id": "resp_1", "item_id": "item_1"}
    call = {"type": "function_call", "call_id": "call_1", "name": "end_call", "arguments": "{}"}
    response = {"id": "resp_1", "status": "completed", "output": [call]}
    end.send(
        event("response.created", response={"id": "resp_1"})
        + event("response.output_audio.delta", **ids, delta=b64encode(GOODBYE).decode())
        + event("response.output_audio.done", **ids)
        + event("response.done", response=response)
    )
    while (await end.frame()).opcode is not Opcode.CLOSE:
        pass


PATIENT = Tuning(hangup_confirm_max_s=30.0)


@contextlib.asynccontextmanager
async def goodbye(
    tmp_path: Path, rest_url: str, tuning: Tuning = PATIENT
) -> AsyncIterator[tuple[GatewayRig, Stream]]:
    """A call in which the model has just said goodbye; the caller's telephone plays it."""
    agents = tmp_path / "agents.yaml"
    agents.write_text(RAW_WITH_END_CALL)
    async with (
        far_end(says_goodbye) as url,
        running_gateway(
            agents,
            f"{url.replace('ws:', 'http:')}/v1",
            tuning,
            TWILIO_BASE_URL=rest_url,
        ) as rig,
        rig.carrier.call(frames=False) as stream,
    ):
        stream.echo_marks = False
        await stream.speak()
        yield rig, stream


async def marks_of_it(stream: Stream) -> list[dict[str, Any]]:
    """One behind each piece of the goodbye, when all of it has come."""
    await stream.sound(len(GOODBYE))
    pieces = await stream.all_heard("media")
    return await stream.all_heard("mark", len(pieces))


async def played(stream: Stream, marks: list[dict[str, Any]] | None = None) -> None:
    """The telephone tells that it has played all of it."""
    for mark in marks or await marks_of_it(stream):
        await stream.send("mark", mark["mark"])


async def test_the_goodbye_is_heard_to_its_end(tmp_path: Path) -> None:
    async with rest_desk() as rest, goodbye(tmp_path, rest.url) as (rig, stream):
        *marks, last = await marks_of_it(stream)
        await played(stream, marks)
        await stream.press()
        await rig.note(events.KeyPressed)
        assert not rest.asked, "the last mark has not come back"
        assert not rig.said(events.CallEnded)
        await played(stream, [last])
        assert (await rig.note(events.CallEnded)).ending is Ending.AGENT_HUNG_UP
        ((request, form),) = await rest.hears()
        path = f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{stream.call_sid}.json"
        assert (request, form) == (f"POST {path}", {"Status": ["completed"]})
        assert rest.credentials == {f"{ACCOUNT}:{TOKEN}"}
        assert await stream.sound(len(GOODBYE)) == GOODBYE
        assert stream.socket.close_code is None, "Twilio ends the stream itself"
        await stream.socket.close()
        assert len(rig.said(events.CallEnded)) == 1


ANSWERS = {
    "done": [(200, None)],
    "gone": [(404, 20404)],
    "not in progress": [(400, 21220)],
    "busy once": [(503, None), (200, None)],
    "too many requests once": [(429, 20429), (200, None)],
}


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS)
async def test_a_call_that_twilio_ends_needs_no_more(
    tmp_path: Path, answers: list[tuple[int, int | None]]
) -> None:
    """We wait for its stream to end, and close it if that takes too long."""
    async with (
        rest_desk(*answers) as rest,
        goodbye(tmp_path, rest.url, Tuning(hangup_confirm_max_s=0.05)) as (rig, stream),
    ):
        await played(stream)
        await rig.note(events.CallEnded)
        assert await stream.closed() == 1000
        assert len(rest.asked) == len(answers)


REFUSALS = {
    "unauthorised": ([(401, 20003)], 1),
    "down": ([(503, None)], limits.web.REST_TRIES),
    "redirected": ([(302, None)], 1),
}


@pytest.mark.parametrize(("answers", "tries"), REFUSALS.values(), ids=REFUSALS)
async def test_where_twilios_api_fails_the_stream_is_closed_instead(
    tmp_path: Path,
    answers: list[tuple[int, int | None]],
    tries: int,
) -> None:
    """Then Twilio asks what is next, and is told to hang up."""
    async with rest_desk(*answers) as rest, goodbye(tmp_path, rest.url) as (rig, stream):
        await played(stream)
        assert (await rig.note(events.CallEnded)).ending is Ending.AGENT_HUNG_UP
        assert await stream.closed() == 1000
        assert len(rest.asked) == tries
        await says_hang_up(rig, stream)


async def test_or_cannot_be_reached_at_all(tmp_path: Path) -> None:
    async with goodbye(tmp_path, NOWHERE) as (rig, stream):
        await played(stream)
        assert (await rig.note(events.CallEnded)).ending is Ending.AGENT_HUNG_UP
        assert await stream.closed() == 1000
        await says_hang_up(rig, stream)


async def says_hang_up(rig: GatewayRig, stream: Stream) -> None:
    fields = rig.carrier.call_fields(stream.call_sid, status="in-progress")
    after = await rig.carrier.post("/twilio/after?leg=stream", fields)
    assert "<Hangup/>" in after.text
    assert "<Say" not in after.text


async def test_a_mark_that_never_comes_does_not_keep_the_line(tmp_path: Path) -> None:
    """The watchdog: a goodbye that makes no progress is over."""
    hasty = Tuning(hangup_confirm_max_s=30.0, patience=CallPatience(goodbye_max_s=0.2))
    async with rest_desk() as rest, goodbye(tmp_path, rest.url, hasty) as (rig, _stream):
        ended = await rig.note(events.CallEnded)
        assert (ended.ending, ended.reason) == (Ending.AGENT_HUNG_UP, "unheard")
        await rest.hears()


async def test_a_caller_who_hangs_up_first_is_not_hung_up_on(tmp_path: Path) -> None:
    async with rest_desk() as rest, goodbye(tmp_path, rest.url) as (rig, stream):
        await stream.hears("mark")
        await stream.stop()
        assert (await rig.note(events.CallEnded)).ending is Ending.CALLER_HUNG_UP
        assert await stream.closed() == 1000
        assert not rest.asked
