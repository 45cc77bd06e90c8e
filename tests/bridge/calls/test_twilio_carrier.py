"""A media-stream call is ended, transferred and released over REST, or else by its stream."""

from __future__ import annotations

from typing import Any

import pytest
from call_doubles import CALL_SID, CallDouble, Orders, SocketDouble

from gateway.bridge.calls.twilio_carrier import TwilioCarrier
from gateway.call import inputs
from gateway.call.call_info import CallInfo
from gateway.call.commands import CollectSecret, TransferCaller
from gateway.errors import LinkError

AWAY = LinkError("http_503", retryable=True)
AFTER = "https://gw.example.com/twilio/after?leg=drain"


class Saved(list[object]):
    async def __call__(self, call: object) -> None:
        self.append(call)


async def typing(_call: object, secret: CollectSecret) -> str:
    return f"<Gather>{secret.name}</Gather>"


async def document(facts: CallInfo, to: TransferCaller, language: str) -> str:
    return f"<Dial>{to.to} {language} {facts.call_sid}</Dial>"


def carrier(rest: Any, saved: Any = None) -> TwilioCarrier:
    return TwilioCarrier(
        rest,
        document,
        Saved() if saved is None else saved,
        AFTER,
        typing,
        hangup_confirm_max_s=0.25,
    )


async def test_a_caller_who_types_is_taken_off_their_stream() -> None:
    rest, call = Orders(), CallDouble()
    await carrier(rest).collect(call, CollectSecret("digits", "pin"))
    assert rest.asked == [("redirect", CALL_SID, "<Gather>pin</Gather>")]
    assert call.notified == []


async def test_the_stream_is_given_time_to_end_by_itself_and_then_closed() -> None:
    rest, call = Orders(), CallDouble()
    await carrier(rest).hang_up(call)
    assert rest.asked == [("hang_up", CALL_SID)]
    assert call.media is not None
    assert (call.media.waited_s, call.media.closed) == ([0.25], [""])


async def test_a_stream_that_is_gone_already_is_not_waited_for() -> None:
    rest, call = Orders(), CallDouble(media=None)
    await carrier(rest).hang_up(call)
    assert rest.asked == [("hang_up", CALL_SID)]


async def test_where_rest_fails_the_stream_is_closed_at_once() -> None:
    call = CallDouble()
    await carrier(Orders(AWAY)).hang_up(call)
    assert call.media is not None
    assert (call.media.waited_s, call.media.closed) == ([], [""])


async def test_a_transfer_replaces_the_running_document() -> None:
    rest, call = Orders(), CallDouble()
    await carrier(rest).transfer(call, TransferCaller("+15550111"))
    assert rest.asked == [("redirect", CALL_SID, f"<Dial>+15550111 en {CALL_SID}</Dial>")]
    assert call.notified == []


async def test_a_transfer_that_fails_comes_back_to_the_core() -> None:
    call = CallDouble()
    await carrier(Orders(AWAY)).transfer(call, TransferCaller("+15550111"))
    assert call.notified == [inputs.TransferFailed("http_503")]


async def test_a_release_saves_the_call_before_another_process_is_asked() -> None:
    rest, call, saved = Orders(), CallDouble(), Saved()
    await carrier(rest, saved).release(call)
    assert saved == [call]
    assert rest.asked == [("redirect_to", CALL_SID, AFTER)]


@pytest.mark.parametrize("media", [SocketDouble(), None])
async def test_a_release_that_fails_comes_back_to_the_core(media: SocketDouble | None) -> None:
    call = CallDouble(media=media)
    await carrier(Orders(AWAY)).release(call)
    assert call.notified == [inputs.TransferFailed("http_503")]
