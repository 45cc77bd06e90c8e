"""Keys that the carrier itself takes: `<Gather>`, and a bank card by `<Pay>`.

Neither streams anything meanwhile. Sources: Twilio docs "TwiML Voice: <Gather>", "<Pay>".
"""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import uuid4

from gateway.simulator.twilio.call import TwilioCall
from gateway.simulator.twilio.outcomes import NextStep
from gateway.simulator.twilio.twiml import TwimlVerb

_FINISHING: Final = frozenset("0123456789#*")
_CARD_DIGITS: Final = range(12, 20)
_CARD_TYPES: Final = {"3": "amex", "4": "visa", "5": "mastercard"}
_PROMPTS: Final = {
    "payment-card-number": "Please enter your card number.",
    "expiration-date": "Please enter the expiration date, two digits for month and year.",
    "security-code": "Please enter the security code.",
    "postal-code": "Please enter the postal code.",
}


async def gather(call: TwilioCall, verb: TwimlVerb, base: str) -> NextStep | None:
    """Take keys, and request the action; without any only if `actionOnEmptyResult` says so."""
    if verb.get("finishOnKey", "#") not in {"", *_FINISHING}:
        call.line.warn(13310, "Gather: invalid finishOnKey value")
    if verb.get("numDigits") and not verb.get("numDigits").isdecimal():
        call.line.warn(13314, "Gather: invalid numDigits value")
    prompt = asyncio.create_task(_prompt(call, verb, base))
    try:
        digits = await _digits(call, verb, prompt)
    finally:
        prompt.cancel()
    if not digits and verb.get("actionOnEmptyResult") != "true":
        return None
    url = verb.get("action") or base
    return await call.fetch(url, {"Digits": digits}, method=verb.get("method", "POST"), base=base)


async def _prompt(call: TwilioCall, verb: TwimlVerb, base: str) -> None:
    for child in verb.children:
        await call.executor.verb(call, child, base)
    call.prompt_played()


async def _digits(call: TwilioCall, verb: TwimlVerb, prompt: asyncio.Task[None]) -> str:
    """Return the keys pressed until there are enough, the finishing key, or the timeout."""
    wanted, finish = int(verb.seconds("numDigits", 1000)), verb.get("finishOnKey", "#")
    digits, wait_s = "", verb.seconds("timeout", 5)
    while len(digits) < wanted:
        key = await _key(call, None if digits else prompt, wait_s)
        if key is None:
            break
        prompt.cancel()
        if finish and key in finish:
            break
        digits += key
    return digits


async def _key(call: TwilioCall, prompt: asyncio.Task[None] | None, wait_s: float) -> str | None:
    """Return the next key; the time for the first one begins when the prompt is over."""
    key = asyncio.ensure_future(call.keys.get())
    try:
        if prompt is not None:
            await asyncio.wait({key, prompt}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({key}, timeout=wait_s)
        return key.result() if key.done() else None
    finally:
        key.cancel()


async def pay(call: TwilioCall, verb: TwimlVerb, base: str) -> NextStep | None:
    """Take a card field by field; a star ends it, and so do too many mistakes."""
    asked = ["payment-card-number", "expiration-date"]
    asked += [name for name in ("security-code", "postal-code") if _wants(verb, name)]
    fields: dict[str, str] = {}
    result = "success"
    for name in asked:
        entered = await _field(call, verb, name)
        if entered is None:
            result = "caller-interrupted-with-star"
        elif not entered:
            result = "too-many-failed-attempts"
        if not entered:
            break
        fields |= _shown(name, entered)
    extra = {"Result": result, "PaymentConnector": verb.get("paymentConnector", "Default")}
    if result == "success":
        extra |= fields | {"PaymentMethod": "credit-card", "PaymentToken": f"tok_{uuid4().hex}"}
    if not (url := verb.get("action")):
        return None
    return await call.fetch(url, extra, method=verb.get("method", "POST"), base=base)


def _wants(verb: TwimlVerb, name: str) -> bool:
    attribute = {"security-code": "securityCode", "postal-code": "postalCode"}[name]
    return verb.get(attribute, "true") != "false"


async def _field(call: TwilioCall, verb: TwimlVerb, name: str) -> str | None:
    """Return what was entered: "" when no attempt was right, None after a star."""
    for _ in range(max(int(verb.seconds("maxAttempts", 1)), 1)):
        say = TwimlVerb("Say", {"language": verb.get("language", "en-US")}, _PROMPTS[name])
        prompt = asyncio.create_task(call.executor.verb(call, say, ""))
        taking = TwimlVerb("Gather", {"timeout": verb.get("timeout", "5")})
        try:
            keys = await _digits(call, taking, prompt)  # type: ignore[arg-type] # its result is of no use
        finally:
            prompt.cancel()
        if "*" in keys:
            return None
        if _fits(name, keys):
            return keys
    return ""


def _fits(name: str, keys: str) -> bool:
    if name == "payment-card-number":
        return len(keys) in _CARD_DIGITS and _luhn(keys)
    if name == "expiration-date":
        return len(keys) == 4 and 1 <= int(keys[:2]) <= 12
    return len(keys) in (3, 4) if name == "security-code" else bool(keys)


def _luhn(number: str) -> bool:
    doubled = (int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(number)))
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def _shown(name: str, entered: str) -> dict[str, str]:
    """Return the fields of the action request: masked, as the carrier masks them."""
    if name == "payment-card-number":
        masked = "x" * (len(entered) - 4) + entered[-4:]
        return {"PaymentCardNumber": masked, "PaymentCardType": _CARD_TYPES.get(entered[0], "card")}
    if name == "expiration-date":
        return {"ExpirationDate": entered}
    return (
        {"SecurityCode": "xxx"} if name == "security-code" else {"PaymentCardPostalCode": entered}
    )
