"""The webhooks of a warm transfer, step by step: what is answered, and what is settled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from call_doubles import CALL_SID
from starlette.requests import Request
from starlette.responses import Response
from structlog.testing import capture_logs

from gateway.bridge.outbound.warm_transfer import (
    ACCEPTED,
    DECLINED,
    FAILED,
    WarmTransfer,
)
from gateway.call.commands import TransferCaller
from gateway.protocols.twilio_webhooks import VoiceRequest
from gateway.web.twilio.transfers import TransferWebhooks

FIELDS = {"CallSid": CALL_SID, "From": "+15550199", "To": "+15550100", "CallStatus": "in-progress"}
CALL = VoiceRequest(CALL_SID, "+15550199", "+15550100", "in-progress")
OURS = WarmTransfer("w1", CALL_SID, "+15550188", "+15550100", "Lee asks.", "fr")
DIALLED = WarmTransfer("w1", CALL_SID, "+15550188", "", "Lee asks.", "fr")
QUEUE_SID = "QU" + "a" * 32
ASKED = "transfer=w1"


class Desk:
    """Webhooks at a warm transfer of which a test says how it is."""

    def __init__(self, warm: WarmTransfer | None = OURS, outcome: str | None = None) -> None:
        self.warm, self.now, self.waits, self.accepts = warm, outcome, True, True
        self.told: list[tuple[Any, ...]] = []
        transfers: Any = SimpleNamespace(
            begin=self._begin,
            find=self._find,
            after_url=lambda warm: f"/after?{warm.id}",
            waits_on=self._waits_on,
            outcome=self._outcome,
            accept=self._accept,
            nobody_comes=self._to("nobody comes"),
            person_is_over=self._to("person over"),
            caller_is_over=self._to("caller over"),
            settle=self._to("settled"),
            left_queue=self._left_queue,
            forget_queue=lambda sid: self.told.append(("forget", sid)),
        )
        documents: Any = SimpleNamespace(
            render=self._render,
            response=lambda *name, **more: Response(self._render(*name, **more)),
            dial=lambda *more: " ".join(("dial", *more)),
        )
        self.webhooks = TransferWebhooks("https://gw", documents, transfers)

    def _to(self, name: str) -> Any:
        async def told(_warm: WarmTransfer, *more: str) -> None:
            self.told.append((name, *more))

        return told

    @staticmethod
    def _render(name: str, language: str = "", **more: str) -> str:
        return " ".join(word for word in (name, language, *more.values()) if word)

    async def _begin(
        self, call_sid: str, ours: str, to: TransferCaller, language: str
    ) -> WarmTransfer | None:
        self.told.append(("begin", call_sid, ours, to.to, language))
        return self.warm

    async def _find(self, warm_id: str) -> WarmTransfer | None:
        return self.warm if self.warm is not None and warm_id == self.warm.id else None

    async def _waits_on(self, _warm: WarmTransfer, waited_s: int) -> bool:
        self.told.append(("waits", waited_s))
        return self.waits

    async def _outcome(self, _warm: WarmTransfer) -> str | None:
        return self.now

    async def _accept(self, _warm: WarmTransfer) -> bool:
        return self.accepts

    async def _left_queue(self, _warm: WarmTransfer) -> str:
        return "left"

    async def post(self, endpoint: str, query: str = ASKED, **fields: str) -> str:
        answer = getattr(self.webhooks, endpoint)
        response = await answer(FIELDS | fields, asked(query))
        return bytes(response.body).decode()


def asked(query: str) -> Request:
    return Request({"type": "http", "headers": [], "query_string": query.encode()})


@pytest.mark.parametrize(
    ("warm", "to", "document"),
    [
        (
            None,
            TransferCaller("q", way="queue"),
            "queue.xml fr q https://gw/twilio/after?leg=transfer#rc=2&rp=all",
        ),
        (
            None,
            TransferCaller("+1", way="dial"),
            "dial +1 fr https://gw/twilio/after?leg=transfer#rc=2&rp=all",
        ),
        (
            OURS,
            TransferCaller("+15550188", way="warm"),
            "warm.xml fr warm-w1 /after?w1 https://gw/twilio/hold?transfer=w1",
        ),
        (
            DIALLED,
            TransferCaller("+15550188", way="warm"),
            "dial +15550188 fr /after?w1 https://gw/twilio/whisper?transfer=w1",
        ),
    ],
    ids=["queue", "dial", "warm", "warm without a number of ours"],
)
async def test_how_a_transfer_begins(
    warm: WarmTransfer | None, to: TransferCaller, document: str
) -> None:
    desk = Desk(warm)
    assert await desk.webhooks.document(CALL, to, "fr") == document
    assert desk.told == [("begin", CALL_SID, "+15550100", to.to, "fr")] * (warm is not None)


@pytest.mark.parametrize(
    ("waited", "waited_s"),
    [("0", 0), ("149", 149), ("999999", 999_999), ("1000000", 0), ("", 0), ("-1", 0), ("x", 0)],
)
async def test_how_long_a_caller_has_waited(waited: str, waited_s: int) -> None:
    desk = Desk()
    assert await desk.post("hold", QueueTime=waited) == "hold.xml https://gw/twilio/hold.wav"
    assert desk.told == [("waits", waited_s)]


async def test_a_caller_waits_as_long_as_somebody_may_come_and_for_their_own_person() -> None:
    desk = Desk()
    desk.waits = False
    assert await desk.post("hold") == "warm-cancel.xml"
    strangers = Desk(WarmTransfer("w1", "CA" + "0" * 32, "+1", "+2", "", "en"))
    unknown = Desk(None)
    with capture_logs() as logs:
        assert [await one.post("hold") for one in (strangers, unknown)] == ["warm-cancel.xml"] * 2
    assert strangers.told == unknown.told == []
    told = [(line["event"], line["webhook"]) for line in logs]
    assert told == [("warm_transfer_unknown", "hold")] * 2


SUMMARY = "whisper.xml fr Lee asks. https://gw/twilio/whisper?transfer=w1&key=1"


@pytest.mark.parametrize(
    ("outcome", "answer"), [(None, SUMMARY), (DECLINED, "hangup.xml"), (ACCEPTED, "hangup.xml")]
)
async def test_a_person_hears_the_summary_while_the_caller_waits(
    outcome: str | None, answer: str
) -> None:
    assert await Desk(outcome=outcome).post("whisper") == answer


@pytest.mark.parametrize(
    ("warm", "digits", "accepts", "answer", "told"),
    [
        (OURS, "1", True, "warm-connect.xml warm-w1", []),
        (DIALLED, "1", True, "warm-accepted.xml warm-w1", []),
        (OURS, "1", False, "hangup.xml", []),
        (OURS, "2", True, "hangup.xml", [("nobody comes", DECLINED)]),
        (OURS, "", True, "hangup.xml", [("nobody comes", DECLINED)]),
    ],
)
async def test_what_a_key_does(
    warm: WarmTransfer, digits: str, accepts: bool, answer: str, told: list[tuple[str, ...]]
) -> None:
    desk = Desk(warm)
    desk.accepts = accepts
    assert await desk.post("whisper", f"{ASKED}&key=1", Digits=digits) == answer
    assert desk.told == told


async def test_a_person_of_whom_nobody_knows_is_hung_up() -> None:
    with capture_logs() as logs:
        assert await Desk().post("whisper", "transfer=w2", CallSid="C" * 99) == "hangup.xml"
    assert [(line["webhook"], len(line["call_sid"])) for line in logs] == [("whisper", 34)]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("ringing", None),
        ("in-progress", None),
        ("completed", DECLINED),
        ("busy", "busy"),
        ("no-answer", "no-answer"),
        ("failed", FAILED),
        ("canceled", FAILED),
    ],
)
async def test_how_a_persons_call_ended(status: str, outcome: str | None) -> None:
    desk = Desk()
    assert await desk.post("person_status", CallStatus=status) == ""
    assert desk.told == ([] if outcome is None else [("person over", outcome)])
    stranger = Desk(None)
    assert await stranger.post("person_status", CallStatus=status) == ""
    assert stranger.told == []


@pytest.mark.parametrize(
    ("status", "fields", "told"),
    [
        ("completed", {"QueueResult": "hangup"}, [("caller over",)]),
        ("completed", {"QueueResult": "bridged"}, []),
        ("completed", {"QueueResult": "redirected-from-bridged"}, []),
        ("completed", {}, [("caller over",)]),
        ("in-progress", {"QueueResult": "hangup"}, []),
        ("in-progress", {"QueueSid": QUEUE_SID}, [("forget", QUEUE_SID)]),
        ("in-progress", {"QueueSid": QUEUE_SID + "a"}, []),
        ("completed", {"QueueSid": QUEUE_SID}, [("forget", QUEUE_SID), ("caller over",)]),
    ],
)
async def test_a_caller_who_is_not_in_the_queue_any_more(
    status: str, fields: dict[str, str], told: list[tuple[str, ...]]
) -> None:
    for known in (True, False):
        desk = Desk(OURS if known else None)
        call = VoiceRequest(CALL_SID, "+15550199", "+15550100", status)
        await desk.webhooks.out_of_queue(call, fields, asked(ASKED))
        assert desk.told == [one for one in told if known or one[0] == "forget"]


@pytest.mark.parametrize(
    ("fields", "outcome", "status", "told"),
    [
        ({"QueueResult": "bridged"}, None, "completed", []),
        ({"QueueResult": "redirected-from-bridged"}, None, "completed", []),
        ({"QueueResult": "leave"}, None, "left", []),
        ({"DialCallStatus": "completed"}, ACCEPTED, "completed", [("settled", DECLINED)]),
        ({"DialCallStatus": "completed"}, DECLINED, DECLINED, [("settled", DECLINED)]),
        ({"DialCallStatus": "answered"}, DECLINED, DECLINED, [("settled", DECLINED)]),
        ({"DialCallStatus": "busy"}, "busy", "busy", [("settled", "busy")]),
        ({"DialCallStatus": "failed"}, FAILED, "failed", [("settled", FAILED)]),
        ({"DialCallStatus": "canceled"}, FAILED, "canceled", [("settled", FAILED)]),
        ({"DialCallStatus": "busy"}, ACCEPTED, "completed", [("settled", "busy")]),
    ],
)
async def test_what_became_of_a_transfer(
    fields: dict[str, str], outcome: str | None, status: str, told: list[tuple[str, ...]]
) -> None:
    desk = Desk(outcome=outcome)
    assert await desk.webhooks.outcome(OURS, fields) == status
    assert desk.told == told


async def test_of_a_transfer_that_nobody_knows_only_a_connection_is_believed() -> None:
    webhooks = Desk().webhooks
    assert await webhooks.outcome(None, {"QueueResult": "bridged"}) == "completed"
    assert await webhooks.outcome(None, {"DialCallStatus": "completed"}) == FAILED
