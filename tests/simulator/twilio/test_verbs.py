"""Keys that the carrier takes itself: `<Gather>` and `<Pay>`, as the vendor describes them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.simulator.twilio import verbs
from gateway.simulator.twilio.twiml import TwimlVerb

FETCHED = object()


class CallDouble:
    """A call whose caller has pressed these keys already."""

    def __init__(self, keys: str) -> None:
        self.keys: asyncio.Queue[str] = asyncio.Queue()
        for key in keys:
            self.keys.put_nowait(key)
        self.requested: list[tuple[str, dict[str, str]]] = []
        self.warned: list[int] = []
        self.line = SimpleNamespace(warn=lambda code, _text: self.warned.append(code))
        self.executor = self

    async def verb(self, _call: object, _verb: TwimlVerb, _base: str) -> None:
        """Every prompt is over at once."""

    def prompt_played(self) -> None:
        """Nobody waits for it."""

    async def fetch(self, url: str, extra: dict[str, str], **_: str) -> object:
        self.requested.append((url, extra))
        return FETCHED


async def gathered(keys: str, **attributes: str) -> CallDouble:
    call: Any = CallDouble(keys)
    verb = TwimlVerb("Gather", {"action": "/next", "timeout": "0.01", **attributes})
    following = await verbs.gather(call, verb, "")
    assert (following is FETCHED) == bool(call.requested)
    return call  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("keys", "attributes", "digits"),
    [
        ("1234", {"numDigits": "4"}, "1234"),
        ("12345", {"numDigits": "4"}, "1234"),
        ("12#34", {}, "12"),
        ("12", {"numDigits": "4"}, "12"),
        ("1#", {"finishOnKey": ""}, "1#"),
        ("*#", {}, "*"),
        ("", {"actionOnEmptyResult": "true"}, ""),
        ("#", {"actionOnEmptyResult": "true"}, ""),
    ],
)
async def test_keys_are_gathered(keys: str, attributes: dict[str, str], digits: str) -> None:
    assert (await gathered(keys, **attributes)).requested == [("/next", {"Digits": digits})]


async def test_without_a_key_the_document_goes_on() -> None:
    assert (await gathered("")).requested == []


async def test_wrong_attributes_are_warned_of() -> None:
    assert (await gathered("1", finishOnKey="##", numDigits="all")).warned == [13310, 13314]


async def paid(keys: str, **attributes: str) -> dict[str, str]:
    call: Any = CallDouble(keys)
    verb = TwimlVerb("Pay", {"action": "/paid", "timeout": "0.01", **attributes})
    assert await verbs.pay(call, verb, "") is FETCHED
    ((_, fields),) = call.requested
    return fields  # type: ignore[no-any-return]


async def test_a_card_becomes_a_token_and_is_masked() -> None:
    fields = await paid("4242424242424242#0929#123#94105#")
    assert fields["Result"] == "success"
    assert fields["PaymentToken"].startswith("tok_")
    assert fields["PaymentCardNumber"] == "xxxxxxxxxxxx4242"
    assert (fields["PaymentCardType"], fields["ExpirationDate"]) == ("visa", "0929")
    assert (fields["SecurityCode"], fields["PaymentCardPostalCode"]) == ("xxx", "94105")


@pytest.mark.parametrize(
    ("keys", "attributes", "result"),
    [
        ("4242424242424242#0929#", {"securityCode": "false", "postalCode": "false"}, "success"),
        ("*#", {}, "caller-interrupted-with-star"),
        ("4242424242424241#", {}, "too-many-failed-attempts"),
        ("1#4242424242424242#1329#", {"maxAttempts": "2"}, "too-many-failed-attempts"),
        ("1#4242424242424242#", {"maxAttempts": "2"}, "too-many-failed-attempts"),
    ],
)
async def test_cards_that_are_none(keys: str, attributes: dict[str, str], result: str) -> None:
    assert (await paid(keys, **attributes))["Result"] == result
