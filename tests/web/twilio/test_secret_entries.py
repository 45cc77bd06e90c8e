"""Documents into which a caller types, and the entries by which the carrier's answer is known."""

from __future__ import annotations

from time import monotonic
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

from call_doubles import CALL_SID, MEDIA_CALL

from gateway.agents.config.agent import Agent
from gateway.agents.texts.templates import load_templates
from gateway.bridge.calls.tasks import Tasks
from gateway.call.commands import CollectSecret
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store
from gateway.web.twilio.secret_entries import SecretEntries
from gateway.web.twilio.twiml_documents import TwimlDocuments

HTTP = {"http": {"url": "https://bank.example.com/"}}
BANK = Agent.model_validate(
    {
        "name": "bank",
        "instructions": "x",
        "tools": ["collect_digits", "take_payment"],
        "secret_digits": {"pin": HTTP | {"digits": 4, "ask": "Your PIN & only that."}, "no": HTTP},
        "payments": {"bill": HTTP | {"token": "reusable", "postal_code": True}},
    }
)


def a_call(language: str = "en") -> Any:
    return SimpleNamespace(facts=MEDIA_CALL, machine=SimpleNamespace(agent=BANK, language=language))


def entries() -> SecretEntries:
    store = Store(MemoryStore(monotonic), None, Tasks().start)
    return SecretEntries("https://gw.example.com", TwimlDocuments(load_templates(None)), store)


async def test_digits_are_gathered_by_the_carrier() -> None:
    document = await entries().begin(a_call(), CollectSecret("digits", "pin"))
    assert len(document) < 4000, "Twilio takes no longer one inline"
    gather = ElementTree.fromstring(document).find("Gather")
    assert gather is not None
    assert gather.attrib["input"] == "dtmf"
    assert (gather.attrib["numDigits"], gather.attrib["finishOnKey"]) == ("4", "#")
    assert gather.attrib["action"].startswith("https://gw.example.com/twilio/digits?entry=")
    assert gather.findtext("Say") == "Your PIN & only that."


async def test_without_a_number_of_digits_the_caller_ends_it_in_their_language() -> None:
    document = await entries().begin(a_call("fr-TN"), CollectSecret("digits", "no"))
    gather = ElementTree.fromstring(document).find("Gather")
    assert gather is not None
    assert "numDigits" not in gather.attrib
    assert "dièse" in (gather.findtext("Say") or "")


async def test_a_card_is_taken_by_pay_and_charged_with_nothing() -> None:
    document = await entries().begin(a_call("ar"), CollectSecret("payment", "bill"))
    pay = ElementTree.fromstring(document).find("Pay")
    assert pay is not None
    assert (pay.attrib["tokenType"], pay.attrib["postalCode"]) == ("reusable", "true")
    assert pay.attrib["paymentConnector"] == "Default"
    assert not {"chargeAmount", "language"} & set(pay.attrib)


async def test_an_entry_is_known_by_its_nonce_and_over_once() -> None:
    known = entries()
    document = await known.begin(a_call(), CollectSecret("digits", "pin"))
    nonce = document.split("entry=")[1].split("#")[0]
    assert await known.find(CALL_SID, "made-up") is None
    assert await known.find("CA0", nonce) is None
    entry = await known.find(CALL_SID, nonce)
    assert entry is not None
    again = await known.again(CALL_SID, entry, BANK)
    assert "That did not work." in again
    found = await known.find(CALL_SID, nonce)
    assert found is not None
    assert found.attempts == 2
    assert await known.take(CALL_SID) is not None
    assert await known.take(CALL_SID) is None
