"""Texts to the caller: to whom, how many, and what is counted of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from call_doubles import MEDIA_CALL, CallDouble

from gateway import limits
from gateway.bridge.messaging.text_tools import TextTools
from gateway.errors import LinkError, ToolError
from gateway.tools.python import ToolContext

CONTEXT = ToolContext("CA1", "", "", "reception", "CA1")


class Rig:
    """The carrier's end, the limits of a day, and the outcomes that were counted."""

    def __init__(self) -> None:
        self.call: CallDouble | None = CallDouble(MEDIA_CALL)
        self.over: str | None = None
        self.fails = ""
        self.texts: list[tuple[str, str, str]] = []
        self.outcomes: list[str] = []
        self.tools = TextTools(
            cast("Any", self),
            cast("Any", SimpleNamespace(make=self._link)),
            cast("Any", self),
            lambda _key: cast("Any", self.call),
            self.outcomes.append,
        )

    async def _link(self, _call: object) -> str:
        return "https://gw.example.com/photo/x"

    async def refusal(self, _to: str, _sender: str) -> str | None:
        return self.over

    async def send_text(self, sender: str, to: str, body: str) -> None:
        if self.fails:
            raise LinkError(self.fails, retryable=False)
        self.texts.append((sender, to, body))

    async def text(self, words: str = " Open until six. ") -> str:
        return await self.tools.send_text({"text": words}, CONTEXT)

    async def refused(self) -> str:
        with pytest.raises(ToolError) as refused:
            await self.text()
        return str(refused.value)


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_a_text_goes_from_the_number_that_was_dialled_to_the_caller(rig: Rig) -> None:
    assert await rig.text() == "Sent to the caller's telephone."
    assert rig.texts == [(MEDIA_CALL.dialled, MEDIA_CALL.caller, "Open until six.")]
    assert rig.outcomes == ["sent"]


async def test_a_link_stands_on_a_line_of_its_own(rig: Rig) -> None:
    await rig.tools.request_photo({}, CONTEXT)
    assert rig.texts[0][2].split("\n")[1:] == ["https://gw.example.com/photo/x"]


async def test_a_call_has_so_many_texts_links_and_failures_among_them(rig: Rig) -> None:
    rig.fails = "http_500"
    assert await rig.refused() == "The text could not be sent."
    rig.fails = ""
    await rig.tools.request_photo({}, CONTEXT)
    for _ in range(limits.messages.TEXTS_MAX - 2):
        await rig.text()
    assert await rig.refused() == "No further text can be sent in this call."
    assert rig.outcomes == ["refused", *["sent"] * (limits.messages.TEXTS_MAX - 1)]
    rig.call = CallDouble(MEDIA_CALL)
    await rig.text()


@pytest.mark.parametrize(
    ("over", "says"),
    [("country", "to the country"), ("number", "number today"), ("day", "can be sent today")],
)
async def test_a_text_over_a_limit_is_not_sent(rig: Rig, over: str, says: str) -> None:
    rig.over = over
    assert says in await rig.refused()
    assert rig.texts == []
    assert rig.outcomes == [over]


async def test_the_carriers_refusal_is_told_in_words(rig: Rig) -> None:
    rig.fails = "twilio_21614"
    assert "not a mobile one" in await rig.refused()
    assert rig.outcomes == ["refused"]


async def test_nothing_is_sent_for_a_call_that_is_over_or_has_no_numbers(rig: Rig) -> None:
    for facts, says in (
        (SimpleNamespace(caller="anonymous", dialled="+15550100"), "withheld"),
        (SimpleNamespace(caller="+15550199", dialled="sip:desk@example.com"), "This line"),
    ):
        rig.call = CallDouble(cast("Any", facts))
        assert says in await rig.refused()
    rig.call = None
    assert await rig.refused() == "The call is over."
    assert rig.texts == []
    assert rig.outcomes == []
