"""A caller who is to type is taken off their leg, or the call learns why not."""

from __future__ import annotations

from typing import Any

import pytest
from call_doubles import MEDIA_CALL, CallDouble

from gateway.bridge.calls.browser_carrier import BrowserCarrier
from gateway.bridge.calls.secret_collection import collect_over_rest
from gateway.call.commands import CollectSecret
from gateway.call.inputs import TransferFailed
from gateway.errors import LinkError

PIN = CollectSecret("digits", "pin")


class RestDouble:
    def __init__(self, fails: bool = False) -> None:
        self.redirected: list[tuple[str, str]] = []
        self._fails = fails

    async def redirect(self, call_sid: str, document: str) -> None:
        if self._fails:
            raise LinkError("http_500", retryable=True)
        self.redirected.append((call_sid, document))


async def document(call: Any, secret: CollectSecret) -> str:
    return f"<Gather>{secret.name} {call.facts.call_sid}</Gather>"


@pytest.mark.parametrize("fails", [False, True])
async def test_what_twilio_runs_is_replaced(fails: bool) -> None:
    rest, call = RestDouble(fails), CallDouble(MEDIA_CALL)
    await collect_over_rest(rest, document, call, PIN)  # type: ignore[arg-type]
    sid = MEDIA_CALL.call_sid
    assert rest.redirected == ([] if fails else [(sid, f"<Gather>pin {sid}</Gather>")])
    assert call.notified == ([TransferFailed("http_500")] if fails else [])


async def test_a_browser_has_no_carrier_that_could() -> None:
    call = CallDouble(MEDIA_CALL)

    async def save(_call: object) -> None:
        """Nothing is kept here."""

    carrier = BrowserCarrier(save, shared=False)
    await carrier.collect(call, PIN)  # type: ignore[arg-type]
    assert call.notified == [TransferFailed("no_carrier")]
